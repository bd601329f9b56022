"""The parent side of one cell: starts its process, hears what it tells, and writes its record however it ends."""

import contextlib
import errno
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from enum import StrEnum
from multiprocessing import connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import FrameType

from omegaconf import OmegaConf

from bench import protocol, store
from bench.errors import InputError
from bench.job import Job
from bench.record import Error, Status
from bench.supervisor import server
from bench.supervisor.account import Account
from bench.supervisor.environment import environment
from bench.supervisor.journal import Journal
from bench.supervisor.progress import Line, announce
from bench.supervisor.sinks import Sinks
from bench.telemetry.sampler import Sampler
from bench.telemetry.trace import to_json
from bench.tracker import CellInfo

RESULTS: tuple[Status, ...] = ("ok", "oom")
"""How a cell can end that running it again would only repeat."""

GRACE_S = 60.0
"""How long a cell that was asked to stop has for its last step and checkpoint."""

POLL_S = 0.5
"""How often time limits are looked at while the cell says nothing."""

UNWRITABLE = {
    errno.ENOSPC: "the disk is full. Free some space",
    errno.EDQUOT: "the disk quota is used up. Free some space",
    errno.EACCES: "permission denied. Allow it, or give another folder with runs=...",
    errno.EROFS: "the disk is read-only. Give another folder with runs=...",
}
"""Why a run folder cannot be written, and what to do, by the system's error number."""

CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)


class Stopped(StrEnum):
    """Why the supervisor ended a cell."""

    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"


def supervise(job: Job) -> None:
    """Run one cell to its record, unless it has one already.

    Raises:
        KeyboardInterrupt: the user asked to stop; the cell that was running is recorded as `interrupted`.
    """
    _show_one_gpu()
    try:
        folder = job.folder()
        with store.locked(folder):
            record = store.read_record(folder)
            if record is not None and record.status in RESULTS and not job.force:
                announce(job.title(), record, f"skipped: its record is complete; force=true runs it again ({folder})")
                return
            if job.force:
                store.clear(folder)
            _run(job, folder)
    except (store.Busy, InputError) as error:
        announce(job.title(), None, str(error))
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        announce(job.title(), None, f"{folder} could not be written: {UNWRITABLE[error.errno]} and run again.")


def _show_one_gpu() -> None:
    """Let the cell see one GPU, which telemetry measures too. The trainer would spread a batch over several."""
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    visible = os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
    first, several, _ = visible.partition(",")
    if several:
        os.environ["CUDA_VISIBLE_DEVICES"] = first
        print(f"CUDA_VISIBLE_DEVICES={visible}: every cell uses one GPU, here {first}.", file=sys.stderr)


def _run(job: Job, folder: Path) -> None:
    if aside := store.set_aside_broken(folder):
        announce(job.title(), None, f"its record was cut off; it lies in {aside} now, and the cell runs again")
    settings = OmegaConf.create(job.cell.model_dump(mode="json"))
    store.write_atomically(folder / "config.yaml", OmegaConf.to_yaml(settings))
    store.reserve(folder)
    account = Account(job.cell, job.cell.key(), job.study, time.monotonic())
    sinks = Sinks([Journal(folder / "events.jsonl", account.start_s), Line(job.title())])
    info = CellInfo(job.cell, account.key, job.study, job.title(), folder, account.start_s, environment()[0])
    for tracker in job.tracker.values():
        sinks.open(tracker, info)
    sampler = Sampler(job.telemetry, folder / "telemetry.jsonl", account.start_s)
    sampler.start()
    with _stopping() as stop:
        sampler.wait_idle()
        child = server.fork("bench.child.run:main", (job.cell.model_dump_json(), folder), job.title())
        sampler.watch(child.pid)
        stop.aim_at(child.process)
        _listen(child, account, sinks, sampler, stop, job.timeout_s)
    end_s = time.monotonic()
    recording = sampler.stop()
    status, error = how_it_ended(account, child.process.exitcode, stop.reason)
    record = account.record(status, error, end_s, environment(), recording, job.telemetry)
    if trace := account.trace(recording, job.telemetry):
        # On a full disk reports thin the readings themselves, which takes them longer
        with contextlib.suppress(OSError):
            store.write_atomically(folder / "trace.json", to_json(trace))
    store.write_record(folder, record)
    sinks.close(record)
    if status == "ok":
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    if stop.reason is Stopped.INTERRUPTED:
        raise KeyboardInterrupt


def how_it_ended(account: Account, exitcode: int | None, stopped: Stopped | None) -> tuple[Status, Error | None]:
    """The cell's status, from its own last word, from why it was stopped, and from how its process exited."""
    word = account.last_word
    phase = account.open.phase if account.open is not None else None
    if isinstance(word, protocol.Finished):
        return "ok", None
    if stopped is not None:
        message = {
            Stopped.TIMEOUT: "the cell ran longer than timeout_s; run it again and it goes on from its last checkpoint",
            Stopped.INTERRUPTED: "stopped by the user; run it again and it goes on from its last checkpoint",
        }[stopped]
        in_phase = word.phase if isinstance(word, protocol.Failed) else phase
        return stopped.value, Error(type=stopped.name.title(), message=message, phase=in_phase)
    if isinstance(word, protocol.Failed):
        return word.status, Error(type=word.type, message=word.message, phase=word.phase)
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        if -exitcode in CRASHES:
            return "failed", Error(
                type=name, message=f"the cell's process crashed with {name}; see log.txt", phase=phase
            )
        hint = ", as the kernel does when memory runs out" if name == "SIGKILL" else ""
        return "killed", Error(type=name, message=f"the cell's process was ended by {name}{hint}", phase=phase)
    message = f"the cell's process ended with exit status {exitcode} and without a word; see log.txt"
    return "failed", Error(type="Exit", message=message, phase=phase)


class _Stop:
    """Who asked the cell to stop, and until when it may take its time."""

    def __init__(self) -> None:
        self.reason: Stopped | None = None
        self.kill_at_s: float | None = None
        self._process: ForkServerProcess | None = None

    def aim_at(self, process: ForkServerProcess) -> None:
        """From now on it is `process` that is asked; at once, if somebody has asked already."""
        self._process = process
        if self.reason is not None:
            self.ask(self.reason)

    def ask(self, reason: Stopped) -> None:
        self.reason = reason
        self.kill_at_s = time.monotonic() + GRACE_S
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.reason is Stopped.INTERRUPTED:
            self.kill()
        else:
            print("\nStopping after the current step; once more to stop at once.", file=sys.stderr)
            self.ask(Stopped.INTERRUPTED)


@contextlib.contextmanager
def _stopping() -> Iterator[_Stop]:
    """While the cell runs, Ctrl-C and SIGTERM ask it to stop; a second one kills it."""
    stop = _Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _listen(
    child: server.Child, account: Account, sinks: Sinks, sampler: Sampler, stop: _Stop, timeout_s: float | None
) -> None:
    """Hear events until the process is gone and the pipe is empty."""
    end_s = account.start_s + timeout_s if timeout_s is not None else float("inf")
    while True:
        ready = connection.wait([child.events, child.process.sentinel], timeout=POLL_S)
        sinks.sample(sampler.drain())
        if child.events in ready:
            try:
                event = protocol.parse(child.events.recv_bytes())
            except (EOFError, OSError):
                # The second where it was killed in the middle of a word.
                break
            account.handle(event)
            sinks.handle(event)
        elif child.process.sentinel in ready:
            break
        now_s = time.monotonic()
        if stop.reason is None and now_s > end_s:
            stop.ask(Stopped.TIMEOUT)
        if stop.kill_at_s is not None and now_s > stop.kill_at_s:
            stop.kill()
    child.process.join()
