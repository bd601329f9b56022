"""Tests that are made several times while seeds are added, and still err in 5 % of studies at most.

A difference is looked at after so many seeds, and again after more. To look at p = 0.05 each time errs more often.
With Pocock's (1977) boundary all looks share one smaller nominal level, so that the chance that any of them errs is the
level asked for. It is computed for looks at independent seeds; documents, which are the same at all looks, make the
looks more alike, and the tests stricter than they need be.

`overall_p` turns a p of one look into the level at which that look would just have ended the test: the smallest over
the looks made so far is a p value like any other (Liu and Anderson 2008), which Holm's adjustment takes (Maurer and
Bretz 2013). An interval at the nominal level contains the truth at all looks together in 95 % of studies, so at the
last look as well, whatever ended the study (Jennison and Turnbull 1989).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from bench.report.statistics.intervals import (
    ALPHA,
    SMALLEST_P,
    Error,
    Interval,
    difference_error,
    difference_interval,
    difference_p,
)
from bench.report.statistics.jackknife import Floats, Spread

NODES = 128
"""Of the quadrature at each look; 400 give the same eight digits."""
FUTILE = 1.5
"""A difference below this many of the standard errors that it would have at the last look is too small to be found."""
POWER = 0.8
"""The chance to find a difference of the size that was seen, with the documents that are asked for."""


@dataclass(frozen=True)
class Repeated:
    """A difference that was tested at several looks."""

    n_seeds: int
    """At the last look that both setups reached."""
    difference: float
    interval: Interval | None
    """Contains the truth at all looks together in 95 % of studies; None if nothing varies."""
    p: float
    """The smallest over the looks, adjusted for the number of looks that are planned."""
    error: Error
    """Of the difference, at the last look."""


def repeated(one: Spread, other: Spread, looks: Sequence[int]) -> Repeated:
    """`one` less `other`, tested at every planned look that both reached.

    Args:
        one: with at least as many seeds as the first look; a single seed is that of a setup that does not depend on it.
        other: answered the same clusters; as `one`.
        looks: the numbers of seeds at each planned look, in rising order.
    """
    common = min((each.n_seeds for each in (one, other) if each.n_seeds > 1), default=looks[0])
    pairs = {n_seeds: (one.first(n_seeds), other.first(n_seeds)) for n_seeds in looks if n_seeds <= common}
    n_seeds, (last, last_other) = list(pairs.items())[-1]
    return Repeated(
        n_seeds,
        last.mean - last_other.mean,
        difference_interval(last, last_other, nominal_p(ALPHA, tuple(looks))),
        overall_p(min(difference_p(*pair) for pair in pairs.values()), looks),
        difference_error(last, last_other),
    )


def overall_p(nominal: float, looks: Sequence[int]) -> float:
    """The chance that a difference of nothing has a p of at most `nominal` at one or more of the looks.

    Args:
        nominal: two-sided p of one look.
        looks: the number of seeds at each look, in rising order.
    """
    if nominal >= 1.0:
        return 1.0
    if len(looks) == 1:
        return nominal
    return _leaves(-float(ndtri(max(nominal, SMALLEST_P) / 2)), tuple(looks))


@lru_cache(maxsize=256)
def nominal_p(overall: float, looks: tuple[int, ...]) -> float:
    """Pocock's boundary: the p that each look needs, so that one or more of them err with the chance `overall`."""
    if len(looks) == 1:
        return overall
    low, high = math.log(overall / len(looks) / 2), math.log(overall)
    return math.exp(brentq(lambda log_p: overall_p(math.exp(log_p), looks) - overall, low, high))


def is_futile(difference: Repeated, most_seeds: int) -> bool:
    """Whether even `most_seeds` seeds could hardly find such a difference, since it is small beside its errors."""
    return abs(difference.difference) <= FUTILE * math.sqrt(difference.error.documents + _seeds(difference, most_seeds))


def documents_needed(difference: Repeated, n_documents: int, most_seeds: int, nominal: float) -> int | None:
    """With how many documents this difference would be found with the most seeds, in four of five studies.

    None if there is no difference, or if seeds alone hide it, so that more documents would not help.

    Args:
        difference: as it was seen.
        n_documents: with which it was seen.
        most_seeds: the most that are planned.
        nominal: the p that each look needs.
    """
    distance = -ndtri(nominal / 2) + ndtri(POWER)
    left = (difference.difference / distance) ** 2 - _seeds(difference, most_seeds)
    return max(n_documents, math.ceil(n_documents * difference.error.documents / left)) if left > 0 else None


def _seeds(difference: Repeated, most_seeds: int) -> float:
    """The variance that seeds would add with `most_seeds` of them."""
    return difference.error.seeds * difference.n_seeds / most_seeds


@lru_cache(maxsize=4096)
def _leaves(bound: float, looks: tuple[int, ...]) -> float:
    """The chance that a standardised sum of standard normal numbers is beyond the bound at one of these sizes or more.

    Source: the recursive integration of Armitage, McPherson and Rowe 1969, over what has stayed within so far.
    """
    nodes, weights = _legendre()
    edge = bound * math.sqrt(looks[0])
    left = 2 * float(ndtr(-bound))
    at, mass = edge * nodes, edge * weights * _density(edge * nodes, looks[0])
    for before, now in pairwise(looks):
        edge, sd = bound * math.sqrt(now), math.sqrt(now - before)
        left += float((ndtr((at - edge) / sd) + ndtr((-edge - at) / sd)) @ mass)
        then = edge * nodes
        at, mass = then, edge * weights * (_density(then[:, np.newaxis] - at, now - before) @ mass)
    return left


def _density(values: Floats, variance: float) -> Floats:
    return np.exp(-(values**2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)


@lru_cache(maxsize=1)
def _legendre() -> tuple[Floats, Floats]:
    return np.polynomial.legendre.leggauss(NODES)
