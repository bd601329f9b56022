from itertools import combinations
from math import comb
from statistics import fmean

import pytest

from bench.report.statistics.expected_best import Best, chance_worse, expected_best


def test_three_trials_by_hand():
    # One of three: the mean. Two of three: the pairs (1, 2), (1, 6), (2, 6) have the best scores 2, 6, 6.
    found = expected_best([2.0, 6.0, 1.0], "higher", worst=0.0)
    assert [each.k for each in found] == [1, 2, 3]
    assert [each.expected for each in found] == pytest.approx([3.0, 14 / 3, 6.0])


def test_lower_may_be_better():
    found = expected_best([2.0, 6.0, 1.0], "lower", worst=None)
    assert [each.expected for each in found] == pytest.approx([3.0, 4 / 3, 1.0])


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_the_mean_is_that_over_all_choices_of_k_trials(better):
    scores = [0.31, 0.74, 0.74, 0.12, 0.55, 0.9, 0.48]
    best = max if better == "higher" else min
    brute = [fmean(best(chosen) for chosen in combinations(scores, k)) for k in range(1, 8)]
    assert [each.expected for each in expected_best(scores, better, None)] == pytest.approx(brute, abs=1e-12)


def test_a_failed_trial_counts_as_the_worst_value_that_the_score_can_have():
    found = expected_best([None, 0.8], "higher", worst=0.0)
    assert [each.expected for each in found] == pytest.approx([0.4, 0.8])


def test_a_failed_trial_of_a_score_without_a_worst_value_counts_as_the_worst_of_the_others():
    found = expected_best([None, 3.0, 5.0], "lower", worst=None)
    assert [each.expected for each in found] == pytest.approx([13 / 3, 11 / 3, 3.0])


@pytest.mark.parametrize("scores", [[], [None, None]])
def test_a_search_that_found_nothing_has_no_best(scores):
    assert expected_best(scores, "higher", worst=0.0) == []


def test_chances_are_those_over_all_orders_of_old_and_new_trials():
    n, k = 5, 3
    counts = [0] * n
    for new in combinations(range(n + k), k):
        old = [place for place in range(n + k) if place not in new]
        for index in range(n):
            counts[index] += max(new) < old[index]
    assert [chance_worse(index, n, k) for index in range(n)] == [count / comb(n + k, k) for count in counts]


def test_a_new_search_of_as_many_trials_is_better_than_all_seen_in_half_of_the_cases():
    assert 1 - chance_worse(11, n=12, k=12) == pytest.approx(0.5)


def test_twelve_trials_say_what_twelve_others_find_at_least_and_not_what_they_find_at_most():
    scores = [float(score) for score in range(1, 13)]
    first, *_, last = expected_best(scores, "higher", worst=0.0)
    # One new trial is worse than all twelve with a chance of 1/13. Twelve others are all worse than the eighth with a
    # chance of C(19, 12) / C(24, 12) = 0.0186, and worse than the ninth with one of C(20, 12) / C(24, 12) = 0.0466.
    assert first == Best(1, 6.5, None, None)
    assert last == Best(12, 12.0, 8.0, None)


def test_the_fewest_trials_that_bound_one_other_on_both_sides():
    assert expected_best([float(score) for score in range(39)], "lower", None)[0] == Best(1, 19.0, 38.0, 0.0)
    almost = expected_best([float(score) for score in range(38)], "lower", None)[0]
    assert (almost.at_least, almost.at_most) == (None, None)
