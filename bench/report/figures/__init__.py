"""Every figure of a report except those of single cells."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain

from matplotlib.figure import Figure

from bench.report.compare.comparisons import Comparison
from bench.report.compare.effects import Effect
from bench.report.compare.searches import searched
from bench.report.figures.bars import costs_figures, drawn_scores, scores_figures
from bench.report.figures.chart import Chart, Drawing, chart, pages
from bench.report.figures.curves import curves_figures
from bench.report.figures.distributions import distribution_figures
from bench.report.figures.forest import forest_figures
from bench.report.figures.looks import method_looks
from bench.report.figures.searches import search_figures
from bench.report.figures.tradeoff import main_score, tradeoff_figures
from bench.report.parallel import begin
from bench.report.read.study import Study
from bench.report.wording import file_stem, listed


def charts(
    study: Study, comparisons: Sequence[Comparison], effects: Sequence[Effect], decides: str | None = None
) -> Iterator[Chart]:
    """The study's charts in reading order. `begin` says where they are saved.

    A chart that would show nothing is left out, and one that needs several pages becomes several charts.

    Args:
        study: the study.
        comparisons: all of the study, at least one.
        effects: its differences from the references.
        decides: name of the score that setups are chosen by.
    """
    # Those that need no intervals are begun first: other processes save them while intervals are computed
    later = begin(chart, chain(_searches(study, comparisons), _losses(study, comparisons)))
    return chain(begin(chart, _overall(comparisons, effects, decides)), later)


def _searches(study: Study, comparisons: Sequence[Comparison]) -> Iterator[Drawing]:
    title = "Expected best tune score by number of trials"
    models = listed(comparison.title for comparison in comparisons)
    alt = f"Lines of the best tune score by number of trials and method, for {models}."
    searches = [each for comparison in comparisons for each in searched(study, comparison)]
    yield from pages("searches", title, alt, search_figures(searches, method_looks(comparisons)))


def _losses(study: Study, comparisons: Sequence[Comparison]) -> Iterator[Drawing]:
    looks = method_looks(comparisons)
    for comparison in comparisons:
        name, title = f"losses-{file_stem(*comparison.names)}", f"Training and evaluation loss of {comparison.title}"
        alt = f"Curves of training and evaluation loss by step and method, for {comparison.title}."
        yield from pages(name, title, alt, curves_figures(comparison, study.losses, looks))


def _overall(comparisons: Sequence[Comparison], effects: Sequence[Effect], decides: str | None) -> Iterator[Drawing]:
    bars = f"Bars of {listed([score.title for score in drawn_scores(comparisons).values()] or ['no score'])} by method"
    main = main_score(comparisons, decides)
    score = next((each.scores[main].title for each in comparisons if main in each.scores), "") if main else ""
    differences = "How far the scores of each method are from those of the reference, with intervals"
    front = f"Points of {score} over what it cost by method, the Pareto front marked"
    shares = "Shares of examples that scored 0, 1 and between, by method"
    costs = "Bars of peak power and memory by method"
    figures: list[tuple[str, str, str, Callable[[], Sequence[Figure]]]] = [
        ("scores", "Scores by method", bars, partial(scores_figures, comparisons)),
        ("effects", "Differences from the reference", differences, partial(forest_figures, effects, comparisons)),
        ("tradeoff", f"{score} against energy, memory and time", front, partial(tradeoff_figures, comparisons, main)),
        ("distribution", "Scores of single examples", shares, partial(distribution_figures, comparisons)),
        ("costs", "Power and memory by method", costs, partial(costs_figures, comparisons)),
    ]
    models = listed(comparison.title for comparison in comparisons)
    for name, title, alt, draw in figures:
        yield from pages(name, title, f"{alt}, for {models}.", draw())
