"""Power and memory of one cell over time, thinned to what a figure can show, and trace.json, which holds that."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from bench.telemetry import energy
from bench.telemetry.energy import Floats
from bench.telemetry.gather import Gathered
from bench.telemetry.signals import GpuSignals, HostSignals
from bench.telemetry.windows import Signal, Stretch

BINS = 600
"""About as many as a figure across a page has dots in width, however long the cell ran."""


@dataclass(frozen=True)
class Series:
    """A signal over the bins of its trace; NaN in a bin that no sample covers."""

    mean: Floats
    """By step-hold, as energy is integrated."""
    peak: Floats
    """The largest sample, and never less than the mean."""


@dataclass(frozen=True)
class Trace:
    """One cell from its first phase's start to its last one's end. Times are seconds since that start."""

    phases: tuple[Stretch, ...]
    edges_s: Floats
    """Edges of the bins, so one more than there are bins."""
    power_w: Series | None
    """Of all the cell's boards together. It and the others are None if no sample has all of them."""
    device_bytes: Series | None
    """In use on the cell's devices together, by any process."""
    rss_bytes: Series | None
    """Of the cell's processes together."""


def thin(gathered: Gathered, phases: Sequence[Stretch], hz: float) -> Trace | None:
    """The trace of one cell.

    Args:
        gathered: its readings.
        phases: its phases, on its clock.
        hz: how often it was sampled.

    Returns:
        None if the phases take no time.
    """
    relative, seconds = _since_start(phases)
    if not 0 < seconds < math.inf:
        return None
    n = max(1, round(min(BINS, seconds * hz)))
    edges_s = np.linspace(0.0, seconds, n + 1)
    gpu, host = GpuSignals(gathered.gpu, hz), HostSignals(gathered.host, hz)
    start_s = min(phase.start_s for phase in phases)
    return Trace(
        relative, edges_s, *(_series(signal, start_s + edges_s) for signal in (gpu.power, gpu.memory, host.rss))
    )


def to_json(trace: Trace) -> str:
    """The text of trace.json, from which `from_json` restores every number to its last digit."""
    series = {name: _as_lists(getattr(trace, name)) for name in _SERIES}
    return _File(n_bins=len(trace.edges_s) - 1, phases=trace.phases, **series).model_dump_json() + "\n"


def from_json(text: str | bytes, phases: Sequence[Stretch]) -> Trace | None:
    """The trace in the text of a trace.json; None if it is of another run of the cell, with other phases.

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
    """trace.json. A null among the numbers stands for a bin without a sample."""

    model_config = ConfigDict(extra="forbid")

    n_bins: Annotated[int, Field(gt=0, le=BINS)]
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
        np.where(np.isnan(numbers), np.array(None), numbers).tolist() for numbers in (series.mean, series.peak)
    )
    return _Lists(mean=mean, peak=peak)


def _as_arrays(lists: _Lists | None) -> Series | None:
    return None if lists is None else Series(*(np.array(each, dtype=float) for each in (lists.mean, lists.peak)))


def _since_start(phases: Sequence[Stretch]) -> tuple[tuple[Stretch, ...], float]:
    """`phases` on a clock that starts with the first of them, and when the last one ends on it."""
    start_s = min((phase.start_s for phase in phases), default=0.0)
    end_s = max((phase.start_s + phase.seconds for phase in phases), default=0.0)
    relative = tuple(Stretch(phase.phase, phase.start_s - start_s, phase.seconds) for phase in phases)
    return relative, end_s - start_s


def _series(signal: Signal, edges_s: Floats) -> Series | None:
    starts_s, ends_s = edges_s[:-1], edges_s[1:]
    integral, covered_s = energy.step_hold(signal.t_s, signal.value, starts_s, ends_s, signal.hold_s)
    peaks = energy.peaks(signal.t_s, signal.value, starts_s, ends_s)
    sampled = np.where(np.isfinite(peaks), peaks, np.nan)
    # If samples cover less than a thousandth of a bin, the quotient is mostly rounding error.
    held = covered_s > 1e-3 * (ends_s - starts_s)
    mean = np.where(held, integral / np.where(held, covered_s, 1.0), sampled)
    return None if np.isnan(mean).all() else Series(mean, np.fmax(mean, sampled))
