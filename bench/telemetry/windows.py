"""Sampled quantities over stretches of time: their integral, peak, rise and gaps, and when those are known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bench.telemetry import energy
from bench.telemetry.amount import Amount
from bench.telemetry.energy import Floats

MIN_COVERAGE = 0.95
"""If samples stand for less of a phase than this, a quantity is unknown. The power sensor's own error is about 5 %."""
MIN_SECONDS = 2.0
"""Power of a phase whose stretches are shorter than this on average is mostly that of its neighbours."""
ROUNDING_S = 1e-6


class Stretch(NamedTuple):
    """A stretch of a cell's time that belongs to one phase; a phase that was left and resumed has several."""

    phase: str
    start_s: float
    """Seconds since the cell's start, on the monotonic clock."""
    seconds: float


class Span:
    """What one figure is about: all stretches of a phase, the whole cell, or the idle time before it.

    Args:
        windows: start and end of each stretch in seconds, half-open, in order, not overlapping.
    """

    def __init__(self, windows: Sequence[tuple[float, float]]) -> None:
        self.starts_s, self.ends_s = np.array(windows, dtype=np.float64).T
        self.start_s, self.end_s = windows[0][0], windows[-1][1]
        self.seconds = float((self.ends_s - self.starts_s).sum())
        self.too_short = self.seconds < MIN_SECONDS * len(windows) - ROUNDING_S

    def samples(self, t_s: Floats) -> list[slice]:
        """Which of the rising times `t_s` lie in each stretch."""
        firsts, lasts = np.searchsorted(t_s, self.starts_s), np.searchsorted(t_s, self.ends_s)
        return [slice(first, last) for first, last in zip(firsts, lasts, strict=True)]

    def count(self, t_s: Floats) -> int:
        """How many of the rising times `t_s` lie in the span."""
        return sum(len(t_s[inside]) for inside in self.samples(t_s))

    def touched_by(self, from_s: Floats, to_s: Floats) -> bool:
        """Whether a stretch has time in common with any of the intervals `from_s[i]` to `to_s[i]`."""
        following = np.searchsorted(self.ends_s, from_s, side="right")
        return bool((np.append(self.starts_s, np.inf)[following] < to_s).any())

    def cut_by(self, from_s: Floats, to_s: Floats) -> bool:
        """Whether a stretch begins or ends strictly inside any of the intervals."""
        edges_s = np.sort(np.concatenate((self.starts_s, self.ends_s)))
        following = np.searchsorted(edges_s, from_s, side="right")
        return bool((np.append(edges_s, np.inf)[following] < to_s).any())


@dataclass(frozen=True)
class Spans:
    """The times that a record has figures about."""

    phases: Mapping[str, Span]
    whole: Span
    """From the first phase's start to the last one's end."""
    idle: Span

    @classmethod
    def of(cls, stretches: Sequence[Stretch], idle_s: float) -> "Spans":
        """The spans of at least one of `stretches`, which do not overlap, and of `idle_s` seconds before them."""
        windows: dict[str, list[tuple[float, float]]] = {}
        for stretch in sorted(stretches, key=lambda stretch: stretch.start_s):
            windows.setdefault(stretch.phase, []).append((stretch.start_s, stretch.start_s + stretch.seconds))
        phases = {name: Span(own) for name, own in windows.items()}
        start_s, end_s = min(span.start_s for span in phases.values()), max(span.end_s for span in phases.values())
        return cls(phases, Span([(start_s, end_s)]), Span([(start_s - idle_s, start_s)]))


@dataclass(frozen=True)
class _Samples:
    t_s: Floats
    """Rising."""
    value: Floats
    hold_s: float
    """Signal: how long a sample stands for the time after it, unless the next one comes first. Counter: the longest
    time between readings at the edge of a stretch, and beyond the first and the last reading."""
    why: Callable[[Span], str | None]
    """The reason that the source gave for values that are missing in a span, if it gave one."""

    def unknown(self, span: Span) -> Amount:
        """No value for `span`, with the source's reason, or else that it has too few samples or none."""
        return Amount(None, self.why(span) or ("low_coverage" if span.count(self.t_s) else "no_samples"))


class Signal(_Samples):
    """A quantity that holds between samples, such as power."""

    def integral(self, span: Span) -> Amount:
        """Integral over `span`. Time that no sample stands for, at most 5 %, counts with the mean of the rest."""
        if span.too_short:
            return Amount(None, "too_short")
        if self.coverage(span) < MIN_COVERAGE:
            return self.unknown(span)
        return Amount(self.mean(span) * span.seconds)

    def mean(self, span: Span) -> float:
        """Mean over the part of `span` that samples stand for, which must not be empty."""
        integral, covered_s = self._step_hold(span)
        return float(integral.sum() / covered_s.sum())

    def covered_s(self, span: Span) -> float:
        """Seconds of `span` that samples stand for."""
        return float(self._step_hold(span)[1].sum())

    def coverage(self, span: Span) -> float:
        """Share of `span` that samples stand for."""
        return min(1.0, self.covered_s(span) / span.seconds) if span.seconds > 0 else 0.0

    def _step_hold(self, span: Span) -> tuple[Floats, Floats]:
        return energy.step_hold(self.t_s, self.value, span.starts_s, span.ends_s, self.hold_s)

    def peak(self, span: Span) -> Amount:
        """Largest sample in `span`."""
        peak = float(energy.peaks(self.t_s, self.value, span.starts_s, span.ends_s).max())
        return Amount(peak) if np.isfinite(peak) else self.unknown(span)

    def followed_peak(self, span: Span) -> Amount:
        """Largest sample, if samples miss so little of `span` that this is its peak as far as sampling goes."""
        unknown_s = span.seconds - self.covered_s(span)
        followed = unknown_s <= max(self.hold_s, (1 - MIN_COVERAGE) * span.seconds)
        return self.peak(span) if followed else self.unknown(span)

    def worst_gap_s(self, span: Span) -> float:
        """Longest time inside a stretch without a sample."""
        stretches = zip(span.starts_s, span.ends_s, span.samples(self.t_s), strict=True)
        return max(
            float(np.diff(self.t_s[inside], prepend=start, append=end).max()) for start, end, inside in stretches
        )


@dataclass(frozen=True)
class Counter(_Samples):
    """A quantity that only rises, such as an energy counter."""

    max_rate: float = np.inf
    """The fastest believable rise per second."""

    def increase(self, span: Span) -> Amount:
        """What it rose by during `span`, linear between readings.

        Readings may begin after the span does, or end before it, by at most `hold_s` and by 5 % of the span. That time
        is taken to have had the mean rate of the rest. Gaps inside a stretch have readings on both sides and need no
        estimate.
        """
        if len(self.t_s) < 2:
            return self.unknown(span)
        if fault := self._fault(span):
            return Amount(None, fault)
        rises, covered = energy.counter_increase(self.t_s, self.value, span.starts_s, span.ends_s)
        covered_s = float(covered.sum())
        allowed_s = min(self.hold_s, (1 - MIN_COVERAGE) * span.seconds) + ROUNDING_S
        if covered_s <= 0 or span.seconds - covered_s > allowed_s:
            return self.unknown(span)
        return Amount(float(rises.sum()) * span.seconds / covered_s)

    def _fault(self, span: Span) -> str | None:
        """The gravest reason not to trust the increase over `span`."""
        before_s, after_s = self.t_s[:-1], self.t_s[1:]
        fell = energy.counter_falls(self.value)
        if span.touched_by(before_s[fell], after_s[fell]):
            return "counter_reset"
        jumped = energy.counter_jumps(self.t_s, self.value, self.max_rate)
        if span.touched_by(before_s[jumped], after_s[jumped]):
            return "counter_implausible"
        # If a stretch begins or ends between two distant readings, nobody knows on which side the rise was.
        apart = after_s - before_s > self.hold_s
        return "gap_at_boundary" if span.cut_by(before_s[apart], after_s[apart]) else None
