"""Power and memory of one cell over time, thinned to what a figure can show, and trace.json, which holds that."""

import math
from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    PlainSerializer,
    PlainValidator,
    TypeAdapter,
    model_validator,
)

from bench.telemetry import energy
from bench.telemetry.energy import Floats
from bench.telemetry.gather import Gathered
from bench.telemetry.signals import GpuSignals, HostSignals
from bench.telemetry.windows import Signal, Stretch

BINS = 600
"""About as many as a figure across a page has dots in width, however long the cell ran."""

_LIST = TypeAdapter(list[FiniteFloat | None])
_Numbers = Annotated[
    Floats,
    PlainValidator(lambda listed: np.array(_LIST.validate_python(listed), dtype=np.float64)),
    PlainSerializer(lambda numbers: [None if math.isnan(number) else number for number in numbers.tolist()]),
]
"""An array, which is a list in JSON, with null for NaN."""


class Series(BaseModel):
    """A signal over the bins of its trace; NaN in a bin that no sample covers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean: _Numbers
    """By step-hold, as energy is integrated."""
    peak: _Numbers
    """The largest sample, and never less than the mean."""


class Trace(BaseModel):
    """One cell from its first phase's start to its last one's end. Times are seconds since that start."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_bins: Annotated[int, Field(gt=0, le=BINS)]
    phases: tuple[Stretch, ...]
    power_w: Series | None
    """Of all the cell's boards together. It and the others are None if no sample has all of them."""
    device_bytes: Series | None
    """In use on the cell's devices together, by any process."""
    rss_bytes: Series | None
    """Of the cell's processes together."""

    @property
    def edges_s(self) -> Floats:
        """Edges of the bins, so one more than there are bins."""
        return np.linspace(0.0, _end_s(self.phases), self.n_bins + 1)

    @model_validator(mode="after")
    def _has_a_number_for_every_bin(self) -> Self:
        for series in (self.power_w, self.device_bytes, self.rss_bytes):
            if series and not len(series.mean) == len(series.peak) == self.n_bins:
                raise ValueError("every series must have n_bins numbers")
        return self


def thin(gathered: Gathered, phases: Sequence[Stretch], hz: float) -> Trace | None:
    """The trace of one cell.

    Args:
        gathered: its readings.
        phases: its phases, on its clock.
        hz: how often it was sampled.

    Returns:
        None if the phases take no time.
    """
    relative = _since_start(phases)
    seconds = _end_s(relative)
    if not 0 < seconds < math.inf:
        return None
    n_bins = max(1, round(min(BINS, seconds * hz)))
    edges_s = np.linspace(0.0, seconds, n_bins + 1) + min(phase.start_s for phase in phases)
    gpu, host = GpuSignals(gathered.gpu, hz), HostSignals(gathered.host, hz)
    return Trace(
        n_bins=n_bins,
        phases=relative,
        power_w=_series(gpu.power, edges_s),
        device_bytes=_series(gpu.memory, edges_s),
        rss_bytes=_series(host.rss, edges_s),
    )


def to_json(trace: Trace) -> str:
    """The text of trace.json, from which `from_json` restores every number to its last digit."""
    return trace.model_dump_json() + "\n"


def from_json(text: str | bytes, phases: Sequence[Stretch]) -> Trace | None:
    """The trace in the text of a trace.json; None if it is of another run of the cell, with other phases.

    Raises:
        ValueError: the text is not what `to_json` gives.
    """
    trace = Trace.model_validate_json(text)
    return trace if trace.phases == _since_start(phases) else None


def _since_start(phases: Sequence[Stretch]) -> tuple[Stretch, ...]:
    """`phases` on a clock that starts with the first of them."""
    start_s = min((phase.start_s for phase in phases), default=0.0)
    return tuple(phase._replace(start_s=phase.start_s - start_s) for phase in phases)


def _end_s(phases: Sequence[Stretch]) -> float:
    return max((phase.start_s + phase.seconds for phase in phases), default=0.0)


def _series(signal: Signal, edges_s: Floats) -> Series | None:
    starts_s, ends_s = edges_s[:-1], edges_s[1:]
    integral, covered_s = energy.step_hold(signal.t_s, signal.value, starts_s, ends_s, signal.hold_s)
    peaks = energy.peaks(signal.t_s, signal.value, starts_s, ends_s)
    sampled = np.where(np.isfinite(peaks), peaks, np.nan)
    # If samples cover less than a thousandth of a bin, the quotient is mostly rounding error.
    mean = np.divide(integral, covered_s, out=sampled.copy(), where=covered_s > 1e-3 * (ends_s - starts_s))
    return None if np.isnan(mean).all() else Series.model_construct(mean=mean, peak=np.fmax(mean, sampled))
