"""Readings gathered in memory as columns of numbers, so that no file has to be read again when a cell has ended.

A column takes 16 bytes per sample. One GPU and the machine, read ten times a second, take about 5 MB an hour.
"""

import contextlib
import math
from array import array
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

from bench.telemetry.reading import Reading
from bench.telemetry.schema import DEVICE, HOST, DeviceFacts, FieldSpec

FOREIGN = (AttributeError, OverflowError, RecursionError, TypeError, ValueError)
"""What a reading can raise if another program wrote or changed its line of telemetry.jsonl."""
MACHINE = ""
"""Stands for the machine itself where columns are named by device."""


class SampleColumn:
    """Samples of one field in the order of their times."""

    __slots__ = ("t_s", "value")

    def __init__(self) -> None:
        self.t_s = array("d")
        self.value = array("d")

    def add(self, t_s: float, value: float) -> None:
        """Append a sample, unless it is not later than the one before.

        Raises:
            ValueError: a number is not finite.
        """
        if not (math.isfinite(t_s) and math.isfinite(value)):
            raise ValueError(f"readings hold finite numbers only, got {value} at {t_s} s")
        if not self.t_s or t_s > self.t_s[-1]:
            self.value.append(value)
            self.t_s.append(t_s)


class _Held(NamedTuple):
    """A reason, and when it held."""

    since_s: float
    until_s: float
    reason: str


class Reasons:
    """What a source said is missing, and when."""

    def __init__(self) -> None:
        self._held: defaultdict[str, deque[_Held]] = defaultdict(lambda: deque(maxlen=1000))
        """By path."""

    def note(self, t_s: float, changes: Mapping[str, str | None]) -> None:
        """Apply `changes`: path to the new reason, or to None where the reason no longer holds."""
        for path, reason in changes.items():
            held = self._held[path]
            if held:
                held[-1] = held[-1]._replace(until_s=min(t_s, held[-1].until_s))
            if reason is not None:
                held.append(_Held(t_s, math.inf, reason))

    def during(self, start_s: float, end_s: float, paths: Sequence[str]) -> str | None:
        """The reason that held at some time between `start_s` and `end_s`, for the first of `paths` that had one."""
        held = (held for path in paths for held in self._held.get(path, ()))
        return next((reason for since_s, until_s, reason in held if since_s < end_s and until_s > start_s), None)


class GatheredSource:
    """Everything that is known from one source."""

    def __init__(self) -> None:
        self.n_readings = self.n_missed = 0
        self.status = "unfinished"
        self.cpu_s: float | None = None
        self.devices: dict[str, DeviceFacts] = {}
        """By UUID."""
        self.columns: defaultdict[tuple[str, str], SampleColumn] = defaultdict(SampleColumn)
        """By UUID, or `MACHINE`, and field. Combinations of names are numbered as in `combinations`."""
        self.combinations: dict[tuple[str, ...], int] = {}
        self.late_s = SampleColumn()
        """How late each reading was that had a deadline."""
        self.missed = SampleColumn()
        """How many deadlines passed without a reading, at the time of the next reading."""
        self.reasons = Reasons()

    def add(self, reading: Reading) -> None:
        """Take the next reading."""
        self.reasons.note(reading.t_s, reading.reasons)
        if closed := reading.facts.get("closed"):
            self.status, self.cpu_s = closed["status"], closed["cpu_s"]
        self.devices.update(reading.facts.get("devices", {}))
        if reading.late_s is not None:
            self.n_readings += 1
            self.late_s.add(reading.t_s, reading.late_s)
        if reading.missed:
            self.n_missed += reading.missed
            self.missed.add(reading.t_s - (reading.late_s or 0.0), reading.missed)
        self._add_values(MACHINE, HOST, reading.t_s, reading.values)
        for uuid, values in reading.values.get("devices", {}).items():
            self._add_values(uuid, DEVICE, reading.t_s, values)

    def hidden(self, reason: str) -> "GatheredSource":
        """How reading it went, without what was read, for `reason`."""
        source = GatheredSource()
        source.n_readings, source.n_missed = self.n_readings, self.n_missed
        source.status, source.cpu_s = self.status, self.cpu_s
        source.reasons.note(-math.inf, {"": reason})
        return source

    def _add_values(self, device: str, quantities: Mapping[str, FieldSpec], t_s: float, values: Any) -> None:
        for name, value in values.items():
            quantity = quantities.get(name)
            if quantity is not None and quantity.recorded:
                if quantity.kind == "names":
                    value = self.combinations.setdefault(tuple(value), len(self.combinations))
                self.columns[device, name].add(t_s, value)


class Gathered:
    """Everything that is known from a cell's sources."""

    def __init__(self) -> None:
        self.gpu = GatheredSource()
        self.host = GatheredSource()

    @classmethod
    def of(cls, readings: Iterable[Reading]) -> Self:
        """Gather `readings` up to the first that no sampler can have written. Those of one source must be in order."""
        gathered = cls()
        with contextlib.suppress(*FOREIGN):
            for reading in readings:
                gathered.add(reading)
        return gathered

    def without_gpu(self, reason: str) -> "Gathered":
        """The same without what was read from GPUs, for `reason`."""
        gathered = Gathered()
        gathered.host, gathered.gpu = self.host, self.gpu.hidden(reason)
        return gathered

    def add(self, reading: Reading) -> None:
        """Take the next reading."""
        (self.gpu if reading.role == "gpu" else self.host).add(reading)
