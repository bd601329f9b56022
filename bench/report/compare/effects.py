"""How each setup differs from the reference, and which setups share the best score."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.errors import InputError
from bench.report.compare.setups import FRACTIONS, SCORES_OF, Group, Setup
from bench.report.read.predictions import Predictions
from bench.report.request import DEFAULT_REFERENCE
from bench.report.statistics.formulas import NotResampled
from bench.report.statistics.intervals import (
    Interval,
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
LOWER_IS_BETTER = frozenset(("perplexity",))
HIGHER_IS_BETTER = FRACTIONS | {"bertscore_f1"}
"""The scores of tunebench; of those of other libraries it is not known."""


@dataclass(frozen=True)
class Effect:
    """One score of one setup, less that of the reference setup of its group, paired on examples."""

    group: str
    """Title of the group that both are in."""
    setup: str
    """Label of the setup."""
    reference: str
    """Label of the reference setup."""
    score: str
    """The record's name: `token_f1`."""
    difference: float
    """Setup less reference."""
    interval: Interval | None
    test: str | None
    p: float | None
    p_adjusted: float | None
    """Holm-adjusted within the family: all effects of the group."""
    reason: str | None
    """In words, why there is neither interval nor test."""


def effects(found: Sequence[Group], reference: str, family: Sequence[str]) -> list[Effect]:
    """The effects of all setups on the scores of the family, in the groups that have the reference.

    Args:
        found: the study's groups.
        reference: a method, or the label of a setup.
        family: names of scores; those that a setup or the reference has no number for have no effect.

    Raises:
        InputError: a group has several setups of the reference method, or no group has one.
    """
    known = {name for group in found for setup in group.setups for name in (setup.method, setup.label)}
    if reference not in known and reference != DEFAULT_REFERENCE:
        raise InputError(f"--reference: there is no method or setup {reference!r}, only {', '.join(sorted(known))}.")
    return [effect for group in found for effect in _effects(group, reference, family)]


def reference_of(group: Group, reference: str) -> Setup | None:
    """The setup that the others of a group are compared with; null if it has none that ended ok.

    Raises:
        InputError: there are several.
    """
    named = [setup for setup in group.setups if setup.label == reference]
    fitting = [setup for setup in named or group.setups if reference in (setup.label, setup.method) and setup.ok]
    if len(fitting) > 1:
        raise InputError(
            f"--reference {reference}: {group.title} has several setups of that method; name one of them: "
            + ", ".join(f"--reference '{setup.label}'" for setup in fitting)
        )
    return fitting[0] if fitting else None


def best(group: Group, score: str) -> frozenset[str]:
    """Labels of the setups whose score is the best, or not separable from it; empty if that is all of them.

    Not separable: the Holm-adjusted p of the difference from the best one is 0.05 or more. Empty too where a difference
    from it cannot be tested, or where it is not known whether more is better.
    """
    if not (score in LOWER_IS_BETTER or score in HIGHER_IS_BETTER):
        return frozenset()
    means = {setup.label: setup.measure(f"{SCORES_OF}{score}").mean for setup in group.setups if setup.ok}
    known = {label: mean for label, mean in means.items() if mean is not None}
    setups = [setup for setup in group.setups if setup.label in known]
    if len(setups) < 2:
        return frozenset()
    sign = -1 if score in LOWER_IS_BETTER else 1
    leader = max(setups, key=lambda setup: sign * known[setup.label])
    others = [setup for setup in setups if setup is not leader]
    tested = [_tested(setup, leader, score) for setup in others]
    p_values = [p for _, p in filter(None, tested)]
    if len(p_values) < len(others):
        return frozenset()
    ties = [setup.label for setup, p in zip(others, holm(p_values), strict=True) if p >= SIGNIFICANCE]
    return frozenset() if len(ties) == len(others) else frozenset((leader.label, *ties))


def difference(one: Setup, other: Setup, score: str) -> tuple[float, Interval | None, float] | None:
    """`one` less `other`, its interval, and the p of its test before any adjustment; null where there is no test."""
    tested = _tested(one, other, score)
    if tested is None:
        return None
    spreads = one.spread(score), other.spread(score)
    within = difference_interval(*spreads, _rng(one, other, score))
    return spreads[0].mean - spreads[1].mean, within, tested[1]


def _effects(group: Group, reference: str, family: Sequence[str]) -> list[Effect]:
    base = reference_of(group, reference)
    if base is None:
        return []
    found = []
    for setup in group.setups:
        for score in family:
            means = [each.measure(f"{SCORES_OF}{score}").mean for each in (setup, base)]
            if setup is base or not setup.ok or means[0] is None or means[1] is None:
                continue
            difference = means[0] - means[1]
            try:
                spreads = setup.spread(score), base.spread(score)
                _require_paired(setup, base)
                within = difference_interval(*spreads, _rng(setup, base, score))
                reason = None if within else "all differences are the same"
            except NotResampled as error:
                within, reason = None, str(error)
            test, p = _tested(setup, base, score) or (None, None)
            found.append(Effect(group.title, setup.label, base.label, score, difference, within, test, p, None, reason))
    return _adjusted(found)


def _adjusted(found: Sequence[Effect]) -> list[Effect]:
    adjusted = iter(holm([effect.p for effect in found if effect.p is not None]))
    return [effect if effect.p is None else replace(effect, p_adjusted=next(adjusted)) for effect in found]


def _tested(one: Setup, other: Setup, score: str) -> tuple[str, float] | None:
    """The test of a difference and its p; null where there is none."""
    try:
        spreads = one.spread(score), other.spread(score)
        _require_paired(one, other)
    except NotResampled:
        return None
    answers = [[setup.predictions[cell["folder"]] for cell in setup.ok] for setup in (one, other)]
    rng = _rng(one, other, score)
    if score not in answers[0][0].scores:
        return RESAMPLING, difference_p(*spreads, rng)
    if score == "exact_match" and _plain_pairs(answers):
        right, other_right = (_right(own[0], score) for own in answers)
        return MCNEMAR, mcnemar_p(len(right - other_right), len(other_right - right))
    differences = document_means(score, answers[0]) - document_means(score, answers[1])
    return PERMUTATION, permutation_p(differences, *spreads, rng)


def _plain_pairs(answers: Sequence[Sequence[Predictions]]) -> bool:
    """Whether there is one seed of each, and one example to a document: what McNemar's test takes for granted."""
    clusters = answers[0][0].clusters
    return all(len(own) == 1 for own in answers) and len(set(clusters)) == len(clusters)


def _right(answers: Predictions, score: str) -> frozenset[str]:
    """The ids of the examples that are answered right."""
    return frozenset(example for example, value in zip(answers.ids, answers.scores[score], strict=True) if value > 0)


def _require_paired(one: Setup, other: Setup) -> None:
    prints = {cell.get("data.validation_fingerprint") for setup in (one, other) for cell in setup.ok}
    alike = asked_alike(*(setup.predictions[setup.ok[0]["folder"]] for setup in (one, other)))
    if not alike or len(prints) > 1:
        raise NotResampled("the two were not asked the same examples")


def _rng(one: Setup, other: Setup, score: str) -> np.random.Generator:
    # The same for a difference and its opposite
    own = " ".join((*sorted(setup.cells[0]["setup"] for setup in (one, other)), score)).encode()
    return np.random.default_rng([one.report_seed, zlib.crc32(own)])
