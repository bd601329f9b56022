"""Every figure of a report but those of single cells."""

from collections.abc import Iterator, Sequence
from itertools import chain

from bench.report.compare.comparisons import Comparison
from bench.report.compare.effects import Effect
from bench.report.figures.bars import costs_figures, drawn_scores, scores_figures
from bench.report.figures.chart import Chart, Drawn, chart, pages
from bench.report.figures.curves import curves_figures
from bench.report.figures.distributions import distribution_figures
from bench.report.figures.forest import COLUMNS, forest_figures
from bench.report.figures.looks import looks
from bench.report.figures.tradeoff import main_score, tradeoff_figures
from bench.report.parallel import begin
from bench.report.read.study import Study
from bench.report.wording import file_stem, listed


def charts(
    study: Study, found: Sequence[Comparison], compared: Sequence[Effect], decides: str | None = None
) -> Iterator[Chart]:
    """The study's charts in reading order, given its groups, at least one, and its effects; begun as `begin` does.

    A chart that would show nothing is left out; one with too much for a page is several.
    """
    # Losses need no interval: other processes have them to save while those of the scores are computed
    losses = begin(chart, _losses(study, found))
    return chain(begin(chart, _overall(study, found, compared, decides)), losses)


def _losses(study: Study, found: Sequence[Comparison]) -> Iterator[Drawn]:
    look = looks(found)
    for group in found:
        yield from pages(
            f"losses-{file_stem(*group.names)}",
            f"Training and evaluation loss of {group.title}",
            f"Curves of training and evaluation loss by step and method, for {group.title}.",
            curves_figures(group, study.losses, look),
        )


def _overall(
    study: Study, found: Sequence[Comparison], compared: Sequence[Effect], decides: str | None
) -> Iterator[Drawn]:
    models = listed(group.title for group in found)
    name = main_score(found, decides)
    score = next((group.scores[name].title for group in found if name and name in group.scores), "")
    # One page wide; the table has the effects on all scores
    first = list(dict.fromkeys(effect.score for effect in compared))[:COLUMNS]
    bars = [score.title for score in drawn_scores(found).values()]
    yield from pages(
        "scores",
        "Scores by method",
        f"Bars of {listed(bars or ['no score'])} by method, for {models}.",
        scores_figures(found),
    )
    yield from pages(
        "effects",
        "Differences from the reference",
        f"How far the scores of each method are from those of the reference, with intervals, for {models}.",
        forest_figures([effect for effect in compared if effect.score in first], found),
    )
    yield from pages(
        "tradeoff",
        f"{score} against energy, memory and time",
        f"Points of {score} over what it cost by method, the Pareto front marked, for {models}.",
        tradeoff_figures(found, name),
    )
    yield from pages(
        "distribution",
        "Scores of single examples",
        f"Shares of examples that scored 0, 1 and between, by method, for {models}.",
        distribution_figures(found, study.predictions),
    )
    yield from pages(
        "costs",
        "Power and memory by method",
        f"Bars of peak power and memory by method, for {models}.",
        costs_figures(found),
    )
