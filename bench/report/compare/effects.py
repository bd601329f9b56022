"""How setups differ from each other, and which of them may have the best score."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

from bench.errors import InputError
from bench.report.compare.comparisons import Comparison
from bench.report.compare.decision import Decision
from bench.report.compare.quantities import Quantity
from bench.report.compare.setups import FEW_DOCUMENTS, Setup
from bench.report.request import DEFAULT_REFERENCE, Pairs
from bench.report.statistics.formulas import NoSpread
from bench.report.statistics.intervals import (
    ALPHA,
    Interval,
    difference_interval,
    difference_p,
    holm,
    uniform_interval,
)
from bench.report.statistics.jackknife import Spread
from bench.report.statistics.spreads import asked_alike

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
    p: float | None
    p_adjusted: float | None
    """Holm-adjusted over all effects of the comparison."""
    reason: str | None
    """In words, why there is no interval or no p."""


class Difference(NamedTuple):
    """`one` minus `other` in one score, paired by example."""

    mean: float
    interval: Interval | None
    p: float | None
    """Of no difference, before any adjustment for other tests; over all looks, where there are several."""
    reason: str | None
    """In words, why there is no interval or no p."""
    p_adjusted: float | None = None
    """For all pairs and looks, where seeds were added until setups differed; otherwise None."""


def effects(
    comparisons: Sequence[Comparison], reference: str, family: Sequence[str], pairs: Pairs = "reference"
) -> list[Effect]:
    """The differences of all setups from the reference in the scores of the family, or of all pairs of setups.

    Args:
        comparisons: the study's comparisons.
        reference: a method, or the label of a setup.
        family: names of scores; without a number of both setups there is no effect.
        pairs: with `reference`, comparisons that do not have it have no effects.

    Raises:
        InputError: a comparison has several setups of the reference method, or no comparison has one.
    """
    known = {name for comparison in comparisons for setup in comparison.setups for name in (setup.method, setup.label)}
    if reference not in known and reference != DEFAULT_REFERENCE:
        raise InputError(f"--reference: there is no method or setup {reference!r}, only {', '.join(sorted(known))}.")
    return [effect for comparison in comparisons for effect in _effects(comparison, reference, family, pairs)]


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
    """The setups that have a number for a score of a known direction, the best first.

    If seeds were added until this score differed, those come first that are worse than none, and those that could not
    be compared are left out, unless none could.
    """
    sign = 1 if score.better == "lower" else -1
    decision = comparison.decision if is_decided(comparison.setups, score) else None
    left_out = decision.left_out if decision else {}
    compared = [setup for setup in comparison.setups if setup.label not in left_out] or list(comparison.setups)
    labels = [setup.label for setup in compared]
    means = {setup.label: setup.measure(score).mean for setup in compared}
    known = [
        ((decision.n_better(setup.label, labels) if decision else 0, sign * mean), setup)
        for setup in compared
        if (mean := means[setup.label]) is not None
    ]
    return [setup for _, setup in sorted(known, key=lambda pair: pair[0])]


def is_decided(setups: Sequence[Setup], score: Quantity) -> bool:
    """Whether seeds were added to these setups until this score differed."""
    decision = setups[0].decision if setups else None
    return decision is not None and decision.score is not None and decision.score.name == score.name


def best(comparison: Comparison, score: Quantity) -> frozenset[str]:
    """Labels of the setups that may be the best: those with the best mean or one that cannot be told apart from it.

    Empty if these are all setups, if a difference cannot be tested, or if it is not known whether higher or lower is
    better.
    """
    setups = ranked(comparison, score) if score.better else []
    if len(setups) < 2 or untested(setups, score):
        return frozenset()
    together = (setups[0], *ties(setups, score))
    return frozenset() if len(together) == len(setups) else frozenset(setup.label for setup in together)


def ties(setups: Sequence[Setup], score: Quantity) -> list[Setup]:
    """The setups that cannot be told apart from the first one, whose differences from it can all be tested.

    Told apart: the p of the difference, Holm-adjusted over all of these setups, is below 0.05. If seeds were added
    until this score differed: those that are worse than none of these setups.
    """
    first, *others = setups
    if is_decided(setups, score) and first.decision:
        labels = [setup.label for setup in setups]
        return [each for each in others if not first.decision.n_better(each.label, labels)]
    p = p_from_first(setups, score)
    return [each for each in others if p[each.label] >= SIGNIFICANCE]


def p_from_first(setups: Sequence[Setup], score: Quantity) -> dict[str, float]:
    """By label, the p of each setup's difference from the first one, Holm-adjusted over all that can be tested."""
    first, *others = setups
    found = {each.label: difference(each, first, score) for each in others}
    tested = {label: less for label, less in found.items() if less and less.p is not None}
    return dict(zip(tested, _adjusted([*tested.values()]), strict=True))


def _adjusted(tested: Sequence[Difference]) -> list[float]:
    """Their p, adjusted for each other, unless they are adjusted for all pairs and looks already."""
    own = [each.p_adjusted for each in tested if each.p_adjusted is not None]
    return own if len(own) == len(tested) else holm([each.p for each in tested if each.p is not None])


def untested(setups: Sequence[Setup], score: Quantity) -> list[str]:
    """In words, why differences from the first of these setups are not tested; empty if all are."""
    found = [difference(each, setups[0], score) for each in setups[1:]]
    return list(dict.fromkeys(each.reason or "" for each in found if each and each.p is None))


def difference(one: Setup, other: Setup, score: Quantity) -> Difference | None:
    """`one` minus `other`; None unless both have a number for the score."""
    own, others = one.measure(score).mean, other.measure(score).mean
    if own is None or others is None:
        return None
    if one.decision is not None:
        return _decided(one.decision, one, other, score, own - others)
    try:
        spreads = _paired(one, other, score)
    except NoSpread as error:
        return Difference(own - others, None, None, str(error))
    bounds = difference_interval(*spreads) or _uniform(own - others, score.span, spreads[0].n_clusters)
    reason = None if bounds else "all differences are the same"
    return Difference(own - others, bounds, difference_p(*spreads), reason)


def _decided(decision: Decision, one: Setup, other: Setup, score: Quantity, difference: float) -> Difference:
    """`one` minus `other` at the last look that both reached."""
    if decision.score is None or score.name != decision.score.name:
        title = decision.score.title if decision.score else "another score"
        return Difference(difference, None, None, f"seeds were added until {title} differed")
    pair = decision.pair(one.label, other.label)
    if pair is None:
        missing = [
            decision.left_out.get(each.label, "it is not in the plan of `tunebench decide`") for each in (one, other)
        ]
        return Difference(difference, None, None, missing[0] if one.label in decision.left_out else missing[1])
    found, sign = pair.repeated, 1 if pair.one == one.label else -1
    within = found.interval or _uniform(found.difference, score.span, decision.n_documents, decision.alpha)
    if within and sign < 0:
        within = Interval(-within.high, -within.low)
    reason = None if within else "all differences are the same"
    return Difference(sign * found.difference, within, found.p, reason, pair.p_adjusted)


def _uniform(difference: float, span: float | None, n_clusters: int, alpha: float = ALPHA) -> Interval | None:
    """The interval of a mean's difference if no document differs, or all as far as can be."""
    if span is None or difference not in (-span, 0.0, span):
        return None
    return uniform_interval(difference, -span, span, n_clusters, alpha)


def _effects(comparison: Comparison, reference: str, family: Sequence[str], pairs: Pairs) -> list[Effect]:
    scores = [comparison.scores[name] for name in family if name in comparison.scores]
    unadjusted: list[Effect] = []
    tested: list[Difference] = []
    for base, setup in _pairs(comparison, reference_of(comparison, reference), pairs):
        for score in scores:
            if less := difference(setup, base, score):
                names = (comparison.title, setup.label, base.label, score.name)
                tested += [less] if less.p is not None else []
                unadjusted.append(Effect(*names, less.mean, less.interval, less.p, None, less.reason))
    adjusted = iter(_adjusted(tested))
    return [effect if effect.p is None else replace(effect, p_adjusted=next(adjusted)) for effect in unadjusted]


def _pairs(comparison: Comparison, base: Setup | None, pairs: Pairs) -> list[tuple[Setup, Setup]]:
    """The setups to compare, the one that is subtracted first: the reference in every pair that has it."""
    others = [setup for setup in comparison.setups if setup is not base]
    if pairs == "all":
        return list(combinations([base, *others] if base else others, 2))
    return [(base, setup) for setup in others] if base else []


def _paired(one: Setup, other: Setup, score: Quantity) -> tuple[Spread, Spread]:
    """The spreads of two setups that answered the same examples, and can be tested.

    Raises:
        NoSpread: one has no spread, they answered different examples, or they have too few seeds or documents.
    """
    spreads = one.spread(score), other.spread(score)
    prints = {cell.record.data and cell.record.data.scored_fingerprint for cell in (*one.ok, *other.ok)}
    if len(prints) > 1 or not asked_alike(*(setup.predictions[setup.ok[0].folder] for setup in (one, other))):
        raise NoSpread("the two were not asked the same examples")
    if why := one.too_few_seeds or other.too_few_seeds:
        raise NoSpread(why)
    if spreads[0].n_clusters < FEW_DOCUMENTS:
        few = f"{spreads[0].n_clusters} documents"
        raise NoSpread(f"{few}: with fewer than {FEW_DOCUMENTS}, no test can separate methods")
    return spreads
