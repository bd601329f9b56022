"""A setup's scores on resampled documents: the same draws for every setup that was asked the same."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array

from bench.report.read.predictions import Predictions
from bench.report.statistics.formulas import NotResampled, parts_of
from bench.report.statistics.intervals import N_RESAMPLES, Floats, Spread, resample, spread


def spread_of(score: str, by_seed: Sequence[Predictions], report_seed: int) -> Spread:
    """The spread of a score over documents and seeds; at least one seed.

    Raises:
        NotResampled: why it has none.
    """
    first = by_seed[0]
    if not all(asked_alike(first, answers) for answers in by_seed):
        raise NotResampled("its seeds were not asked the same examples")
    n_documents = len(set(first.clusters))
    if n_documents < 2:
        raise NotResampled("all examples are from one document")
    pools = [(_documents(answers.clusters), *parts_of(score, answers)) for answers in by_seed]
    counts = _counts(n_documents, report_seed)
    return spread([(documents @ parts, formula) for documents, parts, formula in pools], counts)


def asked_alike(one: Predictions, other: Predictions) -> bool:
    """Whether both answer the same examples of the same documents, in whichever order."""
    if (one.ids, one.clusters) == (other.ids, other.clusters):
        return True
    asked, other_asked = (sorted(zip(each.ids, each.clusters, strict=True)) for each in (one, other))
    return asked == other_asked


def document_means(score: str, by_seed: Sequence[Predictions]) -> Floats:
    """Each document's part in the mean score over examples and seeds, which they add up to; for means alone."""
    sums = [_documents(answers.clusters) @ answers.scores[score] for answers in by_seed]
    return np.mean(sums, axis=0) / len(by_seed[0].ids)


@lru_cache(maxsize=64)
def _documents(clusters: tuple[str, ...]) -> csr_array:
    """Which example is from which document: (c, n), documents in the order of their names."""
    _, codes = np.unique(np.array(clusters), return_inverse=True)
    ones = np.ones(len(codes))
    return csr_array((ones, (codes, np.arange(len(codes)))), shape=(int(codes.max()) + 1, len(codes)))


@lru_cache(maxsize=64)
def _counts(n_documents: int, report_seed: int) -> Floats:
    return resample(n_documents, N_RESAMPLES, np.random.default_rng([report_seed, n_documents]))
