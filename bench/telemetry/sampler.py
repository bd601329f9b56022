"""Reads every source at regular ticks, each in its own thread, for as long as a cell runs.

A reading that fails never fails a cell: whatever goes wrong here becomes a reason in the readings.
"""

import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread
from typing import IO, Any

from bench.telemetry import Reader, Source, Telemetry, Unavailable
from bench.telemetry.gather import Gathered
from bench.telemetry.reading import Reading, Role
from bench.telemetry.schema import SLOW_PERIOD_S, DeviceFacts, Values, judge

RECENT_S = 60.0
"""`Sampler.drain` keeps this much; what it is asked for later is lost to the live display, and to nothing else."""


class Sampler:
    """One cell's readings, from before its first phase until after its last one.

    Args:
        settings: what is read, and how often.
        path: telemetry.jsonl, which is overwritten.
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
        """Start to read. Returns at once; sources are opened in their threads."""
        for feed in self._feeds:
            feed.start()

    def watch(self, pid: int) -> None:
        """From now on, count memory and CPU time of process `pid` and its descendants as the cell's."""
        for feed in self._feeds:
            feed.watch(pid)

    def wait_idle(self) -> None:
        """Wait until idle power has been measured, or until it is clear that there is nothing to measure."""
        for feed in self._feeds:
            feed.opened.wait(self._settings.hang_s)
            if feed.power_since_s is not None:
                time.sleep(max(0.0, feed.power_since_s + self._settings.idle_s - time.monotonic()))

    def drain(self) -> list[Reading]:
        """The readings since the last call, for those who show them live."""
        return self._log.drain()

    def stop(self) -> "Recording":
        """Take a last reading of everything and stop. A source that does not answer is left behind in its call.

        Returns after `hang_s` at the latest.
        """
        self._stopping.set()
        give_up_s = time.monotonic() + self._settings.hang_s
        for feed in self._feeds:
            feed.finish(give_up_s, self._settings.hang_s)
        return self._log.close()


class Feed(Thread):
    """The thread in which one source is opened, read at its ticks and closed."""

    def __init__(self, role: Role, source: Source, hz: float, origin_s: float, log: "Log", stopping: Event) -> None:
        # A thread that hangs in a driver's call must not keep the process from ending.
        super().__init__(name=f"telemetry-{role}", daemon=True)
        self.opened = Event()
        """Set when it is known whether there is anything to read."""
        self.power_since_s: float | None = None
        """Since when power is read; None if no device gives any."""
        self._role = role
        self._source = source
        self._period_s = 1.0 / hz
        self._origin_s = origin_s
        self._log = log
        self._stopping = stopping
        self._reader: Reader | None = None
        self._pid: int | None = None
        self._busy_since_s: float | None = None
        self._devices: Mapping[str, DeviceFacts] = {}
        self._dropped: dict[str, str] = {}
        """Why the last value of a field was dropped, by path."""
        self._reported: dict[str, str] = {}

    def watch(self, pid: int) -> None:
        """Have the reader watch process `pid`, as soon as there is one."""
        self._pid = pid
        if self._reader is not None:
            self._reader.watch(pid)

    def run(self) -> None:
        """Read until asked to stop."""
        status = "ok"
        try:
            self._busy_since_s = time.monotonic()
            reader = self._open()
            self._sample(reader)
            reader.close()
        except Unavailable as reason:
            status = str(reason)
        except Exception as error:
            status = f"failed: {type(error).__name__}: {error}"
        self.opened.set()
        self._busy_since_s = None
        self._close(status, time.monotonic(), time.thread_time())

    def finish(self, give_up_s: float, hang_s: float) -> None:
        """Wait for the thread to end, unless a call has taken `hang_s` already or is not back at `give_up_s`."""
        while self.is_alive():
            now_s = time.monotonic()
            busy_since_s = self._busy_since_s
            if now_s >= give_up_s or (busy_since_s is not None and now_s - busy_since_s >= hang_s):
                self._close("hung", now_s if busy_since_s is None else busy_since_s, None)
                return
            self.join(min(0.05, give_up_s - now_s))

    def _open(self) -> Reader:
        reader = self._source.open()
        opened_at_s = time.monotonic()
        self._devices = reader.facts.get("devices", {})
        if any(facts.get("power_reading") for facts in self._devices.values()):
            self.power_since_s = opened_at_s
        self._report(opened_at_s, reader.reasons, facts=reader.facts)
        self._reader = reader
        if self._pid is not None:
            reader.watch(self._pid)
        self.opened.set()
        return reader

    def _sample(self, reader: Reader) -> None:
        first_s = time.monotonic()
        tick, slow_second = 0, -1
        while True:
            self._busy_since_s = None
            stopping = self._stopping.wait(max(0.0, first_s + tick * self._period_s - time.monotonic()))
            now_s = self._busy_since_s = time.monotonic()
            # Ticks that passed during the last reading are missed: a tick has one reading or none.
            passed = int((now_s - first_s) / self._period_s)
            if stopping:
                self._read(reader, now_s, late_s=None, missed=max(0, passed + 1 - tick), slow=True)
                return
            current, second = max(tick, passed), int((now_s - first_s) / SLOW_PERIOD_S)
            late_s = max(0.0, now_s - first_s - current * self._period_s)
            self._read(reader, now_s, late_s, missed=current - tick, slow=second > slow_second)
            tick, slow_second = current + 1, second

    def _read(self, reader: Reader, now_s: float, late_s: float | None, missed: int, slow: bool) -> None:
        at_s, values, failed = now_s, Values(), {}
        try:
            at_s, read = reader.read(slow)
            values, verdicts = judge(read, self._devices)
            self._dropped = {path: why for path, why in (self._dropped | verdicts).items() if why is not None}
        except Unavailable:
            self._report(now_s, reader.reasons)
            raise
        except Exception as error:
            failed = {"": f"read_failed: {type(error).__name__}: {error}"}
        self._report(at_s, self._dropped | reader.reasons | failed, late_s=late_s, missed=missed, values=values)

    def _report(self, at_s: float, reasons: dict[str, str], **content: Any) -> None:
        """Log a reading, with the changes of `reasons` since the one before."""
        changes = {path: reasons.get(path) for path in self._reported | reasons}
        changes = {path: why for path, why in changes.items() if why != self._reported.get(path)}
        self._reported = dict(reasons)
        self._log.write(Reading(self._role, at_s - self._origin_s, reasons=changes, **content))

    def _close(self, status: str, at_s: float, cpu_s: float | None) -> None:
        facts = {"closed": {"status": status, "cpu_s": cpu_s}}
        reasons: dict[str, str | None] = {} if status == "ok" else {"": status}
        self._log.write(Reading(self._role, at_s - self._origin_s, facts=facts, reasons=reasons))


class Log:
    """Where readings go: into memory for the record, to telemetry.jsonl, and to those who show them live.

    If the file cannot be written, on a full disk for example, only the file is incomplete.
    """

    def __init__(self, path: Path, recent: int) -> None:
        self._lock = Lock()
        self._gathered = Gathered()
        self._recent: deque[Reading] = deque(maxlen=recent)
        self._closed = False
        self._file: IO[bytes] | None = None
        """None as soon as it lacks a reading."""
        with suppress(OSError):
            self._file = path.open("wb", buffering=0)

    def write(self, reading: Reading) -> None:
        """Take `reading`, unless the log is closed: what a thread that was left behind still reads is ignored."""
        line = reading.to_line()
        with self._lock:
            if not self._closed:
                self._gathered.add(reading)
                self._recent.append(reading)
                self._append(line)

    def drain(self) -> list[Reading]:
        """The readings since the last call, or the latest of them if there were too many."""
        with self._lock:
            drained = list(self._recent)
            self._recent.clear()
        return drained

    def close(self) -> "Recording":
        """End the log."""
        with self._lock:
            self._closed = True
            file_bytes = None if self._file is None else self._file.tell()
            self._close_file()
            return Recording(self._gathered, file_bytes)

    def _append(self, line: bytes) -> None:
        if self._file is not None:
            with suppress(OSError):
                if self._file.write(line) == len(line):
                    return
            # The last line is torn now, and no other may follow it.
            self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None


@dataclass(frozen=True)
class Recording:
    """What the sampler leaves."""

    gathered: Gathered
    """All readings."""
    file_bytes: int | None
    """Size of telemetry.jsonl; None if some readings are missing in it."""
