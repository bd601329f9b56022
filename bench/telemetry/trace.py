"""Power and memory of one cell over time, thinned to what a figure can show, and trace.json, the file of that."""

import contextlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, FiniteFloat, PositiveInt, model_validator

from bench.telemetry.energy import Floats, total_of
from bench.telemetry.gather import HOLD_PERIODS
from bench.telemetry.reading import Reading
from bench.telemetry.windows import Signal, Stretch, Windows

BINS = 600
"""About as many as a figure across a page has dots in width, whatever the cell's length."""
FOREIGN = (AttributeError, OverflowError, RecursionError, TypeError, ValueError)
"""What comes of a line that the sampler has not written."""


@dataclass(frozen=True)
class Series:
    """A signal over the bins of its trace; NaN in a bin that no sample stands for."""

    mean: Floats
    """By step-hold, as energy is integrated."""
    peak: Floats
    """The largest sample, and never less than the mean."""


@dataclass(frozen=True)
class Trace:
    """One cell from its first phase's start to its last one's end. Times are seconds since that start."""

    phases: tuple[Stretch, ...]
    edges_s: Floats
    """Between which the bins lie, so one more than those."""
    power_w: Series | None
    """Of all the cell's boards together; null without a sample that has all of them, as are the others."""
    device_bytes: Series | None
    """In use on the cell's devices together, by whomever."""
    rss_bytes: Series | None
    """Of the cell's processes together."""


def thin(readings: Iterable[Reading], phases: Sequence[Stretch], hz: float) -> Trace | None:
    """The trace of `readings` in one pass and bounded memory, up to the first that no sampler takes.

    Args:
        readings: of one cell, in the order taken.
        phases: of the cell, on its clock.
        hz: how often it was sampled.

    Returns:
        None where the phases take no time.
    """
    relative, seconds = _since_start(phases)
    if not 0 < seconds < math.inf:
        return None
    n = max(1, round(min(BINS, seconds * hz)))
    start_s = min(phase.start_s for phase in phases)
    bins = Windows([Stretch("", start_s + k * seconds / n, seconds / n) for k in range(n)], idle_s=0.0)
    power, memory, rss = (Signal(bins, HOLD_PERIODS / hz) for _ in range(3))
    with contextlib.suppress(*FOREIGN):
        _gather(readings, power, memory, rss)
    series = (_series(signal, n, seconds / n) for signal in (power, memory, rss))
    return Trace(relative, np.linspace(0.0, seconds, n + 1), *series)


def to_json(trace: Trace) -> str:
    """The text of trace.json, from which `from_json` has every number back to its last digit."""
    series = {name: _as_lists(getattr(trace, name)) for name in _SERIES}
    return _File(n_bins=len(trace.edges_s) - 1, phases=trace.phases, **series).model_dump_json() + "\n"


def from_json(text: str | bytes, phases: Sequence[Stretch]) -> Trace | None:
    """The trace in the text of a trace.json; None where it is of another run of the cell, whose phases are not these.

    Raises:
        ValueError: the text is not what `to_json` gives.
    """
    file = _File.model_validate_json(text)
    relative, seconds = _since_start(phases)
    if file.phases != relative:
        return None
    series = (_as_arrays(getattr(file, name)) for name in _SERIES)
    return Trace(relative, np.linspace(0.0, seconds, file.n_bins + 1), *series)


_SERIES = ("power_w", "device_bytes", "rss_bytes")


class _Lists(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mean: list[FiniteFloat | None]
    peak: list[FiniteFloat | None]


class _File(BaseModel):
    """trace.json. A null among numbers stands for a bin without a sample."""

    model_config = ConfigDict(extra="forbid")

    n_bins: PositiveInt
    phases: tuple[Stretch, ...]
    power_w: _Lists | None
    device_bytes: _Lists | None
    rss_bytes: _Lists | None

    @model_validator(mode="after")
    def _has_a_number_for_every_bin(self) -> Self:
        for series in (self.power_w, self.device_bytes, self.rss_bytes):
            if series and not len(series.mean) == len(series.peak) == self.n_bins:
                raise ValueError("every series must have n_bins numbers")
        return self


def _as_lists(series: Series | None) -> _Lists | None:
    if series is None:
        return None
    mean, peak = (
        [None if math.isnan(number) else number for number in numbers.tolist()]
        for numbers in (series.mean, series.peak)
    )
    return _Lists(mean=mean, peak=peak)


def _as_arrays(lists: _Lists | None) -> Series | None:
    return None if lists is None else Series(*(np.array(each, dtype=float) for each in (lists.mean, lists.peak)))


def _since_start(phases: Sequence[Stretch]) -> tuple[tuple[Stretch, ...], float]:
    """`phases` on a clock that begins with the first of them, and when the last one ends on it."""
    start_s = min((phase.start_s for phase in phases), default=0.0)
    end_s = max((phase.start_s + phase.seconds for phase in phases), default=0.0)
    relative = tuple(Stretch(phase.phase, phase.start_s - start_s, phase.seconds) for phase in phases)
    return relative, end_s - start_s


def _gather(readings: Iterable[Reading], power: Signal, memory: Signal, rss: Signal) -> None:
    devices: list[str] = []
    for reading in readings:
        if reading.role == "host":
            _add(rss, reading.t_s, reading.values.get("rss_bytes"))
            continue
        devices = list(dict.fromkeys((*devices, *reading.facts.get("devices", {}))))
        answers = [reading.values.get("devices", {}).get(uuid, {}) for uuid in devices]
        _add(power, reading.t_s, total_of([answer.get("power_w") for answer in answers]))
        _add(memory, reading.t_s, total_of([answer.get("memory_used_bytes") for answer in answers]))


def _add(signal: Signal, t_s: Any, value: Any) -> None:
    if value is not None:
        if not (math.isfinite(t_s) and math.isfinite(value)):
            raise ValueError("the sampler writes finite numbers only")
        signal.add(t_s, value)


def _series(signal: Signal, n: int, bin_s: float) -> Series | None:
    signal.finish()
    integral, covered_s = signal.integral[:n], signal.covered_s[:n]
    sampled = np.where(np.isfinite(signal.peak[:n]), signal.peak[:n], np.nan)
    # Of less than a thousandth of a bin, the quotient is mostly rounding
    held = covered_s > 1e-3 * bin_s
    mean = np.where(held, integral / np.where(held, covered_s, 1.0), sampled)
    return None if np.isnan(mean).all() else Series(mean, np.fmax(mean, sampled))
