"""Intervals and tests for scores. Pure functions over arrays: no files, no clocks.

Scores vary for two reasons: other validation documents could have been asked, and another seed would have trained
another model. All seeds answer the same documents (the two are crossed), so they are treated separately:

- Documents (clusters of examples) are resampled with replacement, each with all of its examples, in the same draws for
  every seed and method. Resampling the examples inside a drawn document too would count their variance twice (Davison
  and Hinkley 1997, section 3.8).
- A handful of seeds cannot be resampled: three values have only ten bootstrap means, with a third too little variance.
  Instead, the variance between seeds beyond what documents explain enters as a Student t with their degrees of freedom.

`benchmarks/coverage.py` shows by simulation how often these intervals cover, and how often the plain nested bootstrap
does. Use at least three seeds: with two, the interval of a mean can cover as little as 90 %.

Axes of arrays: s seeds, c clusters, k parts, b draws. The parts of a score are numbers per example whose sums determine
the score, such as (values, counts) for a mean, so that any score is a `Formula` of sums.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Formula = Callable[[Floats], Floats]
"""Sums of parts, shape (k, b), to the scores of b corpora."""

LEVEL = 0.95
N_RESAMPLES = 2_000
N_PERMUTATIONS = 9_999
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
class Spread:
    """One score of one setup: on resampled documents, and between seeds."""

    estimates: Floats
    """(s,): the score of each seed on the documents as they are."""
    draws: Floats
    """(b,): the mean over seeds on each draw of documents."""
    n_clusters: int
    seed_sd: float
    """Standard deviation between seeds beyond what documents explain; 0 with one seed, where it is not known."""

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return float(self.estimates.mean())

    @property
    def n_seeds(self) -> int:
        """How many seeds there are."""
        return len(self.estimates)


def resample(n_clusters: int, n_draws: int, rng: np.random.Generator) -> Floats:
    """How often each cluster occurs in each draw of `n_clusters` clusters with replacement: (c, b)."""
    return rng.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), size=n_draws).T.astype(float)


def mean_formula(sums: Floats) -> Floats:
    """The mean of values whose sums and counts are the two parts."""
    return sums[0] / sums[1]


def spread(pools: Sequence[tuple[Floats | csr_array, Formula]], counts: Floats) -> Spread:
    """A score on every draw of clusters.

    Args:
        pools: for each seed, the parts summed within each cluster, (c, k), and the formula of their sums.
        counts: of `resample`, (c, b).
    """
    estimates = np.array(
        [formula(np.asarray(parts.sum(axis=0), dtype=float)[:, np.newaxis])[0] for parts, formula in pools]
    )
    draws = np.stack([formula(parts.T @ counts) for parts, formula in pools])
    return Spread(estimates, draws.mean(axis=0), len(counts), _seed_sd(estimates, draws, len(counts)))


def _seed_sd(estimates: Floats, draws: Floats, n_clusters: int) -> float:
    """Standard deviation between seeds, less the part that the documents at hand explain.

    Equally good seeds have different scores by chance, because each is better on some documents. The draws, in which
    the seeds' scores move relative to each other, show how different.
    """
    n_seeds = len(estimates)
    if n_seeds < 2 or n_clusters < 2:
        return 0.0
    apart = draws - draws.mean(axis=1, keepdims=True)
    apart -= apart.mean(axis=0)
    by_documents = (apart**2).mean(axis=1).sum() / (n_seeds - 1) * n_clusters / (n_clusters - 1)
    return math.sqrt(max(0.0, float(estimates.var(ddof=1)) - float(by_documents)))


def interval(spread: Spread, rng: np.random.Generator) -> Interval | None:
    """The 95 % interval of a score; None if nothing varies. It can exceed the bounds of the score."""
    return _around(spread.mean, _errors(spread.draws, [spread], rng))


def difference_interval(one: Spread, other: Spread, rng: np.random.Generator) -> Interval | None:
    """The 95 % interval of `one` less `other`, both on the same draws of clusters; None if nothing varies."""
    return _around(one.mean - other.mean, _errors(one.draws - other.draws, [one, other], rng))


def difference_p(one: Spread, other: Spread, rng: np.random.Generator) -> float:
    """Two-sided p of no difference between two scores, from the errors behind the interval of their difference."""
    errors = _errors(one.draws - other.draws, [one, other], rng)
    return _share_as_far(errors, one.mean - other.mean)


def _around(estimate: float, errors: Floats) -> Interval | None:
    # Sums of equal numbers differ by rounding
    if np.abs(errors).max() <= 1e-12 * max(1.0, abs(estimate)):
        return None
    low, high = np.quantile(errors, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(estimate + float(low), estimate + float(high))


def _errors(draws: Floats, spreads: Sequence[Spread], rng: np.random.Generator) -> Floats:
    """Draws of an estimate's error: from documents, and from the seeds of the spreads it is made of. (b,)"""
    # Draws of corpus scores, which lose distinct answers when resampled, are not centred at the estimate
    errors = (draws - draws.mean()) * _stretches(spreads[0].n_clusters, len(draws), rng)
    return errors + _seed_errors(spreads, len(draws), rng)


def _share_as_far(errors: Floats, observed: float) -> float:
    """Share of errors at least as large as `observed`; at least 1 / (b + 1) (Phipson and Smyth 2010)."""
    # Equal up to rounding counts as equal
    as_far = np.count_nonzero(np.abs(errors) >= abs(observed) * (1 - 1e-9) - 1e-15)
    return (1 + int(as_far)) / (len(errors) + 1)


def _seed_errors(spreads: Sequence[Spread], n_draws: int, rng: np.random.Generator) -> Floats:
    """Draws of the error from few seeds: Student's t, with Welch's (1947) degrees of freedom for a difference. (b,)"""
    squares = [(each.seed_sd**2 / each.n_seeds, each.n_seeds - 1) for each in spreads if each.seed_sd]
    if not squares:
        return np.zeros(n_draws)
    total = math.fsum(square for square, _ in squares)
    freedom = total**2 / math.fsum(square**2 / own for square, own in squares)
    return math.sqrt(total) * rng.standard_t(freedom, n_draws)


def _stretches(n_clusters: int, n_draws: int, rng: np.random.Generator) -> Floats:
    """Factors that widen bootstrap draws to a Student t, for few clusters. (b,)"""
    if n_clusters < 2:
        return np.zeros(n_draws)
    freedom = n_clusters - 1
    return np.sqrt(n_clusters / freedom) * np.sqrt(freedom / rng.chisquare(freedom, n_draws))


def permutation_p(differences: Floats, one: Spread, other: Spread, rng: np.random.Generator) -> float:
    """Two-sided p of a paired permutation test that two setups have the same mean.

    If so, the two sets of answers to a document can be swapped: the sign of each cluster's difference is flipped at
    random. With several seeds, the error of a mean over so few is added to each flip. With one seed and clusters of one
    example each, scored 0 or 1, this is McNemar's exact test by sampling.

    Args:
        differences: (c,), each cluster's contribution to the difference of means, which is their sum.
        one: the spread of the first setup.
        other: the spread of the second setup.
        rng: for the flips.

    Returns:
        At least 1 / (N_PERMUTATIONS + 1).
    """
    total = float(differences.sum())
    flipped = 2 * _sums_of_any(differences, N_PERMUTATIONS, rng) - total
    flipped += _seed_errors([one, other], N_PERMUTATIONS, rng)
    return _share_as_far(flipped, total)


def _sums_of_any(values: Floats, n_draws: int, rng: np.random.Generator) -> Floats:
    """Sums of random subsets of the values, each value being in with probability 1/2: (b,)."""
    sums = np.zeros(n_draws)
    for eight in np.split(values, range(8, len(values), 8)):
        # All 256 sums of subsets of eight values; each draw's byte picks one
        chosen = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1, count=len(eight))
        sums += (chosen @ eight)[np.frombuffer(rng.bytes(n_draws), dtype=np.uint8)]
    return sums


def mcnemar_p(n_one_only: int, n_other_only: int) -> float:
    """Two-sided p of McNemar's exact test, given how many examples only the one and only the other setup gets right."""
    discordant = n_one_only + n_other_only
    return float(stats.binomtest(n_one_only, discordant).pvalue) if discordant else 1.0


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
    spread_of = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    reach = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * spread_of
    mean = math.fsum(values) / len(values)
    return Interval(mean - reach, mean + reach)
