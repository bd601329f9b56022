"""Sampled quantities over stretches of time: their integral, peak, rise and gaps, and when those are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from bench.telemetry import energy
from bench.telemetry.energy import Bools, Floats

S = TypeVar("S")

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


class Amount(NamedTuple):
    """A value, or why there is none."""

    value: Any
    reason: str = ""
    digits: int = 3
    """After the decimal point, if it is a float: most sensors resolve a thousandth of their unit at best."""


class Missing(dict[str, str]):
    """Dotted path in the record to the reason why there is no value."""

    def fill(self, section: type[S], path: str, **fields: Any) -> S:
        """The section at `path`. If a field is an `Amount` without a value, its reason is noted."""
        for name, amount in fields.items():
            if isinstance(amount, Amount):
                if amount.value is None:
                    self[f"{path}.{name}"] = amount.reason
                is_float = isinstance(amount.value, float)
                fields[name] = round(amount.value, amount.digits) if is_float else amount.value
        return section(**fields)


class Span:
    """What one figure is about: all stretches of a phase, the whole cell, or the idle time before it.

    Args:
        windows: start and end of each stretch in seconds, half-open, in order, not overlapping.
    """

    def __init__(self, windows: Sequence[tuple[float, float]]) -> None:
        self.starts_s, self.ends_s = np.array(windows, dtype=np.float64).reshape(-1, 2).T
        self.seconds = float((self.ends_s - self.starts_s).sum())
        self.start_s = float(self.starts_s.min(initial=np.inf))
        self.end_s = float(self.ends_s.max(initial=-np.inf))
        self.too_short = self.seconds < MIN_SECONDS * len(windows) - ROUNDING_S

    def samples(self, t_s: Floats) -> list[tuple[int, int]]:
        """For each stretch the first index into `t_s` that lies in it, and the first one after it."""
        firsts, lasts = np.searchsorted(t_s, self.starts_s), np.searchsorted(t_s, self.ends_s)
        return list(zip(firsts.tolist(), lasts.tolist(), strict=True))

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
    """The times that a record has figures of."""

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
        phases = {name: Span(one) for name, one in windows.items()}
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

    @property
    def unseen(self) -> str:
        """The reason if the source does not say why there is too little of it."""
        return "low_coverage" if len(self.t_s) else "no_samples"


class Signal(_Samples):
    """A quantity that holds between samples, such as power."""

    def integral(self, span: Span, low: str) -> Amount:
        """Integral over `span`; `low` is the reason if samples stand for too little of it."""
        if span.too_short:
            return Amount(None, "too_short")
        return Amount(self.sum(span)) if self.coverage(span) >= MIN_COVERAGE else Amount(None, low)

    def sum(self, span: Span) -> float:
        """Integral over the part of `span` that samples stand for."""
        return float(self._step_hold(span)[0].sum())

    def covered_s(self, span: Span) -> float:
        """Seconds of `span` that samples stand for."""
        return float(self._step_hold(span)[1].sum())

    def coverage(self, span: Span) -> float:
        """Share of `span` that samples stand for."""
        return min(1.0, self.covered_s(span) / span.seconds) if span.seconds > 0 else 0.0

    def _step_hold(self, span: Span) -> tuple[Floats, Floats]:
        return energy.step_hold(self.t_s, self.value, span.starts_s, span.ends_s, self.hold_s)

    def peak(self, span: Span) -> float | None:
        """Largest sample in `span`, or None without one."""
        return max((float(self.value[i:j].max()) for i, j in span.samples(self.t_s) if j > i), default=None)

    def count(self, span: Span) -> int:
        """Number of samples in `span`."""
        return sum(j - i for i, j in span.samples(self.t_s))

    def worst_gap_s(self, span: Span) -> float:
        """Longest time inside a stretch without a sample."""
        edges = zip(span.samples(self.t_s), span.starts_s, span.ends_s, strict=True)
        return max(float(np.diff(self.t_s[i:j], prepend=start, append=end).max()) for (i, j), start, end in edges)


@dataclass(frozen=True)
class Counter(_Samples):
    """A quantity that only rises, such as an energy counter."""

    max_rate: float
    """The fastest believable rise per second."""

    def increase(self, span: Span, low: str) -> Amount:
        """What it rose by during `span`, linear between readings; `low` is the reason if too little of that is known.

        Readings may begin after the span does, or end before it, by at most `hold_s` and by 5 % of the span. That time
        is taken to have had the mean rate of the rest. Gaps inside a stretch have readings on both sides and need no
        estimate.
        """
        if len(self.t_s) < 2:
            return Amount(None, low)
        fell = energy.counter_falls(self.value)
        jumped = energy.counter_jumps(self.t_s, self.value, self.max_rate)
        if fault := self._fault(span, fell, jumped):
            return Amount(None, fault)
        rises, covered = energy.counter_increase(self.t_s, self.value, ~(fell | jumped), span.starts_s, span.ends_s)
        covered_s = float(covered.sum())
        allowed_s = min(self.hold_s, (1 - MIN_COVERAGE) * span.seconds) + ROUNDING_S
        if covered_s <= 0 or span.seconds - covered_s > allowed_s:
            return Amount(None, low)
        return Amount(float(rises.sum()) * span.seconds / covered_s)

    def _fault(self, span: Span, fell: Bools, jumped: Bools) -> str | None:
        """The gravest reason not to trust the increase over `span`."""
        before_s, after_s = self.t_s[:-1], self.t_s[1:]
        if span.touched_by(before_s[fell], after_s[fell]):
            return "counter_reset"
        if span.touched_by(before_s[jumped], after_s[jumped]):
            return "counter_implausible"
        # If a stretch begins or ends between two distant readings, nobody knows on which side the rise was.
        apart = after_s - before_s > self.hold_s
        return "gap_at_boundary" if span.cut_by(before_s[apart], after_s[apart]) else None
