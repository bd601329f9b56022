import random

import pytest

from bench.report.statistics.pareto import front

INFINITY = float("inf")


@pytest.mark.parametrize(
    ("points", "kept"),
    [
        ([], []),
        ([(0.5, 10.0)], [0]),
        # Better and cheaper
        ([(0.5, 10.0), (0.6, 9.0)], [1]),
        # Better but dearer
        ([(0.5, 10.0), (0.6, 11.0)], [0, 1]),
        # As good and dearer, or as dear and worse
        ([(0.5, 10.0), (0.5, 11.0)], [0]),
        ([(0.5, 10.0), (0.4, 10.0)], [0]),
        # Equal in both
        ([(0.5, 10.0), (0.1, 20.0), (0.5, 10.0)], [0, 2]),
        # The study's llama1b: BLEU and memory in GB of baseline, lora, qlora, toplayer
        ([(0.0148, 16.59), (0.2243, 4.30), (0.2653, 2.74), (0.0267, 4.51)], [2]),
        # Its llama3b
        ([(0.0561, 22.79), (0.1137, 13.40), (0.0953, 4.38), (0.0327, 20.25)], [1, 2]),
        ([(-INFINITY, 1.0), (-INFINITY, 1.0), (0.5, INFINITY)], [0, 1, 2]),
    ],
)
def test_front_of_few_points(points, kept):
    assert front([score for score, _ in points], [cost for _, cost in points]) == kept


def dominated(one, points):
    return any(score >= one[0] and cost <= one[1] and (score > one[0] or cost < one[1]) for score, cost in points)


def test_front_is_what_comparing_every_pair_gives():
    chance = random.Random(7)
    for _ in range(500):
        # Few distinct numbers, so that there are ties of every sort
        n_points, n_values = chance.randint(1, 30), chance.choice([2, 4, 8, 1000])
        points = [(chance.randrange(n_values) / 8, chance.randrange(n_values) / 2) for _ in range(n_points)]
        kept = [index for index, one in enumerate(points) if not dominated(one, points)]
        assert front(*zip(*points, strict=True)) == kept
