"""Every figure of a report but those of single cells."""

from collections.abc import Sequence

from bench.report.bars import costs_figures, scores_figures
from bench.report.chart import Chart, pages
from bench.report.effects import Effect
from bench.report.load import Study
from bench.report.setups import Group
from bench.report.tables import SCORES
from bench.report.words import listed


def charts(study: Study, found: Sequence[Group], compared: Sequence[Effect]) -> list[Chart]:
    """The study's charts in reading order, given its groups, at least one, and its effects."""
    models = listed(group.title for group in found)
    names = listed(SCORES.values())
    scores = f"Bars of {names} by method, for {models}."
    costs = f"Bars of peak power and memory by method, for {models}."
    return [
        *pages("scores", "Scores by method", scores, scores_figures(found)),
        *pages("costs", "Power and memory by method", costs, costs_figures(found)),
    ]
