import numpy as np
import pytest

from bench.report.read.predictions import Predictions
from bench.report.statistics.formulas import NotResampled
from bench.report.statistics.intervals import N_RESAMPLES
from bench.report.statistics.resampling import asked_alike, document_means, spread_of


def answers(values, clusters="aabbb", ids=None):
    n = len(values)
    return Predictions(
        ids=tuple(ids or map(str, range(n))),
        clusters=tuple(clusters),
        answers=("",) * n,
        scores={"f": np.array(values, dtype=float)},
        parts={},
    )


def test_documents_are_drawn_with_all_of_their_examples():
    found = spread_of("f", "mean", [answers([1, 1, 0, 0, 0])], 0)
    assert (found.estimates.tolist(), found.n_clusters, found.n_seeds) == ([0.4], 2, 1)
    # Of the documents a and b twice one of them, or both: 2 of 2 right, 0 of 3, or 2 of 5
    assert len(found.draws) == N_RESAMPLES
    shares = {round(float(value), 9): float((found.draws == value).mean()) for value in np.unique(found.draws)}
    assert shares == pytest.approx({0.0: 0.25, 0.4: 0.5, 1.0: 0.25}, abs=0.05)


def test_all_setups_and_seeds_share_their_draws():
    one, other = ([1, 1, 0, 0, 0], [0, 0, 1, 1, 1])
    alone = [spread_of("f", "mean", [answers(each)], 0).draws for each in (one, other)]
    assert np.allclose(alone[0] + alone[1], 1)
    both = spread_of("f", "mean", [answers(one), answers(other)], 0)
    assert np.allclose(both.draws, 0.5)
    assert (spread_of("f", "mean", [answers(one)], 1).draws != alone[0]).any()


def test_the_order_of_examples_is_of_no_consequence():
    one = answers([1, 0.5, 0, 0.25, 1])
    other = answers([0.25, 1, 0, 0.5, 1], "babab", ["3", "0", "2", "1", "4"])
    assert asked_alike(one, other)
    assert np.allclose(spread_of("f", "mean", [one], 0).draws, spread_of("f", "mean", [other], 0).draws)
    # The sums of a and b, 1.5 and 1.25, over five examples
    assert document_means("f", [one, other]) == pytest.approx([0.3, 0.25])


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
    with pytest.raises(NotResampled) as error:
        spread_of("f", "mean", by_seed, 0)
    assert str(error.value) == why
