"""One supervisor per folder, on any machine that shares it; also after the machine of the one before has failed."""

import contextlib
import os
import platform
import threading
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = ".lock"
HOLDER = ".lock.host"
"""The file that names the host of the last supervisor, which touches it as long as it runs."""
BEAT_S = 30.0
STALE_S = 180.0
"""A supervisor on another host that has not touched `HOLDER` for this long is gone."""


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Lock `folder` against other supervisors, at most until this process ends.

    The system that keeps the files frees the locks of a process that ended, however it did; of a machine that failed,
    not everywhere: NFS 3 waits for it to come back, and where there is no flock, a file is left behind. So a lock of
    another host counts only while its holder shows signs of life.

    Raises:
        Timeout: another supervisor has locked it.
        OSError: it cannot be locked.
    """
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        inode = (folder / LOCK).stat().st_ino
        if not _abandoned(folder):
            raise
        _sign(folder)
        _remove(folder / LOCK, inode)
        lock.acquire()
    ended = threading.Event()
    try:
        _sign(folder)
        threading.Thread(target=_beat, args=(folder / HOLDER, ended), name="lock", daemon=True).start()
        yield
    finally:
        ended.set()
        lock.release()


def is_held(folder: Path) -> bool:
    """Whether a supervisor on any machine has locked `folder` at this moment, as far as this process may know."""
    if not (folder / LOCK).exists():
        return False
    # A folder of somebody else cannot be locked, nor be written in.
    with contextlib.suppress(OSError, NotImplementedError):
        try:
            with FileLock(folder / LOCK, timeout=0):
                return False
        except Timeout:
            return not _abandoned(folder)
    return False


def holder(folder: Path) -> str:
    """The host of the supervisor that locked `folder` last."""
    try:
        return (folder / HOLDER).read_text()
    except OSError:
        return "an unknown host"


def _sign(folder: Path) -> None:
    # On a full disk the lock holds all the same, and the record says what is wrong.
    with contextlib.suppress(OSError):
        (folder / HOLDER).write_text(platform.node())


def _beat(path: Path, ended: threading.Event) -> None:
    while not ended.wait(BEAT_S):
        with contextlib.suppress(OSError):
            path.touch()


def _abandoned(folder: Path) -> bool:
    """Whether the lock is another host's and has not been touched for long, by the clock of the file system."""
    if not (folder / HOLDER).exists() or holder(folder) == platform.node():
        return False
    now = _temporary(folder)
    now.touch()
    age_s = now.stat().st_mtime - (folder / HOLDER).stat().st_mtime
    now.unlink(missing_ok=True)
    return age_s > STALE_S


def _remove(path: Path, inode: int) -> None:
    """Remove the lock with this inode, and not the one of a supervisor that did the same a moment earlier."""
    aside = _temporary(path.parent)
    with contextlib.suppress(FileNotFoundError, FileExistsError):
        path.rename(aside)
        if aside.stat().st_ino != inode:
            path.hardlink_to(aside)
        aside.unlink()


def _temporary(folder: Path) -> Path:
    return folder / f".lock.{platform.node()}.{os.getpid()}.tmp"
