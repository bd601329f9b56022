"""Intervals and tests for scores: pure functions over numbers, without files, clocks or random draws.

A score varies for two reasons: other documents could have been asked, and another seed would have trained another
model. All seeds answer the same documents, so the two are estimated separately: the variance from documents by the
jackknife, the variance from seeds by what their scores differ beyond that. An interval reaches as far as Student's t
says for each, weighted by their variances (Cochran and Cox 1950).

docs/statistics.md explains the procedure, and how often it is right in simulations.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats
from scipy.optimize import brentq
from scipy.special import expit, logit, stdtrit

from bench.report.statistics.jackknife import Spread, jackknife_variance

ALPHA = 0.05
"""Intervals miss the truth, and tests find what is not there, in this share of studies."""
SMALLEST_P = 1e-12
FEW_SEEDS = 5
"""With fewer seeds, a cost has its smallest and its largest value instead of a confidence interval."""


@dataclass(frozen=True)
class Interval:
    """The range in which a number may lie."""

    low: float
    high: float
    kind: Literal["confidence", "range"] = "confidence"
    """A 95 % confidence interval, or the smallest and the largest of fewer than five seeds."""


@dataclass(frozen=True)
class Error:
    """How far an estimate may be off: its variance from each source, with the degrees of freedom of that variance."""

    documents: float
    documents_freedom: int
    seeds: float = 0.0
    seeds_freedom: float = 1.0

    @property
    def sd(self) -> float:
        """The standard error."""
        return math.sqrt(self.documents + self.seeds)

    def reach(self, alpha: float = ALPHA) -> float:
        """Half the width of an interval that misses the truth in a share `alpha` of studies."""
        variance = self.documents + self.seeds
        if variance == 0:
            return 0.0
        by_documents, by_seeds = -stdtrit([self.documents_freedom, self.seeds_freedom], alpha / 2)
        return float(self.documents * by_documents + self.seeds * by_seeds) / math.sqrt(variance)


def error_of(spread: Spread) -> Error:
    """The error of a mean over seeds. At least two clusters."""
    seeds = spread.seed_variance / spread.n_seeds
    documents = jackknife_variance(spread.without.mean(axis=0))
    return Error(documents, spread.n_clusters - 1, seeds, max(1, spread.n_seeds - 1))


def difference_error(one: Spread, other: Spread) -> Error:
    """The error of `one` less `other`, paired by cluster. What seeds add has Welch's (1947) degrees of freedom."""
    documents = jackknife_variance(one.without.mean(axis=0) - other.without.mean(axis=0))
    own = [(each.seed_variance / each.n_seeds, each.n_seeds - 1) for each in (one, other) if each.seed_variance]
    seeds = math.fsum(variance for variance, _ in own)
    freedom = seeds**2 / math.fsum(variance**2 / n for variance, n in own) if own else 1.0
    return Error(documents, one.n_clusters - 1, seeds, freedom)


def score_interval(
    spread: Spread, lowest: float | None = None, highest: float | None = None, alpha: float = ALPHA
) -> Interval | None:
    """The interval of a score between these bounds, if it has any; None if nothing varies.

    Near a bound, errors are not symmetric: a score with two bounds has its interval on the logit scale, and one with a
    lower bound of at least 0 on the log scale.
    """
    error = error_of(spread)
    return None if _is_nothing(error.sd, spread.mean) else _around(spread.mean, error.reach(alpha), lowest, highest)


def difference_interval(one: Spread, other: Spread, alpha: float = ALPHA) -> Interval | None:
    """The interval of `one` less `other`, which answered the same clusters; None if nothing varies."""
    error, difference = difference_error(one, other), one.mean - other.mean
    if _is_nothing(error.sd, one.mean):
        return None
    return Interval(difference - error.reach(alpha), difference + error.reach(alpha))


def uniform_interval(value: float, lowest: float, highest: float, n_clusters: int, alpha: float = ALPHA) -> Interval:
    """The interval of a mean with these bounds, if every cluster has the same value.

    If none of n clusters is different, at most a share u of all clusters is, with (1 - u)^n = alpha / 2 (Clopper and
    Pearson 1934); and these are no farther off than the bounds.
    """
    share = 1 - (alpha / 2) ** (1 / n_clusters)
    return Interval(value - share * (value - lowest), value + share * (highest - value))


def difference_p(one: Spread, other: Spread) -> float:
    """Two-sided p of no difference: of the widest interval of their difference that excludes 0.

    It is no smaller than the p of a sign test of clusters that all differ alike.
    """
    error, distance = difference_error(one, other), abs(one.mean - other.mean)
    if _is_nothing(distance, one.mean):
        return 1.0
    least = max(SMALLEST_P, 2.0 ** (1 - one.n_clusters))
    if error.reach(least) <= distance:
        return least
    return math.exp(brentq(lambda log_p: error.reach(math.exp(log_p)) - distance, math.log(least), 0.0))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values: the chance of any false positive among them stays at the level (Holm 1979)."""
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def over_seeds(values: Sequence[float]) -> Interval | None:
    """Interval of a cost: its range below `FEW_SEEDS` seeds, otherwise Student's interval; None with one seed."""
    if len(values) < 2:
        return None
    if len(values) < FEW_SEEDS:
        return Interval(min(values), max(values), "range")
    standard_error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    reach = float(stats.t.ppf(1 - ALPHA / 2, len(values) - 1)) * standard_error
    mean = math.fsum(values) / len(values)
    return Interval(mean - reach, mean + reach)


def _around(estimate: float, reach: float, lowest: float | None, highest: float | None) -> Interval:
    """The delta method: the interval on the scale of the bounds, and back."""
    if lowest is not None and highest is not None and lowest < estimate < highest:
        size = highest - lowest
        share = (estimate - lowest) / size
        on_scale = reach / size / (share * (1 - share))
        low, high = expit(logit(share) + np.array([-on_scale, on_scale]))
        return Interval(lowest + size * float(low), lowest + size * float(high))
    if lowest is not None and lowest >= 0 and highest is None and estimate > 0:
        factor = math.exp(min(reach / estimate, 700.0))
        return Interval(max(lowest, estimate / factor), estimate * factor)
    low = -math.inf if lowest is None else lowest
    high = math.inf if highest is None else highest
    return Interval(max(low, estimate - reach), min(high, estimate + reach))


def _is_nothing(amount: float, scale: float) -> bool:
    """Whether an amount is rounding error: sums of equal numbers differ by that."""
    return amount <= 1e-12 * max(1.0, abs(scale))
