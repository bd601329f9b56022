"""The order of setups in tables and figures: by name, or by score where a study has many methods."""

from collections.abc import Sequence
from dataclasses import replace

from bench.report.compare.comparisons import Comparison
from bench.report.compare.effects import ranked

MOST_BY_NAME = 8
"""Up to this many methods are found by their names; among more, a reader looks for the best ones."""


def in_order(comparisons: Sequence[Comparison], decides: str | None) -> list[Comparison]:
    """The comparisons with their setups in the order of the report.

    With more than `MOST_BY_NAME` methods, the setups with the best deciding score come first and those without one
    last, in the order of their names.

    Args:
        comparisons: the study's comparisons, setups in the order of their names.
        decides: name of the deciding score, if there is one.
    """
    methods = {setup.method for comparison in comparisons for setup in comparison.setups}
    if decides is None or len(methods) <= MOST_BY_NAME:
        return list(comparisons)
    return [_by_score(comparison, decides) for comparison in comparisons]


def _by_score(comparison: Comparison, decides: str) -> Comparison:
    score = comparison.scores.get(decides)
    if score is None:
        return comparison
    first = ranked(comparison, score)
    labels = {setup.label for setup in first}
    others = [setup for setup in comparison.setups if setup.label not in labels]
    return replace(comparison, setups=(*first, *others), ordered_by=score.title)
