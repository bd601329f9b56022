import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from bench.report.statistics.intervals import (
    N_PERMUTATIONS,
    Interval,
    Spread,
    difference_interval,
    difference_p,
    holm,
    interval,
    mcnemar_p,
    mean_formula,
    over_seeds,
    permutation_p,
    resample,
    spread,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def spread_over(by_seed, n_draws=20_000, draw_seed=0):
    """Of values by seed and document, one example each; `by_seed` has shape (s, c)."""
    values = np.asarray(by_seed, dtype=float)
    ones = np.ones(values.shape[1])
    counts = resample(values.shape[1], n_draws, rng(draw_seed))
    return spread([(np.column_stack([own, ones]), mean_formula) for own in values], counts)


def alone(mean=0.0):
    """A spread that neither seeds nor documents move."""
    return Spread(np.array([mean]), np.full(9, mean), 2, 0.0)


def test_a_draw_has_as_many_clusters_as_there_are():
    counts = resample(7, 50, rng())
    assert counts.shape == (7, 50)
    assert (counts.sum(axis=0) == 7).all()
    # Each is in a draw once on average, with the multinomial's variance of 1 - 1/7
    many = resample(7, 100_000, rng())
    assert many.mean(axis=1) == pytest.approx(np.ones(7), abs=0.02)
    assert many.var(axis=1) == pytest.approx(np.full(7, 6 / 7), abs=0.02)


def test_one_seed_is_student_s_interval_of_a_mean():
    values = rng(1).normal(3, 2, 40)
    found = interval(spread_over([values], 200_000), rng())
    reach = stats.t.ppf(0.975, 39) * values.std(ddof=1) / math.sqrt(40)
    assert found.kind == "confidence"
    assert (found.low, found.high) == pytest.approx((values.mean() - reach, values.mean() + reach), rel=0.01)


def test_one_seed_of_many_single_examples_is_scipy_s_bootstrap():
    values = rng(2).exponential(1.0, 300)
    found = interval(spread_over([values], 50_000), rng())
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=50_000, method="percentile", rng=rng(3)
    ).confidence_interval
    # Theirs has no correction for few examples, which is 0.6 % of the width here
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.02 * (theirs.high - theirs.low))


def test_examples_of_a_document_that_agree_count_once():
    documents = rng(4).normal(size=30)
    counts = resample(30, 50_000, rng())
    fivefold = spread([(np.column_stack([5 * documents, np.full(30, 5.0)]), mean_formula)], counts)
    once = spread([(np.column_stack([documents, np.ones(30)]), mean_formula)], counts)
    together, single = interval(fivefold, rng()), interval(once, rng())
    assert (together.low, together.high) == pytest.approx((single.low, single.high))
    # As if they were examples of their own, the interval would be narrower by the root of 5
    apart = interval(spread_over([np.repeat(documents, 5)], 50_000), rng())
    assert (together.high - together.low) / (apart.high - apart.low) == pytest.approx(math.sqrt(5), rel=0.06)


def test_few_clusters_have_the_tails_of_student_s_t():
    values = np.array([0.0, 1.0, 2.0, 4.0, 8.0, 9.0])
    found = interval(spread_over([values], 100_000), rng())
    width = 2 * stats.t.ppf(0.975, 5) * values.std(ddof=1) / math.sqrt(6)
    assert found.high - found.low == pytest.approx(width, rel=0.03)


@pytest.mark.parametrize("seeds", [(0.3, 0.5), (0.3, 0.5, 0.6), (0.1, 0.2, 0.3, 0.35, 0.5)])
def test_seeds_that_differ_alike_on_every_document_have_student_s_interval(seeds):
    by_seed = np.repeat(np.array(seeds)[:, np.newaxis], 10, axis=1)
    found = spread_over(by_seed, 100_000)
    assert found.seed_sd == pytest.approx(np.std(seeds, ddof=1))
    within = interval(found, rng())
    reach = stats.t.ppf(0.975, len(seeds) - 1) * np.std(seeds, ddof=1) / math.sqrt(len(seeds))
    assert (within.low, within.high) == pytest.approx(
        (np.mean(seeds) - reach, np.mean(seeds) + reach), abs=0.02 * reach
    )


def test_seeds_that_differ_by_their_documents_alone_add_nothing():
    # Two seeds of one mean, each better on half of the documents
    found = spread_over([[0, 1] * 20, [1, 0] * 20])
    assert found.estimates.tolist() == [0.5, 0.5]
    assert found.seed_sd == 0
    assert interval(found, rng()) is None


def test_documents_explain_what_seeds_differ_by():
    # 6 and 4 of 10 right: the variance between is 0.02, of which documents make as much as they vary themselves
    one, other = np.array([1] * 6 + [0] * 4), np.array([0] * 6 + [1] * 4)
    found = spread_over([one, other], 200_000)
    apart = (one - other) / 2
    by_documents = 2 * apart.var(ddof=1) / 10
    assert found.seed_sd == pytest.approx(math.sqrt(max(0.0, 0.02 - by_documents)), abs=1e-3)
    many = spread_over([np.repeat(one, 40), np.repeat(other, 40)])
    assert many.seed_sd == pytest.approx(math.sqrt(0.02 - by_documents * 9 / 399), rel=0.01)


def test_a_difference_is_paired():
    easy = rng(5).normal(0, 5, 50)
    gain = rng(6).normal(1, 0.1, 50)
    one, other = spread_over([easy + gain], 100_000), spread_over([easy], 100_000)
    found = difference_interval(one, other, rng())
    reach = stats.t.ppf(0.975, 49) * gain.std(ddof=1) / math.sqrt(50)
    assert (found.low, found.high) == pytest.approx((gain.mean() - reach, gain.mean() + reach), abs=0.05 * reach)


def test_a_difference_of_seeds_is_welch_s():
    one, other = np.array([0.5, 0.6, 0.8]), np.array([0.1, 0.2, 0.25, 0.4])
    spreads = [spread_over(np.repeat(each[:, np.newaxis], 8, axis=1), 100_000) for each in (one, other)]
    found = difference_interval(*spreads, rng())
    theirs = stats.ttest_ind(one, other, equal_var=False)
    low, high = theirs.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.01 * (high - low))
    assert difference_p(*spreads, rng()) == pytest.approx(theirs.pvalue, abs=0.002)


def test_what_does_not_vary_has_no_interval():
    constant = spread_over([[0.1] * 7])
    assert interval(constant, rng()) is None
    shifted = spread_over([[0.3, 0.8, 0.4]]), spread_over([[0.1, 0.6, 0.2]])
    assert difference_interval(*shifted, rng()) is None


def test_the_same_seed_gives_the_same_numbers():
    one, other = spread_over([[0, 0, 1, 0], [1, 1, 1, 1]]), spread_over([[0, 0, 1, 0], [0, 0, 0, 0]])

    def told(seed):
        differences = np.array([0.125, 0.25, 0.125, 0.0])
        return (
            interval(one, rng(seed)),
            difference_interval(one, other, rng(seed)),
            difference_p(one, other, rng(seed)),
            permutation_p(differences, one, other, rng(seed)),
        )

    assert told(1) == told(1)
    assert told(1)[0] != told(2)[0]


def test_permutations_of_four_clusters_are_those_that_can_be_counted():
    differences = np.array([0.4, 0.3, 0.2, -0.1])
    as_far = sum(
        abs(sum(sign * each for sign, each in zip(signs, differences, strict=True))) >= 0.8 - 1e-12
        for signs in product((1, -1), repeat=4)
    )
    assert as_far == 4  # all alike and all but the last, either way around
    found = permutation_p(differences, alone(), alone(), rng())
    assert found == pytest.approx(4 / 16, abs=4 * math.sqrt(0.25 * 0.75 / N_PERMUTATIONS))


def test_permutations_are_scipy_s():
    differences = rng(7).normal(0.02, 0.1, 25) / 25
    theirs = stats.permutation_test(
        (differences, np.zeros(25)),
        lambda one, other, axis: (one - other).sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=50_000,
        rng=rng(8),
    )
    found = permutation_p(differences, alone(), alone(), rng())
    assert found == pytest.approx(
        theirs.pvalue, abs=4 * math.sqrt(theirs.pvalue * (1 - theirs.pvalue) / N_PERMUTATIONS)
    )


def test_a_p_is_never_zero_and_of_no_difference_one():
    assert permutation_p(np.full(60, 0.1), alone(), alone(), rng()) == 1 / (N_PERMUTATIONS + 1)
    assert permutation_p(np.zeros(10), alone(), alone(), rng()) == 1.0


def test_of_single_0_or_1_examples_permutations_are_mcnemar_s():
    differences = np.array([1] * 12 + [-1] * 4 + [0] * 20) / 36
    exact = 2 * sum(math.comb(16, k) for k in range(5)) / 2**16
    assert mcnemar_p(12, 4) == pytest.approx(exact)
    assert permutation_p(differences, alone(), alone(), rng()) == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize(
    ("one", "other", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (3, 3, 1.0), (6, 0, 2 / 64), (1, 5, 2 * 7 / 64), (5, 1, 2 * 7 / 64)],
)
def test_mcnemar_by_hand(one, other, p):
    assert mcnemar_p(one, other) == pytest.approx(p)


def test_seeds_that_vary_take_significance_away():
    # All of ten documents are better, but no more than seeds differ
    differences = np.full(10, 0.01)
    steady, wild = alone(), Spread(np.array([0.0, 0.3]), np.zeros(9), 10, 0.2)
    assert permutation_p(differences, steady, steady, rng()) < 0.01
    assert permutation_p(differences, wild, steady, rng()) > 0.5


@pytest.mark.parametrize(
    ("given", "adjusted"),
    [
        ([], []),
        ([0.04], [0.04]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.6, 0.9], [1.0, 1.0]),
        ([0.02, 0.02, 0.02], [0.06, 0.06, 0.06]),
    ],
)
def test_holm_by_hand(given, adjusted):
    assert holm(given) == pytest.approx(adjusted)


def test_over_seeds_by_hand():
    assert over_seeds([3.0]) is None
    assert over_seeds([3.0, 1.0]) == Interval(1.0, 3.0, "range")
    assert over_seeds([3.0, 1.0, 2.0, 2.5]) == Interval(1.0, 3.0, "range")
    # A standard deviation of the root of 2.5, over the root of 5, times 2.776
    within = over_seeds([1.0, 2.0, 3.0, 4.0, 5.0])
    assert within.kind == "confidence"
    assert (within.low, within.high) == pytest.approx((3 - 2.776445 * math.sqrt(0.5), 3 + 2.776445 * math.sqrt(0.5)))


@pytest.mark.parametrize(("n_seeds", "seed_sd"), [(1, 0.0), (3, 0.1)])
def test_intervals_cover_the_truth(n_seeds, seed_sd):
    draw = rng(9)
    counts = resample(25, 1000, draw)
    covered = 0
    for _ in range(400):
        values = draw.normal(0, 0.5, 25) + seed_sd * draw.normal(size=(n_seeds, 1)) + draw.normal(0, 0.3, (n_seeds, 25))
        found = spread([(np.column_stack([own, np.ones(25)]), mean_formula) for own in values], counts)
        within = interval(found, draw)
        covered += within.low <= 0 <= within.high
    # 95 %, and three standard errors of 1.1 % beside
    assert 0.917 <= covered / 400 <= 0.983
