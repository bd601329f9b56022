"""What a process and its descendants hold and have used, from /proc (Linux)."""

import os
import time
from dataclasses import dataclass

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What a process holds, and the CPU time of it and of the children that it has waited for."""

    rss_bytes: int
    cpu_s: float


class Stat:
    """The open /proc/<pid>/stat of one process: cheap to read again, and never another process that got its number.

    Raises:
        OSError: the process has gone.
    """

    def __init__(self, pid: int) -> None:
        self._file = os.open(f"/proc/{pid}/stat", os.O_RDONLY)

    def usage(self) -> Usage | None:
        """What the process holds and has used; None where it has gone."""
        try:
            text = os.pread(self._file, 4096, 0)
        except ProcessLookupError:
            return None
        # The name in parentheses may hold spaces; what follows it starts with field 3 of proc(5).
        fields = text.rpartition(b")")[2].split()
        cpu_ticks = sum(int(ticks) for ticks in fields[11:15])
        return Usage(int(fields[21]) * PAGE_BYTES, cpu_ticks / TICKS_PER_S)

    def close(self) -> None:
        """Let go of the process."""
        os.close(self._file)


def proportional_bytes(pid: int) -> int:
    """PSS of process `pid`: pages count in equal parts for all that share them; 0 where it has gone.

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


class Paced:
    """Leave to do something costly: never so often that it takes more than one part in 1000 of the time."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def due(self) -> bool:
        """Whether it may be done again now."""
        return time.monotonic() >= self._next_s

    def took(self, begun_s: float) -> None:
        """Account for what was begun at `begun_s` (`time.monotonic`) and is now done."""
        now_s = time.monotonic()
        self._next_s = now_s + 1000 * (now_s - begun_s)


class ProcessTree:
    """A process and its living descendants. To find new ones asks every process of the machine, so it is paced."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._paced = Paced()
        self._pids: tuple[int, ...] = ()

    def pids(self, refresh: bool) -> tuple[int, ...]:
        """The process itself first, then its descendants as last seen; empty where it has gone."""
        if not self._pids or (refresh and self._paced.due()):
            begun_s = time.monotonic()
            self._pids = descend(self._pid)
            self._paced.took(begun_s)
        return self._pids


def descend(pid: int) -> tuple[int, ...]:
    """`pid` and its living descendants, `pid` first; empty where it has gone."""
    import psutil

    try:
        return (pid, *(child.pid for child in psutil.Process(pid).children(recursive=True)))
    except psutil.NoSuchProcess:
        return ()
