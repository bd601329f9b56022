"""Sampled signals gathered into windows as a stream, in memory that does not depend on how long the stream is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from bench.telemetry import energy
from bench.telemetry.energy import Floats

CHUNK = 4096
"""Samples that are held before they are gathered."""


class Stretch(NamedTuple):
    """A stretch of a cell's time that belongs to one phase; a phase that was left and taken up again has several."""

    phase: str
    start_s: float
    """Seconds since the cell's start, on the monotonic clock."""
    seconds: float


class Group:
    """The windows of one phase, or the one of the whole cell."""

    def __init__(self, index: int, starts_s: Floats, ends_s: Floats, members: Sequence[int]) -> None:
        self.index = index
        self.members = np.asarray(members, dtype=np.intp)
        self.seconds = float((ends_s - starts_s)[self.members].sum())
        self.start_s = float(starts_s[self.members].min())
        self.end_s = float(ends_s[self.members].max())

    def sum(self, values: Floats) -> float:
        """Sum over the group's windows."""
        return float(values[self.members].sum())

    def max(self, values: Floats) -> float:
        """Largest of the group's windows."""
        return float(values[self.members].max())


class Windows:
    """The stretches of time that are told apart, and which of them belong together.

    Args:
        stretches: of the phases, which exclude each other.
        idle_s: how long before the first phase the machine is taken to be idle.
    """

    def __init__(self, stretches: Sequence[Stretch], idle_s: float) -> None:
        ordered = sorted(stretches, key=lambda stretch: stretch.start_s)
        n = len(ordered)
        ends_s = [stretch.start_s + stretch.seconds for stretch in ordered]
        first_s, last_s = (ordered[0].start_s, max(ends_s)) if ordered else (0.0, 0.0)
        self.starts_s = np.array([*(stretch.start_s for stretch in ordered), first_s, first_s - idle_s])
        self.ends_s = np.array([*ends_s, last_s, first_s])
        names = list(dict.fromkeys(stretch.phase for stretch in ordered))
        members = [[k for k, stretch in enumerate(ordered) if stretch.phase == name] for name in names]
        *phases, self.whole, self.idle = (
            Group(index, self.starts_s, self.ends_s, group) for index, group in enumerate([*members, [n], [n + 1]])
        )
        self.phases = dict(zip(names, phases, strict=True))
        self.n_groups = len(names) + 2
        self.group_of = np.array([*(names.index(stretch.phase) for stretch in ordered), len(names), len(names) + 1])
        """Index of the group that each window belongs to."""

    def __len__(self) -> int:
        return len(self.starts_s)


class _Stream(ABC):
    """Collects samples into chunks; each chunk begins with the last sample of the one before."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._t_s: list[float] = []
        self._values: list[float] = []
        self._fresh = 0
        """Index of the first sample that no chunk has had yet."""

    @property
    def empty(self) -> bool:
        """Whether there was no sample at all, inside windows or outside."""
        return not self._t_s

    def add(self, t_s: float, value: float) -> None:
        """Take one more sample. One that is not later than the sample before is left out."""
        if self._t_s and t_s <= self._t_s[-1]:
            return
        self._t_s.append(t_s)
        self._values.append(value)
        if len(self._t_s) >= CHUNK:
            self._gather(np.asarray(self._t_s), np.asarray(self._values, dtype=np.float64))
            del self._t_s[:-1], self._values[:-1]
            self._fresh = 1

    def finish(self) -> None:
        """Gather what is left. Nothing may be added afterwards."""
        if self._t_s:
            self._gather(np.asarray(self._t_s), np.asarray(self._values, dtype=np.float64))

    @abstractmethod
    def _gather(self, t_s: Floats, values: Floats) -> None:
        """Account for the samples, of which those before `_fresh` were accounted for already."""


class Signal(_Stream):
    """A quantity that holds between samples, such as power: integral, peak, and how well it is covered, per window."""

    def __init__(self, windows: Windows, cap_s: float) -> None:
        super().__init__(windows)
        self._cap_s = cap_s
        self.integral, self.covered_s = np.zeros(len(windows)), np.zeros(len(windows))
        self.peak = np.full(len(windows), -np.inf)
        self.count = np.zeros(len(windows))
        self.worst_gap_s = np.zeros(len(windows))
        """Longest time inside the window without a sample."""
        self._seen_s = windows.starts_s.copy()

    def finish(self) -> None:
        """Gather what is left, the hold of the last sample, and the gaps up to the windows' ends."""
        super().finish()
        if self._t_s:
            self._hold(np.array(self._t_s[-1:]), np.array(self._values[-1:]), last_s=self._cap_s)
        self.worst_gap_s = np.maximum(self.worst_gap_s, self._windows.ends_s - self._seen_s)

    def _gather(self, t_s: Floats, values: Floats) -> None:
        self._hold(t_s, values, last_s=0.0)
        fresh_s, starts_s, ends_s = t_s[self._fresh :], self._windows.starts_s, self._windows.ends_s
        self.peak = np.maximum(self.peak, energy.peaks(fresh_s, values[self._fresh :], starts_s, ends_s))
        first, last = np.searchsorted(fresh_s, starts_s), np.searchsorted(fresh_s, ends_s)
        self.count += last - first
        for window in np.nonzero(last > first)[0]:
            inside_s = fresh_s[first[window] : last[window]]
            gaps_s = np.diff(inside_s, prepend=self._seen_s[window])
            self.worst_gap_s[window] = max(self.worst_gap_s[window], gaps_s.max())
            self._seen_s[window] = inside_s[-1]

    def _hold(self, t_s: Floats, values: Floats, last_s: float) -> None:
        until_s = energy.held_until(t_s, self._cap_s, last_s)
        starts_s, ends_s = self._windows.starts_s, self._windows.ends_s
        self.integral += energy.integrate(t_s, until_s, values, starts_s, ends_s)
        self.covered_s += energy.integrate(t_s, until_s, np.ones_like(t_s), starts_s, ends_s)


class Counter(_Stream):
    """A quantity that only rises, such as an energy counter: what it rose by per window, or why that is not known."""

    def __init__(self, windows: Windows, max_gap_s: float, max_rate: float) -> None:
        super().__init__(windows)
        self._max_gap_s = max_gap_s
        self._max_rate = max_rate
        self.increase, self.covered_s = np.zeros(len(windows)), np.zeros(len(windows))
        self.faults: dict[str, set[int]] = {
            "counter_reset": set(),
            "counter_implausible": set(),
            "gap_at_boundary": set(),
        }
        """Reason to the windows that it holds for, the gravest first."""

    def _gather(self, t_s: Floats, values: Floats) -> None:
        if len(t_s) < 2:
            return
        fell = energy.counter_falls(values)
        jumped = energy.counter_jumps(t_s, values, self._max_rate)
        starts_s, ends_s = self._windows.starts_s, self._windows.ends_s
        increase, covered_s = energy.counter_increase(t_s, values, ~(fell | jumped), starts_s, ends_s)
        self.increase += increase
        self.covered_s += covered_s
        self._blame(t_s, fell, "counter_reset", self._touches)
        self._blame(t_s, jumped, "counter_implausible", self._touches)
        self._blame(t_s, np.diff(t_s) > self._max_gap_s, "gap_at_boundary", self._cuts)

    def _blame(
        self, t_s: Floats, pairs: energy.Bools, reason: str, hit: Callable[[float, float], energy.Bools]
    ) -> None:
        for pair in np.nonzero(pairs)[0]:
            self.faults[reason].update(np.nonzero(hit(t_s[pair], t_s[pair + 1]))[0].tolist())

    def _touches(self, from_s: float, to_s: float) -> energy.Bools:
        result: energy.Bools = (self._windows.starts_s < to_s) & (self._windows.ends_s > from_s)
        return result

    def _cuts(self, from_s: float, to_s: float) -> energy.Bools:
        """Where a window begins or ends between two readings far apart, nobody knows on which side it was counted."""
        starts_s, ends_s = self._windows.starts_s, self._windows.ends_s
        result: energy.Bools = ((starts_s > from_s) & (starts_s < to_s)) | ((ends_s > from_s) & (ends_s < to_s))
        return result

    def fault(self, group: Group) -> str | None:
        """The gravest reason not to trust the increase over `group`."""
        members = set(group.members.tolist())
        return next((reason for reason, windows in self.faults.items() if windows & members), None)


class Lateness(_Stream):
    """How punctual readings were, per group: a histogram of their lateness, and how many never were."""

    BINS = 1000

    def __init__(self, windows: Windows, period_s: float) -> None:
        super().__init__(windows)
        self._period_s = period_s
        self._counts = np.zeros((windows.n_groups, self.BINS), dtype=np.int64)
        self._missed = np.zeros(len(windows))

    def miss(self, deadline_s: float, n: int) -> None:
        """Account for the `n` deadlines before `deadline_s` that passed without a reading."""
        since_start = np.floor((deadline_s - self._windows.starts_s) / self._period_s)
        since_end = np.floor((deadline_s - self._windows.ends_s) / self._period_s)
        self._missed += since_start.clip(0, n) - since_end.clip(0, n)

    def _gather(self, t_s: Floats, values: Floats) -> None:
        fresh_s, bins = t_s[self._fresh :], values[self._fresh :] / self._period_s * self.BINS
        bins = bins.astype(np.int64).clip(0, self.BINS - 1)
        first, last = np.searchsorted(fresh_s, self._windows.starts_s), np.searchsorted(fresh_s, self._windows.ends_s)
        for window in np.nonzero(last > first)[0]:
            inside = bins[first[window] : last[window]]
            self._counts[self._windows.group_of[window]] += np.bincount(inside, minlength=self.BINS)

    def p99_s(self, group: Group) -> float | None:
        """Lateness that 99 % of the group's readings kept to, rounded up to a thousandth of the period."""
        counts = self._counts[group.index]
        if not counts.any():
            return None
        rank = int(np.searchsorted(np.cumsum(counts), 0.99 * counts.sum()))
        return (rank + 1) * self._period_s / self.BINS

    def missed(self, group: Group) -> int:
        """Deadlines that passed without a reading."""
        return round(group.sum(self._missed))
