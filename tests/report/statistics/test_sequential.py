import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from bench.report.statistics.intervals import Error, difference_error, difference_interval, difference_p
from bench.report.statistics.jackknife import Spread
from bench.report.statistics.sequential import (
    Repeated,
    documents_needed,
    is_futile,
    nominal_p,
    overall_p,
    repeated,
)

LOOKS = (3, 5, 10)


@pytest.mark.parametrize(
    ("n_looks", "published"),
    [(1, 0.05), (2, 0.0294), (3, 0.0221), (4, 0.0182), (5, 0.0158), (10, 0.0106)],
)
def test_the_nominal_level_of_equally_spaced_looks_is_pococks(n_looks, published):
    assert nominal_p(0.05, tuple(range(1, n_looks + 1))) == pytest.approx(published, abs=6e-5)


@pytest.mark.parametrize(
    ("n_pairs", "published"), [(1, 0.0215), (2, 0.0103), (3, 0.0068), (4, 0.0050), (5, 0.0040), (6, 0.0033)]
)
def test_the_nominal_level_with_holms_adjustment(n_pairs, published):
    assert nominal_p(0.05 / n_pairs, LOOKS) == pytest.approx(published, abs=5.1e-5)


@pytest.mark.parametrize("nominal", [0.3, 0.05, 0.004])
def test_the_chance_of_any_look_is_that_of_a_normal_distribution_of_all(nominal):
    # Of sums of n and m numbers, n < m, the correlation is sqrt(n / m).
    correlation = [[math.sqrt(min(n, m) / max(n, m)) for m in LOOKS] for n in LOOKS]
    bound = np.full(3, -math.sqrt(2) * _inverse_erf(nominal - 1))
    normal = multivariate_normal(np.zeros(3), correlation, abseps=1e-7, releps=1e-7, seed=0)
    assert overall_p(nominal, LOOKS) == pytest.approx(1 - normal.cdf(bound, lower_limit=-bound), abs=2e-5)


def _inverse_erf(value: float) -> float:
    from scipy.special import erfinv

    return float(erfinv(value))


def test_one_look_changes_nothing():
    assert (overall_p(0.03, (5,)), nominal_p(0.05, (5,)), overall_p(1.0, LOOKS)) == (0.03, 0.05, 1.0)


def test_the_smallest_p_stays_above_zero():
    assert 1e-12 < overall_p(0.0, LOOKS) < 4e-12


def spread(mean: float, n_seeds: int, seed: int = 0) -> Spread:
    rng = np.random.default_rng(seed)
    documents = rng.normal(mean, 1, (n_seeds, 20))
    without = (documents.sum(axis=1, keepdims=True) - documents) / 19
    return Spread(documents.mean(axis=1), without)


def test_a_difference_is_that_of_the_last_look_that_both_reached():
    one, other = spread(1.0, 5), spread(0.0, 10, seed=1)
    found = repeated(one, other, LOOKS)
    at_five = one, other.first(5)
    assert (found.n_seeds, found.difference) == (5, one.mean - other.first(5).mean)
    assert found.interval == difference_interval(*at_five, nominal_p(0.05, LOOKS))
    assert found.error == difference_error(*at_five)
    smallest = min(difference_p(one.first(n), other.first(n)) for n in (3, 5))
    assert found.p == overall_p(smallest, LOOKS)
    assert repeated(other, one, LOOKS).difference == -found.difference


def test_a_setup_that_does_not_depend_on_the_seed_is_there_at_all_looks():
    fixed, trained = spread(0.0, 1), spread(1.0, 10, seed=1)
    assert repeated(fixed, trained, LOOKS).n_seeds == 10
    assert repeated(fixed, spread(0.5, 1, seed=2), LOOKS).n_seeds == 3


def seen(difference: float, documents: float, seeds: float) -> Repeated:
    """After three seeds."""
    return Repeated(3, difference, None, 1.0, Error(documents, 99, seeds, 4.0))


def test_what_documents_alone_would_hide_is_futile():
    # At ten seeds, the variance is 0.0004 + 0.0010 * 3 / 10 = 0.0007, and 1.5 of its roots are 0.0397.
    assert is_futile(seen(0.0396, 0.0004, 0.0010), 10)
    assert not is_futile(seen(-0.0398, 0.0004, 0.0010), 10)
    assert is_futile(seen(0.0, 0.0, 0.0), 10)


def test_how_many_documents_would_show_a_difference():
    # 100 documents have a variance of 0.0004. With p = 0.0215 and a power of 0.8, a difference must be 2.2993 + 0.8416
    # standard errors: 0.02 / 3.1409 = 0.006368, squared 4.0547e-5, less 0.00001 * 3 / 10 is 3.7547e-5, and
    # 100 * 0.0004 / 3.7547e-5 = 1065.3.
    assert documents_needed(seen(0.02, 0.0004, 0.00001), 100, 10, 0.0215) == 1066
    assert documents_needed(seen(0.02, 0.0004, 0.01), 100, 10, 0.0215) is None
    assert documents_needed(seen(0.0, 0.0004, 0.0), 100, 10, 0.0215) is None
    assert documents_needed(seen(0.5, 0.0004, 0.0), 100, 10, 0.0215) == 100
