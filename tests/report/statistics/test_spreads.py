import numpy as np
import pytest

from bench.report.read.predictions import Predictions
from bench.report.statistics.formulas import NoSpread
from bench.report.statistics.spreads import asked_alike, spread_of


def answers(values, clusters="aabbb", ids=None):
    n = len(values)
    return Predictions(
        ids=tuple(ids or map(str, range(n))),
        clusters=tuple(clusters),
        answers=("",) * n,
        scores={"f": np.array(values, dtype=float)},
        parts={},
    )


def test_documents_are_left_out_with_all_of_their_examples():
    found = spread_of("f", "mean", [answers([1, 1, 0, 0, 1]), answers([0, 0, 0, 0, 0])])
    assert found.estimates.tolist() == [0.6, 0.0]
    # Without a, 1 of 3 is right; without b, 2 of 2
    assert found.without == pytest.approx(np.array([[1 / 3, 1.0], [0.0, 0.0]]))


def test_the_order_of_examples_is_of_no_consequence():
    one = answers([1, 0.5, 0, 0.25, 1])
    other = answers([0.25, 1, 0, 0.5, 1], "babab", ["3", "0", "2", "1", "4"])
    assert asked_alike(one, other)
    assert np.allclose(spread_of("f", "mean", [one]).without, spread_of("f", "mean", [other]).without)


def test_the_same_examples_of_other_documents_are_not_alike():
    assert not asked_alike(answers([1] * 5), answers([1] * 5, "aaabb"))
    assert not asked_alike(answers([1] * 5), answers([1] * 5, ids="01235"))


@pytest.mark.parametrize(
    ("by_seed", "why"),
    [
        ([answers([1, 0], "ab"), answers([1, 0], "ab", "xy")], "its seeds were not asked the same examples"),
        ([answers([1, 0], "aa")], "all examples are from one document"),
        ([answers([1, np.nan], "ab")], "not every example has a number"),
    ],
)
def test_what_has_no_spread_says_why(by_seed, why):
    with pytest.raises(NoSpread) as error:
        spread_of("f", "mean", by_seed)
    assert str(error.value) == why
