"""Cells as jobs of Slurm: which have one in the queue, and waiting for them whatever happens to the jobs."""

import contextlib
import getpass
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from filelock import FileLock, Timeout
from omegaconf import DictConfig

from bench import store
from bench.errors import InputError
from bench.record import Record
from bench.supervisor.progress import announce, console, ending, warn

JOB = ".job"
"""The file in a cell's folder that names the job which was queued for the cell last."""
POLL_S = 5.0
"""How often Slurm is asked for its queue: one call, whatever the number of jobs."""
GIVE_UP_S = 600.0
"""How long Slurm may not answer, such as while its controller is restarted, before nobody waits for it any more."""
QUEUEING_S = 120.0
"""How long another command may take to queue the jobs of a study: usually a second."""


def runs_elsewhere(config: DictConfig) -> bool:
    """Whether the launcher of this configuration runs cells on other machines, whose GPUs are not known here."""
    return str(config.hydra.launcher._target_).endswith("SlurmLauncher")


def active() -> dict[str, str]:
    """Maps each of the user's jobs that is queued or running to its state, such as `{"12_0": "PENDING"}`.

    A job that was preempted and waits to run again is queued.

    Raises:
        InputError: Slurm is not installed, or its controller does not answer.
    """
    lines = _output("squeue", "--noheader", "--array", f"--user={getpass.getuser()}", "--format=%i %T").splitlines()
    return dict(line.split(maxsplit=1) for line in lines)


@contextlib.contextmanager
def queueing(study: Path) -> Iterator[None]:
    """Queue jobs for cells in the folder `study` while no other command does, and ignore Ctrl-C meanwhile.

    Otherwise two commands could queue a job for the same cell, and a job could be queued that no cell's folder names.

    Raises:
        InputError: another command does not come to an end with it.
    """
    store.require_folder(study)
    lock = FileLock(study / ".queueing.lock", timeout=QUEUEING_S)
    try:
        lock.acquire()
    except Timeout as error:
        raise InputError(
            f"{study}: another command has been queueing jobs for more than {QUEUEING_S:.0f} s; end it, or remove "
            f"{lock.lock_file} if there is none, and run again"
        ) from error
    # Slurm's commands inherit this: Ctrl-C reaches them as well.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        lock.release()


def note(folder: Path, job_id: str) -> None:
    """Remember in a cell's folder which job was queued for it."""
    store.require_folder(folder)
    store.write_atomically(folder / JOB, job_id)


def noted(folder: Path) -> str | None:
    """The job that was queued last for the cell in `folder`; None if there was none."""
    try:
        return (folder / JOB).read_text()
    except OSError:
        return None


def in_queue(folders: list[Path]) -> dict[Path, str]:
    """Maps the folders of cells that have a job in the queue to `queued` or `running`.

    If Slurm does not answer, those of cells that had a job and have no record are `unknown`.
    """
    jobs = {folder: job_id for folder in folders if (job_id := noted(folder))}
    try:
        states = active() if jobs else {}
    except InputError:
        return {folder: "unknown" for folder in jobs if not (folder / store.RECORD).exists()}
    return {
        folder: "queued" if states[job_id] == "PENDING" else "running"
        for folder, job_id in jobs.items()
        if job_id in states
    }


def wait(cells: Mapping[str, tuple[str, Path, Record | None]]) -> None:
    """Wait until no job of `cells` is in the queue any more, and print how each cell ended.

    If Slurm does not answer for `GIVE_UP_S`, say so and wait no longer.

    Args:
        cells: job to its cell's title, its folder, and its record as it was before the job.

    Raises:
        KeyboardInterrupt: the user does not want to wait; the jobs stay in the queue.
    """
    left, gone, answered_s = dict(cells), set[str](), time.monotonic()
    try:
        with console.status("") as line:
            while left:
                time.sleep(POLL_S)
                try:
                    states = active()
                except InputError as error:
                    if time.monotonic() - answered_s > GIVE_UP_S:
                        warn(f"{error}. Jobs that are in its queue stay there; the same command waits for them again.")
                        return
                    line.update(str(error))
                    continue
                answered_s = time.monotonic()
                # Twice, since a job is in no state for a moment while it is put back into the queue.
                ended = [job_id for job_id in left if job_id not in states and job_id in gone]
                gone = {job_id for job_id in left if job_id not in states}
                for job_id in ended:
                    _announce(job_id, *left.pop(job_id))
                n_queued = sum(states.get(job_id) == "PENDING" for job_id in left)
                line.update(f"Slurm: {len(left) - n_queued} running, {n_queued} queued")
    except KeyboardInterrupt:
        arrays = dict.fromkeys(job_id.partition("_")[0] for job_id in left)
        warn(f"\nThe jobs stay in the queue. To cancel them: scancel {' '.join(arrays)}")
        raise


def rename_own_job(name: str) -> None:
    """Let `squeue` show the job that this process runs in as `name`: all jobs of an array start with the same name."""
    if job_id := os.environ.get("SLURM_JOB_ID"):
        with contextlib.suppress(InputError):
            _output("scontrol", "update", f"JobId={job_id}", f"JobName={name}")


def _announce(job_id: str, title: str, folder: Path, before: Record | None) -> None:
    record = store.read_record(folder)
    if record is None or record == before:
        output = folder.parent / ".submitit" / job_id
        announce(title, f"job {job_id} ended without a record: it was cancelled or lost; its output is in {output}")
    else:
        announce(title, ending(record))


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    except subprocess.CalledProcessError as error:
        raise InputError(f"Slurm does not answer: {' '.join(error.stderr.split())}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"Slurm does not answer: {error}") from error
