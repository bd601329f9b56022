"""The bars of a report: scores by method, and power and memory by method, a row of panels for each model.

Bars are labelled where they stand, so that neither colour nor a legend is needed to read them; colour and hatching
only help to find a method again in another panel.
"""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, MaxNLocator
from matplotlib.transforms import ScaledTranslation

from bench.report.compare.comparisons import Comparison
from bench.report.compare.quantities import PEAK_POWER, Quantity
from bench.report.compare.setups import Estimate
from bench.report.figures.chart import FAINT, GREY, STYLE, plain
from bench.report.figures.looks import Look, looks
from bench.report.figures.sheet import sheet, sheets
from bench.report.numbers import DASH, fixed
from bench.report.statistics.intervals import Interval

CROSS = "\N{MULTIPLICATION SIGN}"
DOT = "dot"
MARKS = {
    DOT: "Bars: means over seeds, dots: single seeds.",
    "confidence": "Lines: 95 % confidence intervals.",
    "range": "Lines: from the smallest to the largest seed.",
    CROSS: f"{CROSS}: did not end ok.",
    DASH: f"{DASH}: not measured, the table says why.",
}
"""What the marks of a figure mean; those of intervals by their kind."""
BESIDE = 0.38
"""Width in inches of what is right of a panel, for the number behind the longest bar."""
HALO = (withStroke(linewidth=2.4, foreground="white"),)


MOST_SCORES = 6
"""Panels beside each other on a page."""


@dataclass(frozen=True)
class Panel:
    """One quantity, drawn for every setup of a comparison."""

    quantity: Quantity
    shown: Callable[[float], str]
    limit: float | None = None
    """Where the axis ends; None for wherever the longest bar of all comparisons does."""

    @property
    def heading(self) -> str:
        return self.quantity.heading


def drawn_scores(found: Sequence[Comparison]) -> dict[str, Quantity]:
    """The first scores that have a number and of which more is better, by name, over all comparisons."""
    scores = {name: score for group in reversed(found) for name, score in group.scores.items()}
    names = dict.fromkeys(name for group in found for name in group.scores)
    known = [name for name in names if scores[name].better == "higher" and _has_number(found, scores[name])]
    return {name: scores[name] for name in known[:MOST_SCORES]}


def _has_number(found: Sequence[Comparison], quantity: Quantity) -> bool:
    return any(quantity.get(cell) is not None for group in found for cell in group.ok)


def scores_figures(found: Sequence[Comparison]) -> list[Figure]:
    """A panel for each of the first scores, for each comparison; over as many pages as it takes."""
    panels = [
        Panel(score, fixed(3), limit=score.score and score.score.highest) for score in drawn_scores(found).values()
    ]
    return _draw({group.title: panels for group in found}, found, width=1.0) if panels else []


def costs_figures(found: Sequence[Comparison]) -> list[Figure]:
    """A panel for the peak power and one for the peak memory of each comparison."""
    power = Panel(PEAK_POWER, fixed(1))
    panels = {group.title: [power, Panel(group.memory, fixed(2))] for group in found}
    return _draw(panels, found, width=2.3)


def _draw(panels: Mapping[str, Sequence[Panel]], found: Sequence[Comparison], width: float) -> list[Figure]:
    """Pages with the `panels` of each group by its title, each of at least that width in inches."""
    limits, look = _limits(panels, found), looks(found)
    figures = []
    for page in sheets(found):
        with matplotlib.style.context(["default", STYLE]):
            marks = {mark for group in page for panel in panels[group.title] for mark in _marks(group, panel)}
            key = [meaning for mark, meaning in MARKS.items() if mark in marks]
            columns = [(width, BESIDE)] * len(panels[page[0].title])
            figure, grid = sheet(page, found, [group.title for group in page], columns, key)
            for group, axes in zip(page, grid, strict=True):
                for panel, ax in zip(panels[group.title], axes, strict=True):
                    _bars(ax, group, panel, look, limits[panel.heading])
        figures.append(figure)
    return figures


def _marks(group: Comparison, panel: Panel) -> set[str]:
    """Those of `MARKS` that a panel has; one without a number has a sentence instead."""
    measured = [setup.measure(panel.quantity) for setup in group.setups]
    if all(one.mean is None for one in measured):
        return set()
    marks = {DASH if setup.ok else CROSS for setup, one in zip(group.setups, measured, strict=True) if one.mean is None}
    marks |= {one.interval.kind for one in measured if one.interval}
    return marks | ({DOT} if any(len(one.by_seed) > 1 for one in measured) else set())


def _bars(ax: Axes, group: Comparison, panel: Panel, look: Mapping[str, Look], limit: float) -> None:
    measured = [setup.measure(panel.quantity) for setup in group.setups]
    ax.set_xlabel(panel.heading)
    ax.set_xlim(0, limit)
    if all(one.mean is None for one in measured):
        _explain(ax, group, panel)
        return
    ax.xaxis.set_major_locator(FixedLocator([0, 0.5, 1]) if panel.limit else MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.grid(axis="x", color=FAINT, linewidth=0.6)
    drawn = []
    beside = ax.transData + ScaledTranslation(3 / 72, 0, ax.figure.dpi_scale_trans)
    for place, (setup, one) in enumerate(zip(group.setups, measured, strict=True)):
        if one.mean is None:
            ax.text(limit * 0.02, place, DASH if setup.ok else CROSS, va="center", color=GREY)
            continue
        length = one.mean * panel.quantity.scale
        drawn.append((place, length, look[setup.method], one))
        ax.text(
            max(_reach(one)) * panel.quantity.scale,
            place,
            panel.shown(length),
            transform=beside,
            va="center",
            fontsize=7,
        )
    # All at once: of hundreds, each on its own takes longer to be made than to be drawn
    ax.barh(
        [place for place, _, _, _ in drawn],
        [length for _, length, _, _ in drawn],
        height=0.7,
        color=[own.colour for _, _, own, _ in drawn],
        hatch=[own.hatch for _, _, own, _ in drawn],
        edgecolor="black",
        linewidth=0.6,
    )
    several = [(place, one) for place, _, _, one in drawn if len(one.by_seed) > 1]
    dots = [seed * panel.quantity.scale for _, one in several for seed in one.by_seed]
    # Below the interval, which lies in the middle
    below = [place + (0.2 if one.interval else 0.0) for place, one in several for _ in one.by_seed]
    ax.plot(dots, below, linestyle="", marker="o", markersize=2.5, color="black", clip_on=False)
    _whiskers(ax, {place: one.interval for place, _, _, one in drawn if one.interval}, panel.quantity.scale)


def _explain(ax: Axes, group: Comparison, panel: Panel) -> None:
    """Why a panel has no bar, in the place of an empty axis."""
    reasons = dict.fromkeys(setup.measure(panel.quantity).reason for setup in group.setups if setup.ok)
    text = "; ".join(str(reason) for reason in reasons) or "no cell ended ok"
    # Ticks stay, unseen, so that the panel's name is level with its neighbours'
    ax.tick_params(axis="x", color="none", labelcolor="none")
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.text(
        0.5,
        0.5,
        textwrap.fill(plain(text), 15, max_lines=5),
        transform=ax.transAxes,
        ha="center",
        va="center",
        color=GREY,
        fontsize=7,
        parse_math=False,
    )


def _whiskers(ax: Axes, intervals: Mapping[int, Interval], scale: float) -> None:
    """Lines with ends, by the place of their bar."""
    places = np.array(list(intervals), dtype=float)
    low, high = (np.array([getattr(each, end) * scale for each in intervals.values()]) for end in ("low", "high"))
    style: dict[str, Any] = {"color": "black", "linewidth": 1.0, "path_effects": HALO, "clip_on": False}
    ax.hlines(places, low, high, **style)
    ax.vlines(np.concatenate([low, high]), np.tile(places - 0.11, 2), np.tile(places + 0.11, 2), **style)


def _reach(one: Estimate) -> list[float]:
    """Everything that is drawn of a figure, unscaled."""
    return [*one.by_seed, *([] if one.mean is None else [one.mean]), *([one.interval.high] if one.interval else [])]


def _limits(panels: Mapping[str, Sequence[Panel]], found: Sequence[Comparison]) -> dict[str, float]:
    """Where the axes end, the same for all panels that show the same."""
    limits: dict[str, float] = {}
    for group in found:
        for panel in panels[group.title]:
            drawn = [
                value * panel.quantity.scale
                for setup in group.setups
                for value in _reach(setup.measure(panel.quantity))
            ]
            limits[panel.heading] = max([limits.get(panel.heading, 0.0), panel.limit or 0.0, *drawn])
    return {heading: limit or 1.0 for heading, limit in limits.items()}
