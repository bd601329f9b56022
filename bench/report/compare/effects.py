"""How setups differ from each other, and which of them share the best score."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from bench.errors import InputError
from bench.report.compare.comparisons import Comparison
from bench.report.compare.quantities import Quantity
from bench.report.compare.setups import Setup
from bench.report.read.predictions import Predictions
from bench.report.request import DEFAULT_REFERENCE
from bench.report.statistics.formulas import NotResampled
from bench.report.statistics.intervals import (
    Interval,
    Spread,
    difference_interval,
    difference_p,
    holm,
    mcnemar_p,
    permutation_p,
)
from bench.report.statistics.resampling import asked_alike, document_means

MCNEMAR, PERMUTATION, RESAMPLING = "McNemar, exact", "permutation", "resampling"
"""Tests, as the tables name them."""
SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Effect:
    """A setup minus the reference setup of its comparison in one score, paired by example."""

    comparison: str
    """Title of the comparison."""
    setup: str
    """Label of the setup."""
    reference: str
    """Label of the reference setup."""
    score: str
    """The score's name in the record: `token_f1`."""
    difference: float
    interval: Interval | None
    test: str | None
    p: float | None
    p_adjusted: float | None
    """Holm-adjusted over all effects of the comparison."""
    reason: str | None
    """In words, why there is no interval."""


class Difference(NamedTuple):
    """`one` minus `other` in one score, paired by example."""

    mean: float
    interval: Interval | None
    test: str | None
    p: float | None
    """Of no difference, before any adjustment."""
    reason: str | None
    """In words, why there is no interval."""


def effects(comparisons: Sequence[Comparison], reference: str, family: Sequence[str]) -> list[Effect]:
    """The effects of all setups on the scores of the family, in the comparisons that have the reference.

    Args:
        comparisons: the study's comparisons.
        reference: a method, or the label of a setup.
        family: names of scores; without a number of the setup or of the reference there is no effect.

    Raises:
        InputError: a comparison has several setups of the reference method, or no comparison has one.
    """
    known = {name for comparison in comparisons for setup in comparison.setups for name in (setup.method, setup.label)}
    if reference not in known and reference != DEFAULT_REFERENCE:
        raise InputError(f"--reference: there is no method or setup {reference!r}, only {', '.join(sorted(known))}.")
    return [effect for comparison in comparisons for effect in _effects(comparison, reference, family)]


def reference_of(comparison: Comparison, reference: str) -> Setup | None:
    """The setup that the others are compared with; None if there is none with a cell that ended ok.

    Raises:
        InputError: there are several.
    """
    named = [setup for setup in comparison.setups if setup.label == reference]
    fitting = [setup for setup in named or comparison.setups if reference in (setup.label, setup.method) and setup.ok]
    if len(fitting) > 1:
        raise InputError(
            f"--reference {reference}: {comparison.title} has several setups of that method; name one of them: "
            + ", ".join(f"--reference '{setup.label}'" for setup in fitting)
        )
    return fitting[0] if fitting else None


def ranked(comparison: Comparison, score: Quantity) -> list[Setup]:
    """The setups that have a number for a score of a known direction, the best first."""
    sign = 1 if score.better == "lower" else -1
    means = {setup.label: setup.measure(score).mean for setup in comparison.setups}
    known = [(sign * mean, setup) for setup in comparison.setups if (mean := means[setup.label]) is not None]
    return [setup for _, setup in sorted(known, key=lambda pair: pair[0])]


def best(comparison: Comparison, score: Quantity) -> frozenset[str]:
    """Labels of the setups with the best score or one that cannot be told apart from it; empty if that is all of them.

    Told apart: the Holm-adjusted p of the difference from the best is below 0.05. Also empty if a difference cannot be
    tested, or if it is not known whether higher or lower is better.
    """
    if score.better is None:
        return frozenset()
    setups = ranked(comparison, score)
    if len(setups) < 2:
        return frozenset()
    leader, *others = setups
    differences = [difference(other, leader, score) for other in others]
    p_values = [each.p for each in differences if each and each.p is not None]
    if len(p_values) < len(others):
        return frozenset()
    ties = [setup.label for setup, p in zip(others, holm(p_values), strict=True) if p >= SIGNIFICANCE]
    return frozenset() if len(ties) == len(others) else frozenset((leader.label, *ties))


def difference(one: Setup, other: Setup, score: Quantity) -> Difference | None:
    """`one` minus `other`; None unless both have a number for the score."""
    own, others = one.measure(score).mean, other.measure(score).mean
    if own is None or others is None:
        return None
    try:
        spreads = _paired(one, other, score)
    except NotResampled as error:
        return Difference(own - others, None, None, None, str(error))
    bounds = difference_interval(*spreads, _rng(one, other, score))
    reason = None if bounds else "all differences are the same"
    return Difference(own - others, bounds, *_test(one, other, score, spreads), reason)


def _effects(comparison: Comparison, reference: str, family: Sequence[str]) -> list[Effect]:
    base = reference_of(comparison, reference)
    if base is None:
        return []
    scores = [comparison.scores[name] for name in family if name in comparison.scores]
    pairs = [(setup, score) for setup in comparison.setups if setup is not base for score in scores]
    unadjusted = []
    for setup, score in pairs:
        if less := difference(setup, base, score):
            mean, bounds, test, p, reason = less
            names = (comparison.title, setup.label, base.label, score.name)
            unadjusted.append(Effect(*names, mean, bounds, test, p, None, reason))
    adjusted = iter(holm([effect.p for effect in unadjusted if effect.p is not None]))
    return [effect if effect.p is None else replace(effect, p_adjusted=next(adjusted)) for effect in unadjusted]


def _test(one: Setup, other: Setup, score: Quantity, spreads: tuple[Spread, Spread]) -> tuple[str, float]:
    """The name of a difference's test, and its p."""
    answers = [[setup.predictions[cell.folder] for cell in setup.ok] for setup in (one, other)]
    rng = _rng(one, other, score)
    if score.name not in answers[0][0].scores:
        return RESAMPLING, difference_p(*spreads, rng)
    if _is_right_or_wrong(answers, score.name) and _plain_pairs(answers):
        right, other_right = (_right(own[0], score.name) for own in answers)
        return MCNEMAR, mcnemar_p(len(right - other_right), len(other_right - right))
    differences = document_means(score.name, answers[0]) - document_means(score.name, answers[1])
    return PERMUTATION, permutation_p(differences, *spreads, rng)


def _is_right_or_wrong(answers: Sequence[Sequence[Predictions]], score: str) -> bool:
    """Whether every example scores 0 or 1."""
    return all(bool(np.isin(seed.scores[score], (0.0, 1.0)).all()) for own in answers for seed in own)


def _plain_pairs(answers: Sequence[Sequence[Predictions]]) -> bool:
    """Whether each has one seed, and each document one example, as McNemar's test requires."""
    clusters = answers[0][0].clusters
    return all(len(own) == 1 for own in answers) and len(set(clusters)) == len(clusters)


def _right(answers: Predictions, score: str) -> frozenset[str]:
    """The ids of the examples that are answered right."""
    return frozenset(example for example, value in zip(answers.ids, answers.scores[score], strict=True) if value > 0)


def _paired(one: Setup, other: Setup, score: Quantity) -> tuple[Spread, Spread]:
    """The spreads of two setups that answered the same examples.

    Raises:
        NotResampled: one has no spread, or they answered different examples.
    """
    spreads = one.spread(score), other.spread(score)
    prints = {cell.record.data and cell.record.data.validation_fingerprint for cell in (*one.ok, *other.ok)}
    if len(prints) > 1 or not asked_alike(*(setup.predictions[setup.ok[0].folder] for setup in (one, other))):
        raise NotResampled("the two were not asked the same examples")
    return spreads


def _rng(one: Setup, other: Setup, score: Quantity) -> np.random.Generator:
    # The same for a difference and its opposite
    own = " ".join((*sorted(setup.cells[0].setup for setup in (one, other)), score.name)).encode()
    return np.random.default_rng([one.report_seed, zlib.crc32(own)])
