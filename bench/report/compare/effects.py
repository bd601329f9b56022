"""How each setup differs from the reference, and which setups share the best score."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    """One score of one setup, less that of the reference setup of its comparison, paired on examples."""

    comparison: str
    """Title of the comparison."""
    setup: str
    """Label of the setup."""
    reference: str
    """Label of the reference setup."""
    score: str
    """The score's name in the record: `token_f1`."""
    difference: float
    """Setup less reference."""
    interval: Interval | None
    test: str | None
    p: float | None
    p_adjusted: float | None
    """Holm-adjusted over all effects of the comparison."""
    reason: str | None
    """In words, why there is neither interval nor test."""


@dataclass(frozen=True)
class Difference:
    """`one` less `other` in one score."""

    mean: float
    interval: Interval | None
    p: float
    """Of no difference, before any adjustment."""


def effects(found: Sequence[Comparison], reference: str, family: Sequence[str]) -> list[Effect]:
    """The effects of all setups on the scores of the family, in the comparisons that have the reference.

    Args:
        found: the study's comparisons.
        reference: a method, or the label of a setup.
        family: names of scores; without a number of the setup or of the reference there is no effect.

    Raises:
        InputError: a comparison has several setups of the reference method, or no comparison has one.
    """
    known = {name for comparison in found for setup in comparison.setups for name in (setup.method, setup.label)}
    if reference not in known and reference != DEFAULT_REFERENCE:
        raise InputError(f"--reference: there is no method or setup {reference!r}, only {', '.join(sorted(known))}.")
    return [effect for comparison in found for effect in _effects(comparison, reference, family)]


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
    """Labels of the setups whose score is the best, or not separable from it; empty if that is all of them.

    Not separable: the Holm-adjusted p of the difference from the best one is 0.05 or more. Also empty where a
    difference from it cannot be tested, or where it is not known whether higher or lower is better.
    """
    if score.better is None:
        return frozenset()
    setups = ranked(comparison, score)
    if len(setups) < 2:
        return frozenset()
    leader, *others = setups
    p_values = [test[1] for other in others if (test := _test(other, leader, score))]
    if len(p_values) < len(others):
        return frozenset()
    ties = [setup.label for setup, p in zip(others, holm(p_values), strict=True) if p >= SIGNIFICANCE]
    return frozenset() if len(ties) == len(others) else frozenset((leader.label, *ties))


def difference(one: Setup, other: Setup, score: Quantity) -> Difference | None:
    """`one` less `other`; None if it cannot be tested."""
    test = _test(one, other, score)
    if test is None:
        return None
    spreads = one.spread(score), other.spread(score)
    bounds = difference_interval(*spreads, _rng(one, other, score))
    return Difference(spreads[0].mean - spreads[1].mean, bounds, test[1])


def _effects(comparison: Comparison, reference: str, family: Sequence[str]) -> list[Effect]:
    base = reference_of(comparison, reference)
    if base is None:
        return []
    scores = [comparison.scores[name] for name in family if name in comparison.scores]
    pairs = [(setup, score) for setup in comparison.setups if setup is not base for score in scores]
    found = [effect for setup, score in pairs if (effect := _effect(comparison, setup, base, score))]
    adjusted = iter(holm([effect.p for effect in found if effect.p is not None]))
    return [effect if effect.p is None else replace(effect, p_adjusted=next(adjusted)) for effect in found]


def _effect(comparison: Comparison, setup: Setup, base: Setup, score: Quantity) -> Effect | None:
    """Without the adjusted p, which depends on the others."""
    own, reference = setup.measure(score).mean, base.measure(score).mean
    if own is None or reference is None:
        return None
    try:
        bounds = difference_interval(*_paired(setup, base, score), _rng(setup, base, score))
        reason = None if bounds else "all differences are the same"
    except NotResampled as error:
        bounds, reason = None, str(error)
    test, p = _test(setup, base, score) or (None, None)
    less = own - reference
    return Effect(comparison.title, setup.label, base.label, score.name, less, bounds, test, p, None, reason)


def _test(one: Setup, other: Setup, score: Quantity) -> tuple[str, float] | None:
    """The name of a difference's test, and its p; None where there is none."""
    try:
        spreads = _paired(one, other, score)
    except NotResampled:
        return None
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
    """Whether there is one seed of each, and one example to a document, as McNemar's test presumes."""
    clusters = answers[0][0].clusters
    return all(len(own) == 1 for own in answers) and len(set(clusters)) == len(clusters)


def _right(answers: Predictions, score: str) -> frozenset[str]:
    """The ids of the examples that are answered right."""
    return frozenset(example for example, value in zip(answers.ids, answers.scores[score], strict=True) if value > 0)


def _paired(one: Setup, other: Setup, score: Quantity) -> tuple[Spread, Spread]:
    """The spreads of two setups that answered the same examples.

    Raises:
        NotResampled: one has none, or they did not.
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
