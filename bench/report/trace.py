"""Power and memory of one cell over time, thinned to what a figure can show."""

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.telemetry.energy import Floats, total_of
from bench.telemetry.gather import HOLD_PERIODS
from bench.telemetry.reading import read_file
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


def read_trace(path: Path, phases: Sequence[Stretch], hz: float) -> Trace | None:
    """The readings of a telemetry.jsonl in one pass and bounded memory, up to the first line that is broken.

    Args:
        path: the telemetry.jsonl.
        phases: of its cell, on its clock.
        hz: how often it was sampled.

    Returns:
        None where the phases take no time.

    Raises:
        OSError: the file cannot be read.
    """
    start_s = min((phase.start_s for phase in phases), default=0.0)
    seconds = max((phase.start_s + phase.seconds for phase in phases), default=0.0) - start_s
    if not 0 < seconds < math.inf:
        return None
    n = max(1, round(min(BINS, seconds * hz)))
    bins = Windows([Stretch("", start_s + k * seconds / n, seconds / n) for k in range(n)], idle_s=0.0)
    power, memory, rss = (Signal(bins, HOLD_PERIODS / hz) for _ in range(3))
    with contextlib.suppress(*FOREIGN):
        _gather(path, power, memory, rss)
    return Trace(
        tuple(Stretch(phase.phase, phase.start_s - start_s, phase.seconds) for phase in phases),
        np.linspace(0.0, seconds, n + 1),
        *(_series(signal, n, seconds / n) for signal in (power, memory, rss)),
    )


def _gather(path: Path, power: Signal, memory: Signal, rss: Signal) -> None:
    devices: list[str] = []
    for reading in read_file(path):
        if reading.role == "host":
            _add(rss, reading.t_s, reading.values.get("rss_bytes"))
            continue
        devices += reading.facts.get("devices", {})
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
