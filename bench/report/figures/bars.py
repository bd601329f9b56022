"""Bars of scores, and of power and memory: a bar for each setup, a row of panels for each model.

Every bar is labelled, so that it can be read without colours or a legend. Colour and hatching only help to find a
method again in another panel.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, MaxNLocator
from matplotlib.transforms import ScaledTranslation

from bench.report.compare.comparisons import Comparison
from bench.report.compare.quantities import PEAK_POWER, Quantity
from bench.report.compare.setups import Estimate
from bench.report.figures.axes import CROSS, INTERVALS, NOT_OK, explain, hide_numbers, mark_missing, missing_mark, shown
from bench.report.figures.chart import FAINT, styled
from bench.report.figures.looks import Look, method_looks
from bench.report.figures.sheet import Sheet
from bench.report.numbers import DASH, Show, fixed, significant
from bench.report.statistics.intervals import Interval

SEED = "seed"
MARKS = {
    SEED: "Bars are means over seeds, dots are single seeds.",
    **{kind: f"Lines {meaning}." for kind, meaning in INTERVALS.items()},
    CROSS: NOT_OK,
    DASH: f"{DASH} marks what was not measured; the table says why.",
}
"""Explains the marks of a figure. Intervals have the name of their kind."""
MOST_SCORES = 6
"""Panels beside each other on a page."""
BESIDE = 0.38
"""Width in inches of what is right of a panel, for the number behind the longest bar."""
HALO = (withStroke(linewidth=2.4, foreground="white"),)

Columns = Mapping[str, Sequence[Quantity]]
"""The quantities drawn of each comparison, by its title."""


def drawn_scores(comparisons: Sequence[Comparison]) -> dict[str, Quantity]:
    """The first scores of which higher is better and any cell has a number, by name, over all comparisons."""
    scores: dict[str, Quantity] = {}
    for comparison in comparisons:
        for name, score in comparison.scores.items():
            if score.better == "higher" and any(score.get(cell) is not None for cell in comparison.ok):
                scores.setdefault(name, score)
    return dict(list(scores.items())[:MOST_SCORES])


@styled
def scores_figures(comparisons: Sequence[Comparison]) -> list[Figure]:
    """Pages with a panel for each of the first scores, for each comparison; none without a score."""
    scores = drawn_scores(comparisons)
    columns = {each.title: [each.scores.get(name, score) for name, score in scores.items()] for each in comparisons}
    return _figures(comparisons, columns, width=1.0)


@styled
def costs_figures(comparisons: Sequence[Comparison]) -> list[Figure]:
    """Pages with a panel of peak power and one of peak memory for each comparison; none if neither was measured."""
    columns = {comparison.title: [PEAK_POWER, comparison.memory] for comparison in comparisons}
    return _figures(comparisons, columns, width=2.3)


def _figures(comparisons: Sequence[Comparison], columns: Columns, width: float) -> list[Figure]:
    """Pages with panels of at least `width` inches; none if all panels would be empty."""
    if all(_is_empty(comparison, quantity) for comparison in comparisons for quantity in columns[comparison.title]):
        return []
    ends, looks = _axis_ends(comparisons, columns), method_looks(comparisons)

    def draw(ax: Axes, comparison: Comparison, index: int) -> None:
        quantity = columns[comparison.title][index]
        _draw(ax, comparison, quantity, looks, ends[quantity.heading])

    marks = {mark for each in comparisons for quantity in columns[each.title] for mark in _marks(each, quantity)}
    key = [meaning for mark, meaning in MARKS.items() if mark in marks]
    n_panels = len(columns[comparisons[0].title])
    return Sheet([(width, BESIDE)] * n_panels, draw, key).figures(comparisons)


def _axis_ends(comparisons: Sequence[Comparison], columns: Columns) -> dict[str, float]:
    """Where axes end, by their title: the same for all panels of a quantity."""
    ends: dict[str, float] = {}
    for comparison in comparisons:
        for quantity in columns[comparison.title]:
            drawn = [_end(shown(setup.measure(quantity), quantity)) for setup in comparison.setups]
            ends[quantity.heading] = max(ends.get(quantity.heading, 0.0), _highest(quantity) or 0.0, *drawn)
    return {title: end or 1.0 for title, end in ends.items()}


def _highest(quantity: Quantity) -> float | None:
    """The largest number that the quantity can be."""
    return quantity.score.highest if quantity.score else None


def _end(estimate: Estimate) -> float:
    """The rightmost point of what is drawn of an estimate."""
    bounds = estimate.interval
    return max((estimate.mean or 0.0, *estimate.by_seed, *((bounds.high,) if bounds else ())))


def _is_empty(comparison: Comparison, quantity: Quantity) -> bool:
    return all(setup.measure(quantity).mean is None for setup in comparison.setups)


def _marks(comparison: Comparison, quantity: Quantity) -> set[str]:
    """Which of `MARKS` a panel has; an empty one has a sentence instead."""
    if _is_empty(comparison, quantity):
        return set()
    marks = set()
    for setup in comparison.setups:
        estimate = setup.measure(quantity)
        if estimate.mean is None:
            marks.add(missing_mark(setup))
        if estimate.interval:
            marks.add(estimate.interval.kind)
        if len(estimate.by_seed) > 1:
            marks.add(SEED)
    return marks


def _draw(ax: Axes, comparison: Comparison, quantity: Quantity, looks: Mapping[str, Look], end: float) -> None:
    ax.set_xlabel(quantity.heading)
    ax.set_xlim(0, end)
    if _is_empty(comparison, quantity):
        reasons = dict.fromkeys(setup.measure(quantity).reason or "" for setup in comparison.setups if setup.ok)
        hide_numbers(ax)
        explain(ax, "; ".join(reasons) or "no cell ended ok", width=15)
        return
    highest = _highest(quantity)
    steps = MaxNLocator(5, steps=[1, 2, 5, 10])
    ax.xaxis.set_major_locator(FixedLocator([0, highest / 2, highest]) if highest else steps)
    ax.grid(axis="x", color=FAINT, linewidth=0.6)
    estimates = [shown(setup.measure(quantity), quantity) for setup in comparison.setups]
    drawn = {y: estimate for y, estimate in enumerate(estimates) if estimate.mean is not None}
    _bars(ax, drawn, [looks[comparison.setups[y].method] for y in drawn])
    _numbers(ax, drawn, fixed(3) if quantity.score else significant(3))
    for y, setup in enumerate(comparison.setups):
        if y not in drawn:
            mark_missing(ax, y, setup)
    _seeds(ax, drawn)
    _whiskers(ax, {y: estimate.interval for y, estimate in drawn.items() if estimate.interval})


def _bars(ax: Axes, drawn: Mapping[int, Estimate], looks: Sequence[Look]) -> None:
    # In one call: hundreds of calls would take longer than the drawing
    means = [estimate.mean or 0.0 for estimate in drawn.values()]
    colours, hatches = [look.bar for look in looks], [look.hatch for look in looks]
    ax.barh(list(drawn), means, height=0.7, color=colours, hatch=hatches, edgecolor="black", linewidth=0.6)


def _numbers(ax: Axes, drawn: Mapping[int, Estimate], show: Show) -> None:
    """The means as numbers, right of everything that is drawn of them."""
    beside = ax.transData + ScaledTranslation(3 / 72, 0, ax.figure.dpi_scale_trans)
    for y, estimate in drawn.items():
        ax.text(_end(estimate), y, show(estimate.mean or 0.0), transform=beside, va="center", fontsize=7)


def _seeds(ax: Axes, drawn: Mapping[int, Estimate]) -> None:
    """A dot for each seed where there are several, below the interval if there is one."""
    several = {y: estimate for y, estimate in drawn.items() if len(estimate.by_seed) > 1}
    numbers = [number for estimate in several.values() for number in estimate.by_seed]
    heights = [y + 0.2 * bool(estimate.interval) for y, estimate in several.items() for _ in estimate.by_seed]
    ax.plot(numbers, heights, linestyle="", marker="o", markersize=2.5, color="black", clip_on=False)


def _whiskers(ax: Axes, intervals: Mapping[int, Interval]) -> None:
    """Lines with strokes at their ends, by the y of their bar."""
    ys = np.array(list(intervals), dtype=float)
    low, high = (np.array([getattr(each, end) for each in intervals.values()]) for end in ("low", "high"))
    style: dict[str, Any] = {"color": "black", "linewidth": 1.0, "path_effects": HALO, "clip_on": False}
    ax.hlines(ys, low, high, **style)
    ax.vlines(np.concatenate([low, high]), np.tile(ys - 0.11, 2), np.tile(ys + 0.11, 2), **style)
