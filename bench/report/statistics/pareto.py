"""The Pareto front: what is worth choosing where a better score costs more."""

from collections.abc import Sequence


def front(scores: Sequence[float], costs: Sequence[float]) -> list[int]:
    """Indices of the points that no other dominates, in rising order; all of several equal points.

    A point dominates another if its score is at least as high and its cost at most as large, and one of both is better.

    Args:
        scores: higher is better.
        costs: parallel to `scores`; lower is better. Neither has a NaN.
    """
    kept: list[int] = []
    best = (float("-inf"), float("inf"))
    for index in sorted(range(len(scores)), key=lambda index: (costs[index], -scores[index])):
        point = scores[index], costs[index]
        if not kept or point == best or point[0] > best[0]:
            kept.append(index)
            best = point
    return sorted(kept)
