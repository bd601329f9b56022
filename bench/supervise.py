"""The parent side of one cell: starts its process, hears what it tells, and writes its record however it ends."""

import contextlib
import errno
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from multiprocessing import connection, context, forkserver, get_context
from pathlib import Path
from types import FrameType

from omegaconf import OmegaConf

from bench import events, store
from bench.account import Account
from bench.environment import environment
from bench.errors import InputError
from bench.job import Job
from bench.journal import Journal
from bench.progress import Line, announce
from bench.record import Error, Record, Status
from bench.telemetry.reading import Reading
from bench.telemetry.sampler import Sampler
from bench.tracker import Opening, Sink, Tracker

RESULTS: tuple[Status, ...] = ("ok", "oom")
"""How a cell can end that running it again would only repeat."""

GRACE_S = 60.0
"""How long a cell that was asked to stop has for its last step and checkpoint."""

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
    # One cell uses one GPU, and telemetry measures that one.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
    folder = job.folder()
    try:
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
        if error.errno != errno.ENOSPC:
            raise
        announce(job.title(), None, f"{folder} could not be written: the disk is full. Free some space and run again.")


def _run(job: Job, folder: Path) -> None:
    if aside := store.set_aside_broken(folder):
        announce(job.title(), None, f"its record was cut off; it lies in {aside} now, and the cell runs again")
    store.write_atomically(
        folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(job.cell.model_dump(mode="json")))
    )
    store.reserve(folder)
    account = Account(job.cell, job.cell.key(), job.study, time.monotonic())
    sinks = _Sinks([Journal(folder / "events.jsonl", account.start_s), Line(job.title())])
    opening = Opening(job.cell, account.key, job.study, job.title(), folder, account.start_s, environment()[0])
    for tracker in job.tracker.values():
        sinks.open(tracker, opening)
    sampler = Sampler(job.telemetry, folder / "telemetry.jsonl", account.start_s)
    sampler.start()
    sampler.wait_idle()
    process, receiver = _start(job, folder)
    assert process.pid is not None
    sampler.watch(process.pid)
    with _stopping(process) as stop:
        _listen(process, receiver, account, sinks, sampler, stop, job.timeout_s)
    end_s = time.monotonic()
    recording = sampler.stop()
    status, error = how_it_ended(account, process.exitcode, stop.reason)
    record = account.record(status, error, end_s, environment(), recording, job.telemetry)
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
    if isinstance(word, events.Finished):
        return "ok", None
    if stopped is not None:
        message = {
            Stopped.TIMEOUT: "the cell ran longer than timeout_s; run it again and it goes on from its last checkpoint",
            Stopped.INTERRUPTED: "stopped by the user; run it again and it goes on from its last checkpoint",
        }[stopped]
        in_phase = word.phase if isinstance(word, events.Failed) else phase
        return stopped.value, Error(type=stopped.name.title(), message=message, phase=in_phase)
    if isinstance(word, events.Failed):
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

    def __init__(self, process: context.ForkServerProcess) -> None:
        self.process = process
        self.reason: Stopped | None = None
        self.kill_at_s: float | None = None

    def ask(self, reason: Stopped) -> None:
        self.reason = reason
        self.kill_at_s = time.monotonic() + GRACE_S
        self.process.terminate()

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.reason is Stopped.INTERRUPTED:
            self.process.kill()
        else:
            print("\nStopping after the current step; once more to stop at once.", file=sys.stderr)
            self.ask(Stopped.INTERRUPTED)


@contextlib.contextmanager
def _stopping(process: context.ForkServerProcess) -> Iterator[_Stop]:
    """While the cell runs, Ctrl-C and SIGTERM ask it to stop; a second one kills it."""
    stop = _Stop(process)
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
    process: context.ForkServerProcess,
    receiver: connection.Connection,
    account: Account,
    sinks: "_Sinks",
    sampler: Sampler,
    stop: _Stop,
    timeout_s: float | None,
) -> None:
    """Hear events until the process is gone and the pipe is empty."""
    end_s = account.start_s + timeout_s if timeout_s is not None else float("inf")
    while True:
        ready = connection.wait([receiver, process.sentinel], timeout=0.5)
        sinks.sample(sampler.drain())
        if receiver in ready:
            try:
                event = events.parse(receiver.recv_bytes())
            except EOFError:
                break
            account.hear(event)
            sinks.hear(event)
        elif process.sentinel in ready:
            break
        now_s = time.monotonic()
        if stop.reason is None and now_s > end_s:
            stop.ask(Stopped.TIMEOUT)
        if stop.kill_at_s is not None and now_s > stop.kill_at_s:
            process.kill()
    process.join()


def _start(job: Job, folder: Path) -> tuple[context.ForkServerProcess, connection.Connection]:
    """Fork the cell's process from the warm server."""
    server = get_context("forkserver")
    receiver, sender = server.Pipe(duplex=False)
    # Imported by the server, so the modules load once for all cells of the sweep.
    server.set_forkserver_preload(["bench.run"])
    with _deaf_and_quiet():
        forkserver.ensure_running()
    process = server.Process(target=_run_cell, args=(job.cell.model_dump_json(), folder, sender), name=job.title())
    process.start()
    sender.close()
    return process, receiver


def _run_cell(cell_json: str, folder: Path, sender: connection.Connection) -> None:
    from bench.run import main

    main(cell_json, folder, sender)


@contextlib.contextmanager
def _deaf_and_quiet() -> Iterator[None]:
    """For the server to inherit: no Ctrl-C, which is for the supervisor alone, and no terminal for what imports print.

    It also inherits that asking whether there is a GPU must not initialise CUDA, which no fork survives.
    """
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main_thread else None
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        if in_main_thread:
            signal.signal(signal.SIGINT, before)


class _Sinks:
    """All sinks of a cell. One that raises is closed out and told of, once; the cell and the others go on."""

    def __init__(self, sinks: list[Sink]) -> None:
        self._sinks = sinks

    def open(self, tracker: Tracker, opening: Opening) -> None:
        try:
            self._sinks.append(tracker.open(opening))
        except Exception as error:
            print(f"tracker {tracker.name} could not be opened: {error}", file=sys.stderr)

    def hear(self, event: events.AnyEvent) -> None:
        self._each(lambda sink: sink.hear(event))

    def sample(self, readings: list[Reading]) -> None:
        def show(sink: Sink) -> None:
            for reading in readings:
                sink.sample(reading)

        self._each(show)

    def close(self, record: Record) -> None:
        self._each(lambda sink: sink.close(record))

    def _each(self, call: Callable[[Sink], None]) -> None:
        for sink in list(self._sinks):
            try:
                call(sink)
            except Exception as error:
                self._sinks.remove(sink)
                print(f"{type(sink).__name__} stopped: {error}", file=sys.stderr)
