"""How much each setup differs from the reference of its model, with intervals and adjusted p values."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.report.compare.comparisons import Comparison
from bench.report.compare.effects import Effect
from bench.report.figures.axes import INTERVALS, axis_range
from bench.report.figures.chart import FAINT, GREY, styled
from bench.report.figures.looks import Look, method_looks
from bench.report.figures.sheet import Sheet
from bench.report.numbers import DASH, p_value

MOST_SCORES = 3
"""Panels beside each other on a page."""
PANEL, BESIDE = 1.9, 0.8
"""Widths in inches of a panel and of the numbers right of it."""


@styled
def forest_figures(effects: Sequence[Effect], comparisons: Sequence[Comparison]) -> list[Figure]:
    """Pages with a row for each setup that has an effect; none without an effect.

    Only the differences from the first reference and the first scores are drawn, and if some have tests, only those.
    The others are in the table.

    Args:
        effects: differences from the references, in any scores.
        comparisons: all of the study.
    """
    first = {effect.comparison: effect.reference for effect in reversed(effects)}
    effects = [effect for effect in effects if effect.reference == first[effect.comparison]]
    tested = [effect for effect in effects if effect.p_adjusted is not None]
    scores = list(dict.fromkeys(effect.score for effect in tested or effects))[:MOST_SCORES]
    together = {score: [effect for effect in effects if effect.score == score] for score in scores}
    drawn = [effect for score in scores for effect in together[score]]
    references = {effect.comparison: effect.reference for effect in drawn}
    rows = {(effect.comparison, effect.setup) for effect in drawn}
    compared = [
        replace(each, setups=tuple(setup for setup in each.setups if (each.title, setup.label) in rows))
        for each in comparisons
    ]
    looks = method_looks(comparisons)

    def draw(ax: Axes, comparison: Comparison, index: int) -> None:
        _draw(ax, comparison, scores[index], together[scores[index]], looks)

    def heading(comparison: Comparison) -> str:
        return f"{comparison.title}: difference from {references[comparison.title]}"

    sheet = Sheet([(PANEL, BESIDE)] * len(scores), draw, _key(drawn), heading)
    return sheet.figures([comparison for comparison in compared if comparison.setups])


def _draw(ax: Axes, comparison: Comparison, score: str, effects: Sequence[Effect], looks: Mapping[str, Look]) -> None:
    """One score of one comparison, given the effects on that score in all comparisons."""
    ax.set_xlim(_limits(effects))
    # More than three labels as long as -0.050 would touch
    ax.xaxis.set_major_locator(MaxNLocator(3))
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x", color=FAINT, linewidth=0.6)
    ax.axvline(0.0, color="black", linewidth=0.8, gid="zero")
    ax.set_xlabel(comparison.scores[score].title if score in comparison.scores else score)
    by_setup = {effect.setup: effect for effect in effects if effect.comparison == comparison.title}
    for y, setup in enumerate(comparison.setups):
        effect = by_setup.get(setup.label)
        if effect:
            _mark(ax, y, effect, looks[setup.method])
        beside = {"transform": ax.get_yaxis_transform(), "fontsize": 7, "va": "center", "clip_on": False}
        p = effect.p_adjusted if effect else None
        ax.text(1.04, y, shown_p(p), beside, color="black" if effect else GREY)


def _mark(ax: Axes, y: float, effect: Effect, look: Look) -> None:
    """The difference and its interval; a white mark if it has none."""
    bounds = effect.interval
    if bounds:
        ax.hlines(y, bounds.low, bounds.high, color="black", linewidth=1.1, zorder=2)
    face = look.colour if bounds else "white"
    edge: dict[str, Any] = {"markeredgecolor": "black", "markeredgewidth": 0.7}
    ax.plot(effect.difference, y, look.marker, markersize=5.5, markerfacecolor=face, gid="effect", zorder=3, **edge)


def shown_p(p_adjusted: float | None) -> str:
    """How an adjusted p is written beside its effect."""
    if p_adjusted is None:
        return DASH
    text = p_value(p_adjusted)
    return f"p < {text[1:]}" if text.startswith("<") else f"p = {text}"


def _limits(effects: Sequence[Effect]) -> tuple[float, float]:
    """The limits of the axis of a score, in all comparisons. They always include 0."""
    intervals = [effect.interval for effect in effects if effect.interval]
    ends = [end for bounds in intervals for end in (bounds.low, bounds.high)]
    return axis_range([0.0, *(effect.difference for effect in effects), *ends], margin=0.06)[1]


def _key(effects: Sequence[Effect]) -> list[str]:
    sentences = ["Right of the black line, a setup scores higher than the reference."]
    if any(effect.interval for effect in effects):
        sentences.append(f"Horizontal lines {INTERVALS['confidence']}.")
    if not all(effect.interval for effect in effects):
        sentences.append("White marks have no interval; the table says why.")
    if any(effect.p_adjusted is not None for effect in effects):
        sentences.append("p values test for no difference, adjusted (Holm) for all comparisons of the model.")
    if any(effect.p_adjusted is None for effect in effects):
        sentences.append(f"{DASH} marks what was not tested.")
    return sentences
