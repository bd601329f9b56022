"""Intervals and tests for scores. Pure functions over arrays: no files, no clocks.

Scores vary for two reasons: other validation documents would have been asked, and other seeds would have trained
another model. The two are crossed, all seeds answer the same documents, and so they are treated apart:

- Documents (clusters of examples) are resampled with replacement, a document with all of its examples, the same draw
  for every seed and every method. To resample the examples inside of a drawn document as well would count their
  variance twice (Davison and Hinkley 1997, section 3.8).
- A handful of seeds cannot be resampled: of three values, a bootstrap knows ten means and a third too little variance.
  What the seeds' means vary beyond what documents explain enters as a Student t with their degrees of freedom instead.

`benchmarks/coverage.py` shows by simulation that the intervals cover, and what the plain nested bootstrap does: rely on
three seeds at least; of two, a mean's interval can cover as little as 90 %.

Arrays are named by their axes: s seeds, c clusters, k parts, b draws. The parts of a score are what it is computed from
when summed over examples, (values, counts) for a mean, so that any score is a `Formula` of sums.
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
"""Below so many, a resource figure shows its smallest and its largest value instead of an interval."""


@dataclass(frozen=True)
class Interval:
    """Where a figure may lie."""

    low: float
    high: float
    kind: Literal["confidence", "range"] = "confidence"
    """A 95 % confidence interval, or the smallest and the largest of fewer than five seeds."""


@dataclass(frozen=True)
class Spread:
    """One score of one setup on resampled documents, and how it varies with the seed."""

    estimates: Floats
    """(s,): the score of each seed on the documents as they are."""
    draws: Floats
    """(b,): the mean over seeds on each draw of documents."""
    n_clusters: int
    seed_sd: float
    """Standard deviation between seeds beyond what documents explain; 0 with one seed, which says nothing about it."""

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return float(self.estimates.mean())

    @property
    def n_seeds(self) -> int:
        """How many seeds there are."""
        return len(self.estimates)


def resample(n_clusters: int, n_draws: int, rng: np.random.Generator) -> Floats:
    """How often each cluster is in each draw of `n_clusters` with replacement: shape (c, b)."""
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
    """From the variance between seeds, less that part of it which the documents at hand explain.

    The seeds' scores differ by chance even where all seeds are equally good: each does better on some documents. How
    much, the draws say, in which the seeds move apart from each other.
    """
    n_seeds = len(estimates)
    if n_seeds < 2 or n_clusters < 2:
        return 0.0
    apart = draws - draws.mean(axis=1, keepdims=True)
    apart -= apart.mean(axis=0)
    by_documents = (apart**2).mean(axis=1).sum() / (n_seeds - 1) * n_clusters / (n_clusters - 1)
    return math.sqrt(max(0.0, float(estimates.var(ddof=1)) - float(by_documents)))


def interval(found: Spread, rng: np.random.Generator) -> Interval | None:
    """The 95 % interval of a score, null where nothing varies. It can reach past what the score can be."""
    return _around(found.mean, _errors(found.draws, [found], rng))


def difference_interval(one: Spread, other: Spread, rng: np.random.Generator) -> Interval | None:
    """The 95 % interval of `one` less `other`, both on the same draws of clusters; null where nothing varies."""
    return _around(one.mean - other.mean, _errors(one.draws - other.draws, [one, other], rng))


def difference_p(one: Spread, other: Spread, rng: np.random.Generator) -> float:
    """Two-sided p that two scores are the same, from the errors that the interval of their difference is made of."""
    errors = _errors(one.draws - other.draws, [one, other], rng)
    return _share_as_far(errors, one.mean - other.mean)


def _around(estimate: float, errors: Floats) -> Interval | None:
    # Sums of equal numbers differ by rounding
    if np.abs(errors).max() <= 1e-12 * max(1.0, abs(estimate)):
        return None
    low, high = np.quantile(errors, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(estimate + float(low), estimate + float(high))


def _errors(draws: Floats, found: Sequence[Spread], rng: np.random.Generator) -> Floats:
    """How far an estimate may be off, by the documents that its draws are of and by the seeds of what it is made of."""
    # Of corpus scores, which lose distinct answers when resampled, the draws lie aside of the estimate
    errors = (draws - draws.mean()) * _stretches(found[0].n_clusters, len(draws), rng)
    return errors + _seed_errors(found, len(draws), rng)


def _share_as_far(errors: Floats, observed: float) -> float:
    """At least 1 / (b + 1), as what was observed is one of what can be (Phipson and Smyth 2010)."""
    # What is as far off up to rounding counts as being so
    as_far = np.count_nonzero(np.abs(errors) >= abs(observed) * (1 - 1e-9) - 1e-15)
    return (1 + int(as_far)) / (len(errors) + 1)


def _seed_errors(found: Sequence[Spread], n_draws: int, rng: np.random.Generator) -> Floats:
    """Of a mean, Student's t; of a difference of means, with the degrees of freedom of Welch (1947)."""
    squares = [(each.seed_sd**2 / each.n_seeds, each.n_seeds - 1) for each in found if each.seed_sd]
    if not squares:
        return np.zeros(n_draws)
    total = math.fsum(square for square, _ in squares)
    freedom = total**2 / math.fsum(square**2 / own for square, own in squares)
    return math.sqrt(total) * rng.standard_t(freedom, n_draws)


def _stretches(n_clusters: int, n_draws: int, rng: np.random.Generator) -> Floats:
    """What makes of a bootstrap's draws, too narrow and with too light tails for few clusters, those of Student's t."""
    if n_clusters < 2:
        return np.zeros(n_draws)
    freedom = n_clusters - 1
    return np.sqrt(n_clusters / freedom) * np.sqrt(freedom / rng.chisquare(freedom, n_draws))


def permutation_p(differences: Floats, one: Spread, other: Spread, rng: np.random.Generator) -> float:
    """Two-sided p of a paired permutation test that two setups have the same mean.

    If they had, a document's two sets of answers could be swapped: the sign of each cluster's difference is flipped at
    random. With several seeds, what a mean of so few may be off by is added to each flip. Where every cluster is one
    example, scored 0 or 1, of one seed, this is McNemar's exact test, by sampling instead of by the binomial.

    Args:
        differences: (c,), each cluster's part in the difference of means: they add up to it.
        one: the spread of the first setup.
        other: that of the second.
        rng: for the flips.

    Returns:
        At least 1 / (N_PERMUTATIONS + 1).
    """
    total = float(differences.sum())
    flipped = 2 * _sums_of_any(differences, N_PERMUTATIONS, rng) - total
    flipped += _seed_errors([one, other], N_PERMUTATIONS, rng)
    return _share_as_far(flipped, total)


def _sums_of_any(values: Floats, n_draws: int, rng: np.random.Generator) -> Floats:
    """Sums of any of the values, each in or out with a chance of a half: (b,)."""
    sums = np.zeros(n_draws)
    for eight in np.split(values, range(8, len(values), 8)):
        # All 256 sums of any of eight, of which each draw's byte picks one
        chosen = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1, count=len(eight))
        sums += (chosen @ eight)[np.frombuffer(rng.bytes(n_draws), dtype=np.uint8)]
    return sums


def mcnemar_p(n_one_only: int, n_other_only: int) -> float:
    """Two-sided p of McNemar's exact test, given how many examples one setup alone and the other alone has right."""
    discordant = n_one_only + n_other_only
    return float(stats.binomtest(n_one_only, discordant).pvalue) if discordant else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted so that the chance of any false positive among all is kept (Holm 1979)."""
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def over_seeds(values: Sequence[float]) -> Interval | None:
    """Of a resource figure: from smallest to largest below five seeds, then Student's interval; null for one seed."""
    if len(values) < 2:
        return None
    if len(values) < FEW_SEEDS:
        return Interval(min(values), max(values), "range")
    spread_of = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    reach = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * spread_of
    mean = math.fsum(values) / len(values)
    return Interval(mean - reach, mean + reach)
