"""A recorded telemetry.jsonl in place of hardware: to try trackers and reports without a GPU, and for tests."""

import time
from collections.abc import Iterator
from pathlib import Path

from bench.errors import InputError
from bench.telemetry import Reader, Sample, Source, Unavailable
from bench.telemetry.reading import Reading, Role, read_file
from bench.telemetry.schema import Values


class Replay(Source):
    """Replays the readings of one role from the start, at the pace at which they were taken."""

    path: str
    """A telemetry.jsonl."""
    role: Role

    def open(self) -> "ReplayReader":
        """Start with the first reading."""
        path = Path(self.path)
        if not path.is_file():
            raise InputError(f"telemetry replay: no such file: {self.path}; give a telemetry.jsonl of an earlier run")
        return ReplayReader(reading for reading in read_file(path) if reading.role == self.role)


class ReplayReader(Reader):
    """Gives each reading as long after opening as it was recorded after the first one."""

    def __init__(self, readings: Iterator[Reading]) -> None:
        self._readings = readings
        self._next = next(readings, None)
        if self._next is None:
            raise Unavailable("replay_empty")
        self._behind_s = time.monotonic() - self._next.t_s
        self.facts = self._next.facts
        self.reasons = {}
        self._take(self._next)

    def watch(self, pid: int) -> None:
        """Do nothing: the recorded process counts."""

    def read(self, slow: bool) -> Sample:
        """The latest recorded values until now; none if there are none since the last call."""
        values = Values()
        now_s = time.monotonic()
        while self._next is not None and self._next.t_s <= now_s - self._behind_s:
            self._take(self._next)
            values = self._next.values or values
            self._next = next(self._readings, None)
        if self._next is None and not values:
            raise Unavailable("replay_ended")
        return Sample(now_s, values)

    def close(self) -> None:
        """Do nothing: the file closes when it has been read or is no longer used."""

    def _take(self, reading: Reading) -> None:
        self.reasons = {path: why for path, why in (self.reasons | reading.reasons).items() if why is not None}
