import math

import numpy as np
import pytest
from scipy import stats

from bench.report.statistics.intervals import (
    Error,
    Interval,
    difference_error,
    difference_interval,
    difference_p,
    error_of,
    holm,
    over_seeds,
    score_interval,
    uniform_interval,
)
from bench.report.statistics.jackknife import mean_formula, spread


def spread_over(by_seed):
    """Of values by seed and document, one example each; `by_seed` has shape (s, c)."""
    values = np.asarray(by_seed, dtype=float)
    ones = np.ones(values.shape[1])
    return spread([(np.column_stack([own, ones]), mean_formula) for own in values])


def ends(interval):
    return pytest.approx((interval.low, interval.high))


def test_one_seed_is_student_s_interval_of_a_mean():
    values = np.random.default_rng(1).normal(3, 2, 40)
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = score_interval(spread_over([values]))
    assert found.kind == "confidence"
    assert (theirs.low, theirs.high) == ends(found)


def test_a_difference_of_one_seed_is_student_s_paired_test():
    one, other = np.random.default_rng(2).normal((1.0, 0.6), 1.0, (30, 2)).T
    theirs = stats.ttest_rel(one, other)
    spreads = spread_over([one]), spread_over([other])
    within = theirs.confidence_interval(0.95)
    assert (within.low, within.high) == ends(difference_interval(*spreads))
    assert difference_p(*spreads) == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize("seeds", [(0.3, 0.5), (0.3, 0.5, 0.6), (0.1, 0.2, 0.3, 0.35, 0.5)])
def test_seeds_that_differ_alike_on_every_document_have_student_s_interval(seeds):
    found = score_interval(spread_over(np.repeat(np.array(seeds)[:, np.newaxis], 10, axis=1)))
    theirs = stats.ttest_1samp(seeds, 0).confidence_interval(0.95)
    assert (theirs.low, theirs.high) == ends(found)


def test_a_difference_of_seeds_is_welch_s():
    one, other = np.array([0.5, 0.6, 0.8]), np.array([0.1, 0.2, 0.25, 0.4])
    spreads = [spread_over(np.repeat(each[:, np.newaxis], 12, axis=1)) for each in (one, other)]
    theirs = stats.ttest_ind(one, other, equal_var=False)
    within = theirs.confidence_interval(0.95)
    assert (within.low, within.high) == ends(difference_interval(*spreads))
    assert difference_p(*spreads) == pytest.approx(theirs.pvalue)


def test_both_sources_reach_as_far_as_their_quantiles_weighted_by_their_variances():
    # Cochran and Cox: (0.03 * 2.093 + 0.01 * 4.303) / 0.04 standard errors of 0.2
    assert Error(0.03, 19, 0.01, 2).reach() == pytest.approx((0.03 * 2.093024 + 0.01 * 4.302653) / 0.04 * 0.2)
    assert Error(0.03, 19).reach() == pytest.approx(2.093024 * math.sqrt(0.03))
    assert Error(0.0, 19).reach() == 0


def test_the_p_is_that_of_the_interval_which_just_excludes_0():
    draw = np.random.default_rng(3)
    one = spread_over(0.5 + draw.normal(0, 0.3, 25) + draw.normal(0, 0.1, (3, 1)) + draw.normal(0, 0.1, (3, 25)))
    other = spread_over(draw.normal(0, 0.3, 25) + draw.normal(0, 0.1, (3, 1)) + draw.normal(0, 0.1, (3, 25)))
    error, p = difference_error(one, other), difference_p(one, other)
    assert error.seeds > 0
    assert 0 < p < 0.05
    assert error.reach(p) == pytest.approx(one.mean - other.mean)


def test_a_difference_is_the_mirror_of_its_opposite():
    draw = np.random.default_rng(4)
    one, other = spread_over(draw.random((3, 20))), spread_over(draw.random((5, 20)))
    there, back = difference_interval(one, other), difference_interval(other, one)
    assert (there.low, there.high) == (-back.high, -back.low)
    assert difference_p(one, other) == difference_p(other, one)


def test_a_p_has_no_floor_but_that_of_documents_that_all_differ_alike():
    # Of 2000 documents, 1200 are right at one method only: a test of signs has 2 / 2**1200
    values = np.zeros(2000)
    values[:1200] = 1
    assert 0 < difference_p(spread_over([values]), spread_over([np.zeros(2000)])) <= 1e-12
    alike = spread_over([[0.3] * 12]), spread_over([[0.1] * 12])
    assert difference_p(*alike) == 2 / 2**12
    assert difference_p(alike[0], alike[0]) == 1
    assert difference_interval(*alike) is None


def test_near_a_bound_intervals_are_on_the_logit_scale():
    # 38 of 40 right: a standard error of sqrt(0.95 * 0.05 / 39), divided by 0.95 * 0.05 on the scale of the logit
    values = [1.0] * 38 + [0.0] * 2
    reach = stats.t.ppf(0.975, 39) / math.sqrt(39 * 0.95 * 0.05)
    low, high = (1 / (1 + math.exp(-math.log(19) + sign * reach)) for sign in (1, -1))
    found = score_interval(spread_over([values]), 0.0, 1.0)
    assert (low, high) == ends(found)
    assert 0.8 < found.low < found.high < 1
    # The same of a score that is 100 times as large, or turned around
    turned = score_interval(spread_over([100 * (1 - np.array(values))]), 0.0, 100.0)
    assert (100 * (1 - high), 100 * (1 - low)) == ends(turned)


def test_a_score_without_an_upper_bound_has_its_interval_on_the_log_scale():
    values = np.random.default_rng(5).exponential(1, 30)
    error = error_of(spread_over([values]))
    factor = math.exp(stats.t.ppf(0.975, 29) * error.sd / values.mean())
    found = score_interval(spread_over([values]), 0.0)
    assert (values.mean() / factor, values.mean() * factor) == ends(found)
    assert score_interval(spread_over([values + 1]), 1.9).low == 1.9


def test_what_does_not_vary_has_no_interval():
    assert score_interval(spread_over([[0.1] * 7])) is None
    shifted = spread_over([[0.3, 0.8, 0.4]]), spread_over([[0.1, 0.6, 0.2]])
    assert difference_interval(*shifted) is None


def test_none_of_n_has_clopper_and_pearson_s_interval():
    theirs = stats.binomtest(0, 20).proportion_ci(0.95, "exact")
    assert (theirs.low, theirs.high) == ends(uniform_interval(0.0, 0.0, 1.0, 20))
    theirs = stats.binomtest(20, 20).proportion_ci(0.95, "exact")
    assert (theirs.low, theirs.high) == ends(uniform_interval(1.0, 0.0, 1.0, 20))
    found = uniform_interval(0.0, -1.0, 1.0, 20)
    assert found.high == -found.low == pytest.approx(1 - 0.025**0.05)


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
    assert (3 - 2.776445 * math.sqrt(0.5), 3 + 2.776445 * math.sqrt(0.5)) == ends(within)
