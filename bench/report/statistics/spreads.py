"""Spreads of a setup's scores, from what its cells answered."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array

from bench.report.read.predictions import Predictions
from bench.report.statistics.formulas import NoSpread, Pooling, parts_of
from bench.report.statistics.jackknife import Spread, spread


def spread_of(score: str, pooling: Pooling | None, by_seed: Sequence[Predictions]) -> Spread:
    """The spread of a score over documents and seeds.

    Args:
        score: its name in the record.
        pooling: how it follows from its examples, as the record declares.
        by_seed: the answers of each seed, at least one.

    Raises:
        NoSpread: why it has none.
    """
    first = by_seed[0]
    if not all(asked_alike(first, answers) for answers in by_seed):
        raise NoSpread("its seeds were not asked the same examples")
    if len(set(first.clusters)) < 2:
        raise NoSpread("all examples are from one document")
    pools = [(_documents(answers.clusters), *parts_of(score, pooling, answers)) for answers in by_seed]
    return spread([(documents @ parts, formula) for documents, parts, formula in pools])


def asked_alike(one: Predictions, other: Predictions) -> bool:
    """Whether both answer the same examples of the same documents, in any order."""
    if (one.ids, one.clusters) == (other.ids, other.clusters):
        return True
    asked, other_asked = (sorted(zip(each.ids, each.clusters, strict=True)) for each in (one, other))
    return asked == other_asked


@lru_cache(maxsize=64)
def _documents(clusters: tuple[str, ...]) -> csr_array:
    """1 where an example is from a document: (c, n), documents in the order of their names."""
    _, codes = np.unique(np.array(clusters), return_inverse=True)
    ones = np.ones(len(codes))
    return csr_array((ones, (codes, np.arange(len(codes)))), shape=(int(codes.max()) + 1, len(codes)))
