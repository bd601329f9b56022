"""The parent side of one cell: starts its process, collects its events, and writes its record however it ends."""

import contextlib
import shutil
import signal
import time
from functools import partial
from multiprocessing import connection
from pathlib import Path

from omegaconf import OmegaConf

from bench import context, own_code, protocol, store
from bench.errors import InputError
from bench.job import Job
from bench.machine import Environment
from bench.record import Record, Status
from bench.record_sections import Error
from bench.supervisor import server
from bench.supervisor.account import Account
from bench.supervisor.environment import environment
from bench.supervisor.journal import Journal
from bench.supervisor.lease import Gpus, leased
from bench.supervisor.progress import Line, Place, announce, heading
from bench.supervisor.sinks import Sinks
from bench.supervisor.stop import Stop, stopping
from bench.telemetry.sampler import Sampler
from bench.telemetry.trace import to_json
from bench.tracker import CellInfo

RESULTS: tuple[Status, ...] = ("ok", "oom")
"""Endings that a second run would only repeat."""

POLL_S = 0.5
"""How often time limits are checked while no event arrives."""

CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)


def supervise(job: Job, place: Place | None = None) -> None:
    """Run one cell until its record is written, unless it has one already.

    What prevents that is printed in one sentence and leaves no record; the sweep goes on with its next cell.

    Raises:
        KeyboardInterrupt: the user asked to stop; the cell that was running is recorded as `interrupted`.
        SystemExit: a launcher put the job back into its queue, once the record was written.
    """
    title = heading(job.title(), place)
    try:
        folder = job.folder()
        with store.locked(folder):
            record = store.read_record(folder)
            if record is not None and is_done(job, record):
                _drop_checkpoints(folder, record)
                reason = f"its record is complete; force=true runs it again ({folder})"
                announce(title, f"{record.status}  skipped: {reason}")
                return
            if job.force and (kept := store.clear(folder)):
                announce(title, f"force=true left what tunebench did not write in {folder}: {', '.join(kept)}")
            if aside := store.set_aside_broken(folder):
                announce(title, f"its record was cut off; it is in {aside} now, and the cell runs again")
            with Line(title, place, partial(context.remedy, job.cell)) as line:
                _run(job, folder, line)
    except InputError as error:
        announce(title, str(error))
    except OSError as error:
        announce(title, store.explain(error, folder))


def is_done(job: Job, record: Record | None) -> bool:
    """Whether the cell with this record, if it has one, need not run."""
    return record is not None and record.status in RESULTS and not job.force


def _run(job: Job, folder: Path, line: Line) -> None:
    settings = OmegaConf.create(job.cell.model_dump(mode="json"))
    store.write_atomically(folder / "config.yaml", OmegaConf.to_yaml(settings))
    with stopping() as stop, contextlib.ExitStack() as at_the_end:
        with leased(job.gpus_per_cell, Path(job.gpu_locks), lambda: stop.reason is not None, line.before) as gpus:
            if gpus is None:
                return
            account = Account(job.cell, job.cell.key(), job.study, time.monotonic(), gpus.uuids, job.tuning)
            sinks = Sinks({Journal(folder / "events.jsonl", account.start_s): "events.jsonl", line: "terminal"})
            record = _measured(job, folder, account, sinks, stop, gpus)
        at_the_end.callback(sinks.close, record)
        store.write_record(folder, record)
        _drop_checkpoints(folder, record)


def _drop_checkpoints(folder: Path, record: Record) -> None:
    """Remove what nobody resumes from; also when a cell is skipped, as its supervisor may have been killed before."""
    if record.status == "ok":
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def _measured(job: Job, folder: Path, account: Account, sinks: Sinks, stop: Stop, gpus: Gpus) -> Record:
    """Run the cell's process on `gpus` to its end beside the sampler; gives what the record will say."""
    telemetry = job.telemetry.of(gpus.uuids) if gpus.uuids else job.telemetry
    machine = _with_own_code(job, *environment(telemetry.gpu))
    info = CellInfo(job.cell, account.key, job.study, job.title(), folder, account.start_s, machine[0])
    for tracker in job.tracker.values():
        sinks.open(tracker, info)
    sampler = Sampler(telemetry, folder / "telemetry.jsonl", account.start_s)
    sampler.start()
    sampler.wait_idle()
    try:
        arguments = (job.cell.model_dump_json(), folder, job.checkpoint_minutes)
        child = server.fork("bench.child.run:main", arguments, job.title(), gpus.variables, gpus.locks)
    except server.ServerFailed as error:
        ending = how_it_ended(account, None, stop, str(error))
    else:
        sampler.watch(child.pid)
        stop.attach(child.process)
        exitcode = _listen(child, account, sinks, sampler, stop, job.timeout_s)
        ending = how_it_ended(account, exitcode, stop, server.last_line())
    stop.ended = True
    end_s = time.monotonic()
    recording = sampler.stop()
    record = account.record(*ending, end_s, machine, recording, job.telemetry)
    # On a full disk the report computes the trace from the readings, and the log goes without these lines.
    with contextlib.suppress(OSError):
        if trace := account.trace(recording, job.telemetry):
            store.write_atomically(folder / "trace.json", to_json(trace))
        if not account.started and (text := server.output()):
            with (folder / "log.txt").open("a") as log:
                log.write(text)
    return record


def _with_own_code(job: Job, environment: Environment, reasons: dict[str, str]) -> tuple[Environment, dict[str, str]]:
    """The environment with the packages of the user's own code that the cell runs, beside those installed."""
    own = own_code.versions(job.cell.model_dump(mode="json"))
    return environment.model_copy(update={"packages": environment.packages | own}), reasons


def how_it_ended(account: Account, exitcode: int | None, stop: Stop, output: str) -> tuple[Status, Error | None]:
    """The cell's status and error, from what its process reported and its exit code (None if there was no process).

    `output` is the last line that the process or its server printed before the cell's log began.
    """
    status: Status
    outcome = account.outcome
    if isinstance(outcome, protocol.Finished):
        return "ok", None
    if outcome is not None:
        status, kind, message, phase = outcome.status, outcome.type, outcome.message, outcome.phase
    else:
        status, kind, message = _silent_end(exitcode, "" if account.started else output)
        phase = account.open.phase if account.open else None
    if stop.reason is not None:
        message = f"{stop.cause()}; run it again and it goes on from its last checkpoint"
        status, kind = stop.reason, stop.reason.title()
    return status, Error(type=kind, message=message, phase=phase)


def _silent_end(exitcode: int | None, output: str) -> tuple[Status, str, str]:
    """Status, type and message of the error of a process that did not say how it ended."""
    if exitcode is None:
        return "failed", "ServerFailed", f"{output}; see log.txt"
    if exitcode == server.SERVER_KILLED:
        return "killed", "ServerKilled", "the server that forks cells was killed, and this cell with it"
    if exitcode >= 0:
        reason = f": {output}" if output else " and no message"
        return "failed", "Exit", f"the cell's process ended with exit status {exitcode}{reason}; see log.txt"
    number = -exitcode
    # Most real-time signals have no name.
    name = signal.Signals(number).name if number in list(signal.Signals) else f"signal {number}"
    if number in CRASHES:
        return "failed", name, f"the cell's process crashed with {name}; see log.txt"
    hint = ", as the kernel does when memory runs out" if number == signal.SIGKILL else ""
    return "killed", name, f"the cell's process was ended by {name}{hint}"


def _listen(
    child: server.Child, account: Account, sinks: Sinks, sampler: Sampler, stop: Stop, timeout_s: float | None
) -> int:
    """Pass events on until the process is gone and the pipe is empty. Returns the process's exit code."""
    end_s = account.start_s + timeout_s if timeout_s is not None else float("inf")
    while True:
        ready = connection.wait([child.events, child.process.sentinel], timeout=POLL_S)
        sinks.sample(sampler.drain())
        if child.events in ready:
            try:
                event = protocol.parse(child.events.recv_bytes())
            except (EOFError, OSError):
                # OSError if the process was killed in the middle of an event.
                break
            account.handle(event)
            sinks.handle(event)
        elif child.process.sentinel in ready:
            break
        stop.check(end_s)
    return child.join()
