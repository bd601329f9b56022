"""Scores without each document in turn (the delete-one jackknife), for scores that are formulas of sums over examples.

Examples of one document are alike, so documents (clusters of examples) are left out whole. Nothing is drawn at random:
the same answers always give the same numbers, and A less B is the mirror of B less A.

Axes of arrays: s seeds, c clusters, k parts, b corpora. The parts of a score are numbers per example whose sums
determine the score, such as (values, counts) for a mean, so that any score is a `Formula` of sums.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Parts = Floats | csr_array
"""k numbers for each example or cluster: (n, k)."""
Formula = Callable[[Floats], Floats]
"""Sums of parts, shape (k, b), to the scores of b corpora."""

BLOCK = 256
"""Clusters left out in one call of a formula, which bounds the memory that it takes."""


@dataclass(frozen=True)
class Spread:
    """One score of one setup, at each seed: on all documents, and without each of them."""

    estimates: Floats
    """(s,): the score of each seed."""
    without: Floats
    """(s, c): the score of each seed without each cluster."""

    @cached_property
    def mean(self) -> float:
        """Over the seeds."""
        return float(self.estimates.mean())

    @property
    def n_seeds(self) -> int:
        """How many seeds there are."""
        return len(self.estimates)

    @property
    def n_clusters(self) -> int:
        """How many clusters there are."""
        return self.without.shape[1]

    def first(self, n_seeds: int) -> "Spread":
        """That of the first seeds alone."""
        return Spread(self.estimates[:n_seeds], self.without[:n_seeds])

    @cached_property
    def seed_variance(self) -> float:
        """Variance between seeds, less what documents explain of it; 0 with one seed, where it is not known.

        Equally good seeds have different scores by chance, because each is better on some documents. How differently
        the documents move the scores of the seeds shows how much of their variance that explains.
        """
        if self.n_seeds < 2:
            return 0.0
        apart = self.without - self.without.mean(axis=0)
        by_documents = sum(map(jackknife_variance, apart)) / (self.n_seeds - 1)
        return max(0.0, float(self.estimates.var(ddof=1)) - by_documents)


def spread(pools: Sequence[tuple[Parts, Formula]]) -> Spread:
    """The spread of a score, given for each seed the parts summed within each cluster, (c, k), and their formula."""
    estimates = [formula(np.asarray(parts.sum(axis=0), dtype=float)[:, np.newaxis])[0] for parts, formula in pools]
    return Spread(np.array(estimates), np.stack([_without_each(parts, formula) for parts, formula in pools]))


def mean_formula(sums: Floats) -> Floats:
    """The mean of values whose sums and counts are the two parts."""
    return sums[0] / sums[1]


def jackknife_variance(without: Floats) -> float:
    """The variance of an estimate from documents, given the estimate without each of c clusters (Tukey 1958)."""
    n_clusters = len(without)
    return float(((without - without.mean()) ** 2).sum()) * (n_clusters - 1) / n_clusters


def _without_each(parts: Parts, formula: Formula) -> Floats:
    totals = np.asarray(parts.sum(axis=0), dtype=float)
    blocks = []
    for start in range(0, parts.shape[0], BLOCK):
        block = parts[start : start + BLOCK]
        blocks.append(formula((totals - (block.toarray() if isinstance(block, csr_array) else block)).T))
    return np.concatenate(blocks)
