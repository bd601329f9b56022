"""The gathered columns as signals and counters: of each device, and of the cell's devices together."""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from bench.telemetry.energy import Floats
from bench.telemetry.gather import MACHINE, Column, GatheredSource
from bench.telemetry.schema import DEVICE, HOST
from bench.telemetry.windows import Counter, Signal, Span


def arrays(column: Column) -> tuple[Floats, Floats]:
    """Times and values."""
    return np.array(column.t_s), np.array(column.value)


def common(columns: Sequence[Column]) -> tuple[Floats, Floats]:
    """The times at which every column has a sample, and the values there, one row per column."""
    samples = [arrays(column) for column in columns]
    t_s: Floats = reduce(np.intersect1d, [times for times, _ in samples]) if samples else np.empty(0)
    rows = [value[np.searchsorted(times, t_s)] for times, value in samples]
    return t_s, np.array(rows).reshape(len(rows), len(t_s))


def total(gathered: GatheredSource, field: str, hz: float) -> Signal:
    """The sum over all devices, at the times when all of them answered: a sum without one would pass for the whole."""
    t_s, values = common([gathered.columns[uuid, field] for uuid in gathered.devices])
    return Signal(t_s, values.sum(axis=0), DEVICE[field].hold_s(hz))


class SourceSignals:
    """One source's readings, and why some are missing.

    Args:
        gathered: what was read.
        on: whether the source was switched on.
        hz: how often it was read.
    """

    def __init__(self, gathered: GatheredSource, on: bool, hz: float) -> None:
        self.gathered = gathered
        self.on = on
        self.hz = hz

    def why(self, span: Span, *paths: str, otherwise: str = "no_samples") -> str:
        """Why something is missing in `span`: the reason given for the whole source, or else for one of `paths`."""
        if not self.on:
            return "switched_off"
        reasons = self.gathered.reasons
        reason = reasons.during(span.start_s, span.end_s, ["", *paths])
        if reason is None and self.gathered.n_readings == 0:
            reason = reasons.of_source()
        return reason or otherwise


class DeviceSignals:
    """Power of one device."""

    def __init__(self, uuid: str, gathered: GatheredSource, hz: float) -> None:
        self.uuid = uuid
        self.facts = gathered.devices[uuid]
        power, energy = DEVICE["power_w"], DEVICE["energy_j"]
        self.power = Signal(*arrays(gathered.columns[uuid, "power_w"]), power.hold_s(hz))
        self.energy = Counter(
            *arrays(gathered.columns[uuid, "energy_j"]), energy.hold_s(hz), max_rate=power.upper_bound(self.facts)
        )


class GpuSignals(SourceSignals):
    """The devices one by one, and combined at the times when all of them answered."""

    def __init__(self, gathered: GatheredSource, on: bool, hz: float) -> None:
        super().__init__(gathered, on, hz)
        self.devices = [DeviceSignals(uuid, gathered, hz) for uuid in gathered.devices]
        self.power = total(gathered, "power_w", hz)
        self.memory = total(gathered, "memory_used_bytes", hz)
        self.process_memory = total(gathered, "process_memory_bytes", hz)
        used_s, used = self._common("utilisation_percent")
        self.utilisation = Signal(used_s, used.max(axis=0, initial=0.0), DEVICE["utilisation_percent"].hold_s(hz))
        """Of the device that is used most."""
        codes = gathered.combinations.items()
        self.throttled = self._while([code for names, code in codes if names])
        self.throttled_by = {
            name: self._while([code for names, code in codes if name in names])
            for name in sorted(set[str]().union(*gathered.combinations))
        }

    def _common(self, field: str) -> tuple[Floats, Floats]:
        return common([self.gathered.columns[uuid, field] for uuid in self.gathered.devices])

    def _while(self, codes: Sequence[int]) -> Signal:
        """1 while one of these combinations of throttle reasons holds for at least one device, otherwise 0.

        Its integral is a time.
        """
        t_s, values = self._common("throttle_reasons")
        holds: Floats = np.isin(values, codes).astype(np.float64).max(axis=0, initial=0.0)
        return Signal(t_s, holds, DEVICE["throttle_reasons"].hold_s(self.hz))

    def why_field(self, span: Span, field: str, otherwise: str = "no_samples") -> str:
        """Why `field` of at least one device is missing in `span`."""
        devices = self.gathered.devices
        return self.why(span, *devices, *(f"{uuid}.{field}" for uuid in devices), otherwise=otherwise)

    def lateness_s_p99(self, span: Span) -> float | None:
        """Lateness that 99 % of the readings in `span` did not exceed; None without a reading."""
        t_s, late_s = arrays(self.gathered.late_s)
        inside = [late_s[i:j] for i, j in span.samples(t_s)]
        lateness_s = np.concatenate(inside) if inside else late_s[:0]
        return float(np.quantile(lateness_s, 0.99, method="inverted_cdf")) if len(lateness_s) else None

    def missed_ticks(self, span: Span) -> int:
        """Deadlines in `span` that passed without a reading."""
        next_s, missed = arrays(self.gathered.missed)
        n = missed.astype(np.int64)
        back = np.concatenate([np.arange(count, 0, -1) for count in n]) if len(n) else np.empty(0)
        deadlines_s = np.repeat(next_s, n) - back / self.hz
        return sum(j - i for i, j in span.samples(deadlines_s))


class HostSignals(SourceSignals):
    """The machine and the cell's processes."""

    def __init__(self, gathered: GatheredSource, on: bool, hz: float) -> None:
        super().__init__(gathered, on, hz)
        self.rss, self.pss = self._signal("rss_bytes"), self._signal("pss_bytes")
        self.cpu, self.packages = self._counter("cpu_s"), self._counter("package_energy_j")

    def _signal(self, field: str) -> Signal:
        return Signal(*arrays(self.gathered.columns[MACHINE, field]), HOST[field].hold_s(self.hz))

    def _counter(self, field: str) -> Counter:
        return Counter(
            *arrays(self.gathered.columns[MACHINE, field]), HOST[field].hold_s(self.hz), max_rate=float("inf")
        )
