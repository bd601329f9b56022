"""Memory and CPU time of a process and its descendants, from /proc (Linux)."""

import os
import time
from typing import NamedTuple

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """Memory of a process, and its CPU time including that of the children that it has waited for."""

    rss_bytes: int
    cpu_s: float


class Stat:
    """The open /proc/<pid>/stat of one process: cheap to read again, and never of a later process with its number.

    Raises:
        OSError: the process has ended.
    """

    def __init__(self, pid: int) -> None:
        self._file = os.open(f"/proc/{pid}/stat", os.O_RDONLY)

    def usage(self) -> Usage | None:
        """Memory and CPU time; None if the process has ended."""
        try:
            text = os.pread(self._file, 4096, 0)
        except ProcessLookupError:
            return None
        # The name in parentheses may contain spaces; after it comes field 3 of proc(5).
        fields = text.rpartition(b")")[2].split()
        cpu_ticks = sum(int(ticks) for ticks in fields[11:15])
        return Usage(int(fields[21]) * PAGE_BYTES, cpu_ticks / TICKS_PER_S)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def proportional_bytes(pid: int) -> int:
    """PSS of process `pid`, in which a page counts in equal parts for all that share it; 0 if the process has ended.

    Raises:
        PermissionError: the process is another user's.
    """
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


class RateLimit:
    """Rate limiter: spends at most 0.1 % of the time on something costly."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def due(self) -> bool:
        """Whether it may be done again now."""
        return time.monotonic() >= self._next_s

    def took(self, begun_s: float) -> None:
        """Note that it began at `begun_s` (`time.monotonic`) and is done now."""
        now_s = time.monotonic()
        self._next_s = now_s + 1000 * (now_s - begun_s)


class ProcessTree:
    """A process and its living descendants. Finding new ones asks every process of the machine, so it is rare."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._limit = RateLimit()
        self._pids: tuple[int, ...] = ()

    def pids(self, refresh: bool) -> tuple[int, ...]:
        """The process itself first, then its descendants as last seen; empty if it has ended."""
        if not self._pids or (refresh and self._limit.due()):
            begun_s = time.monotonic()
            self._pids = descend(self._pid)
            self._limit.took(begun_s)
        return self._pids


def descend(pid: int) -> tuple[int, ...]:
    """`pid` and its living descendants, `pid` first; empty if it has ended."""
    import psutil

    try:
        return (pid, *(child.pid for child in psutil.Process(pid).children(recursive=True)))
    except psutil.NoSuchProcess:
        return ()
