"""Reads every source at its ticks, in a thread of its own, for as long as a cell runs.

A reading that fails never fails a cell: whatever goes wrong in here ends as a reason in the readings.
"""

import contextlib
import time
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread
from typing import IO, Any

from bench.telemetry import Reader, Source, Telemetry, Unavailable
from bench.telemetry.reading import Reading, Role, parse

SLOW_PERIOD_S = 1.0
"""What changes slowly is read so often."""
SPILL_BYTES = 64 * 2**20
"""Memory for what the disk refuses; compressed, days of readings fit."""
RECENT_S = 60.0
"""How much `Sampler.drain` can be behind before readings are lost to it (and to nothing else)."""


class Sampler:
    """One cell's readings, from before its first phase until after its last one.

    Args:
        settings: what is read, and how often.
        path: telemetry.jsonl, which is begun anew.
        origin_s: the cell's start on the monotonic clock, from which all times are counted; now if None.
    """

    def __init__(self, settings: Telemetry, path: Path, origin_s: float | None = None) -> None:
        self._settings = settings
        self._stopping = Event()
        self._log = Log(path, recent=int(2 * RECENT_S * settings.hz))
        origin_s = time.monotonic() if origin_s is None else origin_s
        sources: list[tuple[Role, Source | None]] = [("gpu", settings.gpu), ("host", settings.host)]
        self._feeds = [
            Feed(role, source, settings.hz, origin_s, self._log, self._stopping) for role, source in sources if source
        ]

    def start(self) -> None:
        """Begin to read. Returns at once; sources are opened in their threads."""
        for feed in self._feeds:
            feed.start()

    def watch(self, pid: int) -> None:
        """From now on, count memory and CPU time of process `pid` and its descendants as the cell's."""
        for feed in self._feeds:
            feed.watch(pid)

    def wait_idle(self) -> None:
        """Wait until idle power is measured. Returns as soon as it is clear that there is nothing to measure."""
        for feed in self._feeds:
            feed.opened.wait(self._settings.hang_s)
            if feed.measures_idle:
                time.sleep(max(0.0, feed.opened_at_s + self._settings.idle_s - time.monotonic()))

    def drain(self) -> list[Reading]:
        """The readings since the last call, for those who show them live."""
        return self._log.drain()

    def stop(self) -> "Recording":
        """Take a last reading of everything and end. A source that does not answer is left behind in its call.

        Returns after `hang_s` at the latest.
        """
        self._stopping.set()
        give_up_s = time.monotonic() + self._settings.hang_s
        for feed in self._feeds:
            feed.finish(give_up_s, self._settings.hang_s)
        return self._log.close()


class Feed(Thread):
    """The life of one source: opened, read at its ticks, closed, all in this thread."""

    def __init__(self, role: Role, source: Source, hz: float, origin_s: float, log: "Log", stopping: Event) -> None:
        # A thread that hangs in a driver's call must not keep the process from ending.
        super().__init__(name=f"telemetry-{role}", daemon=True)
        self.opened = Event()
        """Set when it is known whether there is anything to read."""
        self.opened_at_s = 0.0
        self.measures_idle = False
        self._role = role
        self._source = source
        self._period_s = 1.0 / hz
        self._origin_s = origin_s
        self._log = log
        self._stopping = stopping
        self._reader: Reader | None = None
        self._pid: int | None = None
        self._busy_since_s: float | None = None
        self._told: dict[str, str] = {}

    def watch(self, pid: int) -> None:
        """Have the reader watch process `pid`, as soon as there is one."""
        self._pid = pid
        if self._reader is not None:
            self._reader.watch(pid)

    def run(self) -> None:
        """Read until told to stop."""
        status = "ok"
        try:
            self._busy_since_s = time.monotonic()
            reader = self._open()
            self._sample(reader)
            self._busy_since_s = time.monotonic()
            reader.close()
        except Unavailable as reason:
            status = str(reason)
        except Exception as error:
            status = f"failed: {type(error).__name__}: {error}"
        finally:
            self.opened.set()
            self._busy_since_s = None
        self._close(status, time.monotonic(), time.thread_time())

    def finish(self, give_up_s: float, hang_s: float) -> None:
        """Wait for the thread's end, but not for a call that has hung for `hang_s` or still does at `give_up_s`."""
        while self.is_alive():
            now_s = time.monotonic()
            busy_since_s = self._busy_since_s
            if now_s >= give_up_s or (busy_since_s is not None and now_s - busy_since_s >= hang_s):
                self._close("hung", now_s if busy_since_s is None else busy_since_s, None)
                return
            self.join(min(0.05, give_up_s - now_s))

    def _open(self) -> Reader:
        reader = self._source.open()
        self.measures_idle = reader.measures_idle
        self.opened_at_s = time.monotonic()
        self._tell(self.opened_at_s, facts=reader.facts, reasons=reader.reasons)
        self._reader = reader
        if self._pid is not None:
            reader.watch(self._pid)
        self.opened.set()
        return reader

    def _sample(self, reader: Reader) -> None:
        first_s = slow_at_s = time.monotonic()
        tick = 0
        while True:
            self._busy_since_s = None
            stopping = self._stopping.wait(max(0.0, first_s + tick * self._period_s - time.monotonic()))
            now_s = self._busy_since_s = time.monotonic()
            if stopping:
                self._read(reader, now_s, late_s=None, missed=0, slow=True)
                return
            # Ticks that passed while the last reading took its time are gone: a tick has one reading or none.
            current = max(tick, int((now_s - first_s) / self._period_s))
            late_s = max(0.0, now_s - first_s - current * self._period_s)
            self._read(reader, now_s, late_s, missed=current - tick, slow=now_s >= slow_at_s)
            if now_s >= slow_at_s:
                slow_at_s += SLOW_PERIOD_S * (1 + int((now_s - slow_at_s) / SLOW_PERIOD_S))
            tick = current + 1

    def _read(self, reader: Reader, now_s: float, late_s: float | None, missed: int, slow: bool) -> None:
        own: dict[str, str] = {}
        at_s = now_s
        values: dict[str, Any] = {}
        try:
            at_s, values = reader.read(slow)
        except Unavailable:
            self._tell(now_s, reasons=reader.reasons)
            raise
        except Exception as error:
            own[""] = f"read_failed: {type(error).__name__}: {error}"
        try:
            self._tell(at_s, late_s=late_s, missed=missed, values=values, reasons=reader.reasons | own)
        except ValueError:
            # Not a number, or infinite: JSON has no word for it, and the record no use.
            self._tell(at_s, late_s=late_s, missed=missed, reasons=reader.reasons | {"": "implausible"})

    def _tell(
        self,
        at_s: float,
        *,
        reasons: dict[str, str],
        late_s: float | None = None,
        missed: int = 0,
        values: dict[str, object] | None = None,
        facts: dict[str, object] | None = None,
    ) -> None:
        news: dict[str, str | None] = {path: why for path, why in reasons.items() if self._told.get(path) != why}
        news |= {path: None for path in self._told if path not in reasons}
        self._log.write(Reading(self._role, at_s - self._origin_s, late_s, missed, values or {}, facts or {}, news))
        self._told = dict(reasons)

    def _close(self, status: str, at_s: float, cpu_s: float | None) -> None:
        facts = {"closed": {"status": status, "cpu_s": cpu_s}}
        reasons: dict[str, str | None] = {} if status == "ok" else {"": status}
        self._log.write(Reading(self._role, at_s - self._origin_s, facts=facts, reasons=reasons))


class Log:
    """telemetry.jsonl while it is written. What the disk refuses is kept in memory, so that no total suffers."""

    def __init__(self, path: Path, recent: int) -> None:
        self._path = path
        self._lock = Lock()
        self._recent: deque[Reading] = deque(maxlen=recent)
        self._bytes = 0
        self._spill: Spill | None = None
        self._closed = False
        self._file: IO[bytes] | None = None
        try:
            self._file = path.open("wb", buffering=0)
        except OSError:
            self._spill = Spill()

    def write(self, reading: Reading) -> None:
        """Append `reading`, unless the log is closed: a thread that was left behind has no say any more."""
        line = reading.to_line()
        with self._lock:
            if self._closed:
                return
            self._recent.append(reading)
            if self._spill is None and not self._write_file(line):
                self._spill = Spill()
            if self._spill is not None:
                self._spill.write(line)

    def drain(self) -> list[Reading]:
        """The readings since the last call, as far as they are kept."""
        with self._lock:
            drained = list(self._recent)
            self._recent.clear()
        return drained

    def close(self) -> "Recording":
        """End the log."""
        # Whoever holds the lock for so long hangs in a write; then the file is what it is.
        locked = self._lock.acquire(timeout=1.0)
        try:
            self._closed = True
            if self._file is not None and locked:
                with contextlib.suppress(OSError):
                    self._file.close()
            return Recording(self._path, self._bytes, self._spill, complete=locked and self._spill is None)
        finally:
            if locked:
                self._lock.release()

    def _write_file(self, line: bytes) -> bool:
        assert self._file is not None
        try:
            written = self._file.write(line)
        except OSError:
            written = 0
        if written == len(line):
            self._bytes += len(line)
            return True
        # The line is torn now, and must stay the last one.
        with contextlib.suppress(OSError):
            self._file.close()
        self._file = None
        return False


class Spill:
    """Lines in memory, compressed."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(level=1)
        self._chunks: list[bytes] = []
        self._bytes = 0

    def write(self, line: bytes) -> None:
        """Keep `line`, unless memory for it has run out."""
        if self._bytes >= SPILL_BYTES:
            return
        if chunk := self._compressor.compress(line):
            self._chunks.append(chunk)
            self._bytes += len(chunk)

    def lines(self) -> Iterator[bytes]:
        """What was kept."""
        decompressor = zlib.decompressobj()
        rest = b""
        for chunk in (*self._chunks, self._compressor.copy().flush()):
            *lines, rest = (rest + decompressor.decompress(chunk)).split(b"\n")
            for line in lines:
                yield line + b"\n"


@dataclass(frozen=True)
class Recording:
    """What the sampler has left."""

    path: Path
    written_bytes: int
    """How much of telemetry.jsonl is whole lines."""
    spill: Spill | None
    complete: bool
    """Whether all readings are in the file."""

    @property
    def file_bytes(self) -> int | None:
        """Size of telemetry.jsonl; None where a part of the readings is not in it."""
        return self.written_bytes if self.complete else None

    def readings(self) -> Iterator[Reading]:
        """All readings in the order taken, streamed from the file, and from memory where the disk refused them."""
        with contextlib.suppress(OSError):
            yield from parse(self._lines())
        if self.spill is not None:
            yield from parse(self.spill.lines())

    def _lines(self) -> Iterator[bytes]:
        left = self.written_bytes
        if not left:
            return
        with self.path.open("rb") as file:
            while left > 0 and (line := file.readline(left)):
                left -= len(line)
                yield line
