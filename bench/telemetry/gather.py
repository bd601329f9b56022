"""Readings gathered by source: signals and counters per window, and what the source said about itself."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from bench.telemetry import Source
from bench.telemetry.energy import total_of
from bench.telemetry.nvml import THROTTLING
from bench.telemetry.reading import Reading, Role
from bench.telemetry.sampler import SLOW_PERIOD_S
from bench.telemetry.windows import Counter, Group, Lateness, Signal, Windows

HOLD_PERIODS = 5
"""A sample stands for at most so many periods; beyond, the signal is unknown."""
LIKELY_LIMIT_W = 2500.0
"""Stands for a board's power limit, where it does not say, in judging what its energy counter can have counted."""


class Reasons:
    """What a source said about itself, and when."""

    def __init__(self) -> None:
        self._present: dict[str, tuple[float, str]] = {}
        self._past: deque[tuple[str, float, float, str]] = deque(maxlen=1000)

    def note(self, t_s: float, changes: Mapping[str, str | None]) -> None:
        """Take over `changes`: path to reason, or to None where the reason has gone."""
        for path, reason in changes.items():
            if path in self._present:
                since_s, former = self._present.pop(path)
                self._past.append((path, since_s, t_s, former))
            if reason is not None:
                self._present[path] = (t_s, reason)

    def during(self, group: Group, paths: Sequence[str]) -> str | None:
        """The reason that held at some time of `group`, for the first of `paths` that had one."""
        for path in paths:
            if path in self._present and self._present[path][0] < group.end_s:
                return self._present[path][1]
            for known, since_s, until_s, reason in self._past:
                if known == path and since_s < group.end_s and until_s > group.start_s:
                    return reason
        return None

    def of_source(self) -> str | None:
        """What was said last about the source as a whole."""
        return self._present[""][1] if "" in self._present else None


class Gathered:
    """What is known of one source, whatever it reads."""

    def __init__(self, role: Role, source: Source | None, windows: Windows, hz: float) -> None:
        self.role = role
        self.source = source
        self.windows = windows
        self.hold_s = HOLD_PERIODS / hz
        self.slow_hold_s = HOLD_PERIODS * SLOW_PERIOD_S
        self.n_readings = self.n_missed = 0
        self.status = "unfinished"
        self.cpu_s: float | None = None
        self._reasons = Reasons()

    def add(self, reading: Reading) -> None:
        """Take the next reading."""
        self._reasons.note(reading.t_s, reading.reasons)
        if "closed" in reading.facts:
            self.status, self.cpu_s = reading.facts["closed"]["status"], reading.facts["closed"]["cpu_s"]
        if reading.late_s is not None:
            self.n_readings += 1
            self.n_missed += reading.missed

    def why(self, group: Group, *paths: str, otherwise: str = "no_samples") -> str:
        """Why something is missing in `group`: what was said of the whole source, or of `paths`, in that order."""
        if self.source is None:
            return "switched_off"
        reason = self._reasons.during(group, ["", *paths])
        if reason is None and self.n_readings == 0:
            reason = self._reasons.of_source()
        return reason or otherwise


class Device:
    """Power of one device."""

    def __init__(self, facts: Mapping[str, Any], windows: Windows, hold_s: float) -> None:
        self.facts = facts
        self.power = Signal(windows, hold_s)
        limit_w = facts.get("power_limit_w") or LIKELY_LIMIT_W
        self.energy = Counter(windows, max_gap_s=hold_s, max_rate=2 * limit_w)

    def add(self, t_s: float, answer: Mapping[str, float]) -> None:
        """Take what the device answered at `t_s`."""
        if "power_w" in answer:
            self.power.add(t_s, answer["power_w"])
        if "energy_j" in answer:
            self.energy.add(t_s, answer["energy_j"])

    def finish(self) -> None:
        """No answer will follow."""
        self.power.finish()
        self.energy.finish()


class Gpu(Gathered):
    """The devices one by one, and their sums at the times when all of them answered."""

    def __init__(self, source: Source | None, windows: Windows, hz: float) -> None:
        super().__init__("gpu", source, windows, hz)
        self.lateness = Lateness(windows, 1.0 / hz)
        self.devices: dict[str, Device] = {}
        self.power = Signal(windows, self.hold_s)
        self.memory = Signal(windows, self.hold_s)
        self.process_memory = Signal(windows, self.slow_hold_s)
        self.utilisation = Signal(windows, self.hold_s)
        """Of the device that is used most."""
        self.throttled = Signal(windows, self.slow_hold_s)
        """1 while at least one device is throttled, otherwise 0; its integral is a time."""
        self.throttled_by = {reason: Signal(windows, self.slow_hold_s) for reason in THROTTLING}

    def add(self, reading: Reading) -> None:
        """Take the next reading."""
        super().add(reading)
        if reading.late_s is not None:
            self.lateness.add(reading.t_s, reading.late_s)
        if reading.late_s is not None and reading.missed:
            self.lateness.miss(reading.t_s - reading.late_s, reading.missed)
        for uuid, facts in reading.facts.get("devices", {}).items():
            self.devices[uuid] = Device(facts, self.windows, self.hold_s)
        answers = [reading.values.get("devices", {}).get(uuid, {}) for uuid in self.devices]
        for device, answer in zip(self.devices.values(), answers, strict=True):
            device.add(reading.t_s, answer)
        for signal, field in (
            (self.power, "power_w"),
            (self.memory, "memory_used_bytes"),
            (self.process_memory, "process_memory_bytes"),
        ):
            if (total := total_of([answer.get(field) for answer in answers])) is not None:
                signal.add(reading.t_s, total)
        if answers and all("utilisation_percent" in answer for answer in answers):
            self.utilisation.add(reading.t_s, max(answer["utilisation_percent"] for answer in answers))
        if answers and all("event_reasons" in answer for answer in answers):
            self._throttling(reading.t_s, [answer["event_reasons"] for answer in answers])

    def _throttling(self, t_s: float, reasons: Sequence[int]) -> None:
        holds = {name: any(bits & bit for bits in reasons) for name, bit in THROTTLING.items()}
        self.throttled.add(t_s, any(holds.values()))
        for name, signal in self.throttled_by.items():
            signal.add(t_s, holds[name])

    def finish(self) -> None:
        """No reading will follow."""
        signals = [self.power, self.memory, self.process_memory, self.utilisation, self.throttled]
        for stream in (*signals, *self.throttled_by.values(), self.lateness):
            stream.finish()
        for device in self.devices.values():
            device.finish()

    def why_field(self, group: Group, field: str, otherwise: str = "no_samples") -> str:
        """Why `field` of at least one device is missing in `group`."""
        paths = [*self.devices, *(f"{uuid}.{field}" for uuid in self.devices)]
        return self.why(group, *paths, otherwise=otherwise)


class Host(Gathered):
    """The machine and the cell's processes."""

    def __init__(self, source: Source | None, windows: Windows, hz: float) -> None:
        super().__init__("host", source, windows, hz)
        self.rss = Signal(windows, self.hold_s)
        self.pss = Signal(windows, self.slow_hold_s)
        self.cpu = Counter(windows, max_gap_s=self.slow_hold_s, max_rate=float("inf"))
        self.packages = Counter(windows, max_gap_s=self.slow_hold_s, max_rate=float("inf"))

    def add(self, reading: Reading) -> None:
        """Take the next reading."""
        super().add(reading)
        for stream, field in (
            (self.rss, "rss_bytes"),
            (self.pss, "pss_bytes"),
            (self.cpu, "cpu_s"),
            (self.packages, "package_energy_j"),
        ):
            if field in reading.values:
                stream.add(reading.t_s, reading.values[field])

    def finish(self) -> None:
        """No reading will follow."""
        for stream in (self.rss, self.pss, self.cpu, self.packages):
            stream.finish()
