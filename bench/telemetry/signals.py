"""The gathered columns as signals and counters: of each device, of the cell's devices together, and of the machine."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial, reduce
from typing import NamedTuple, TypeVar

import numpy as np

from bench.telemetry.amount import Amount
from bench.telemetry.energy import Floats
from bench.telemetry.gather import MACHINE, GatheredSource, SampleColumn
from bench.telemetry.schema import DEVICE, FIELDS, DeviceFacts
from bench.telemetry.windows import Counter, Signal, Span

Q = TypeVar("Q", Signal, Counter)


def arrays(column: SampleColumn) -> tuple[Floats, Floats]:
    """Times and values."""
    return np.array(column.t_s), np.array(column.value)


class SourceSignals:
    """One source's readings, and why some are missing.

    Args:
        gathered: what was read.
        hz: how often it was read.
        on: whether the source was switched on.
    """

    def __init__(self, gathered: GatheredSource, hz: float, on: bool = True) -> None:
        self.gathered = gathered
        self.hz = hz
        self.on = on

    def why(self, *paths: str) -> Callable[[Span], str | None]:
        """Gives the reason that the source gave in a span for all its readings, or else for one of `paths`."""
        return partial(self._reason, ("", *paths))

    def _reason(self, paths: tuple[str, ...], span: Span) -> str | None:
        if not self.on:
            return "switched_off"
        # If nothing was ever read, a reason that was given after the span holds for it as well.
        end_s = span.end_s if self.gathered.n_readings else math.inf
        return self.gathered.reasons.during(span.start_s, end_s, paths)

    def quantity(self, kind: type[Q], field: str, device: str = MACHINE) -> Q:
        """A field of the machine or of one device."""
        why = self.why(field) if device == MACHINE else self.why(device, f"{device}.{field}")
        return kind(*arrays(self.gathered.columns[device, field]), FIELDS[field].hold_s(self.hz), why)


class Device(NamedTuple):
    """What is known about the power of one device."""

    facts: DeviceFacts
    power: Signal
    energy: Counter


class GpuSignals(SourceSignals):
    """The devices one by one, and combined at the times when all of them answered."""

    def __init__(self, gathered: GatheredSource, hz: float, on: bool = True) -> None:
        super().__init__(gathered, hz, on)
        self.devices = {
            uuid: Device(
                facts,
                self.quantity(Signal, "power_w", uuid),
                replace(self.quantity(Counter, "energy_j", uuid), max_rate=DEVICE["power_w"].upper_bound(facts)),
            )
            for uuid, facts in gathered.devices.items()
        }
        self.power = self._sum("power_w")
        self.memory = self._sum("memory_used_bytes")
        self.process_memory = self._sum("process_memory_bytes")
        self.utilisation = self._combined("utilisation_percent", lambda rows: rows.max(axis=0, initial=0.0))
        """Of the device that is used most."""
        codes = gathered.combinations.items()
        self.throttled = self._while([code for names, code in codes if names])
        self.throttled_by = {
            name: self._while([code for names, code in codes if name in names])
            for name in sorted(set[str]().union(*gathered.combinations))
        }

    def _combined(self, field: str, combine: Callable[[Floats], Floats]) -> Signal:
        """`combine` turns the values of all devices, one row per device, into those of the signal."""
        uuids = list(self.gathered.devices)
        columns = [arrays(self.gathered.columns[uuid, field]) for uuid in uuids]
        t_s = reduce(np.intersect1d, [times for times, _ in columns]) if columns else np.empty(0)
        rows = [value[np.searchsorted(times, t_s)] for times, value in columns]
        values = combine(np.array(rows).reshape(len(rows), len(t_s)))
        why = self.why(*uuids, *(f"{uuid}.{field}" for uuid in uuids))
        return Signal(t_s, values, DEVICE[field].hold_s(self.hz), why)

    def _sum(self, field: str) -> Signal:
        # Only where all devices answered: a sum without one would pass for the whole.
        return self._combined(field, np.add.reduce)

    def _while(self, codes: list[int]) -> Signal:
        """1 while one of these combinations of throttle reasons holds for at least one device, otherwise 0."""
        return self._combined("throttle_reasons", lambda rows: 1.0 * np.logical_or.reduce(np.isin(rows, codes)))

    def shared_boards(self) -> dict[str, bool]:
        """For each device whose processes are known, whether one was not the cell's."""
        seen = {uuid: self.gathered.columns[uuid, "other_processes"].value for uuid in self.devices}
        return {uuid: any(others) for uuid, others in seen.items() if others}

    def lateness_s_p99(self, span: Span) -> Amount:
        """Lateness that 99 % of the readings in `span` did not exceed."""
        t_s, late_s = arrays(self.gathered.late_s)
        inside = np.concatenate([late_s[stretch] for stretch in span.samples(t_s)])
        if not len(inside):
            return Amount(None, self.why()(span) or "no_samples")
        return Amount(float(np.quantile(inside, 0.99, method="inverted_cdf")))

    def missed_ticks(self, span: Span) -> int:
        """Deadlines in `span` that passed without a reading."""
        following = zip(*arrays(self.gathered.missed), strict=True)
        deadlines_s = [next_s - back / self.hz for next_s, n in following for back in range(int(n), 0, -1)]
        return span.count(np.array(deadlines_s))


class HostSignals(SourceSignals):
    """The machine and the cell's processes."""

    def __init__(self, gathered: GatheredSource, hz: float, on: bool = True) -> None:
        super().__init__(gathered, hz, on)
        self.rss, self.pss = self.quantity(Signal, "rss_bytes"), self.quantity(Signal, "pss_bytes")
        self.cpu, self.packages = self.quantity(Counter, "cpu_s"), self.quantity(Counter, "package_energy_j")
