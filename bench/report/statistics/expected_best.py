"""The best score that a random search of k trials finds on average, from a search of n trials (Dodge et al. 2019).

A search of 12 trials finds more than one of 3, so methods are compared at the same number of trials, and at every one
of them: a method may lead with few trials and not with many. Dodge et al. average over draws with replacement, which
is too pessimistic (Tang et al. 2020). Here the average is over all choices of k of the n trials, which is unbiased and
varies more (Dodge et al. 2021).

Trials are drawn independently of each other, so they have no order, and the chance that a new trial is better than so
many of n others is known whatever the scores look like. The interval follows from that alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, fsum
from typing import Literal

TAIL = 0.025
"""The largest chance that the best of new trials lies beyond either end of an interval."""


@dataclass(frozen=True)
class Best:
    """The best score of `k` trials."""

    k: int
    expected: float
    """The mean over all choices of `k` of the trials that were made."""
    at_least: float | None
    """A new search of `k` trials finds something as good with a chance of 97.5 %; None if too few were made to say."""
    at_most: float | None
    """It finds nothing better than this with a chance of 97.5 %; None likewise. That takes 39 trials for each of the
    `k`, so most searches leave this end open."""


def expected_best(
    scores: Sequence[float | None], better: Literal["higher", "lower"], worst: float | None
) -> list[Best]:
    """The best score of k of the n trials, for k from 1 to n; empty if no trial has a score.

    A trial that failed spent its part of the budget and found nothing, so it counts as the worst score. To leave it out
    would praise a method that fails half of the time for its other half.

    Args:
        scores: of each trial, in any order; None for one that failed.
        better: which scores are better.
        worst: the score's worst possible value. If there is none, a failed trial counts as the worst of the others,
            which is too good.
    """
    known = [score for score in scores if score is not None]
    if not known:
        return []
    sign = 1 if better == "higher" else -1
    failed = worst if worst is not None else sign * min(sign * score for score in known)
    ordered = sorted((failed if score is None else score for score in scores), key=lambda score: sign * score)
    return [_best(ordered, k) for k in range(1, len(ordered) + 1)]


def _best(ordered: Sequence[float], k: int) -> Best:
    """Of scores from the worst to the best."""
    n = len(ordered)
    # The score at index i is the best of a choice whose k - 1 others are among the i worse ones
    expected = fsum(comb(i, k - 1) * score for i, score in enumerate(ordered)) / comb(n, k)
    worse = [chance_worse(i, n, k) for i in range(n)]
    low = max((i for i in range(n) if worse[i] <= TAIL), default=None)
    high = min((i for i in range(n) if worse[i] >= 1 - TAIL), default=None)
    return Best(k, expected, None if low is None else ordered[low], None if high is None else ordered[high])


def chance_worse(index: int, n: int, k: int) -> float:
    """The chance that the best of `k` new trials is worse than a trial that has `index` worse ones among `n`.

    All orders of old and new trials are equally likely, and none of the new ones may be among the best `n - index`.
    """
    return comb(index + k, k) / comb(n + k, k)
