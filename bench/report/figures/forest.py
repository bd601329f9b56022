"""How far each setup is from the reference of its model, with intervals and the adjusted p of the difference."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.report.compare.comparisons import Comparison
from bench.report.compare.effects import Effect
from bench.report.figures.chart import FAINT, GREY, STYLE
from bench.report.figures.looks import Look, looks
from bench.report.figures.sheet import sheet, sheets
from bench.report.numbers import DASH

COLUMNS = 3
"""Scores on a page."""
PANEL, BESIDE = 1.9, 0.8
"""Widths in inches of a panel and of the numbers right of it."""

Found = Mapping[tuple[str, str, str], Effect]
"""Effects by the group's title, the setup's label and the score."""


def forest_figures(effects: Sequence[Effect], found: Sequence[Comparison]) -> list[Figure]:
    """Pages with a row for each setup that has an effect; none without an effect.

    Of scores of which some have a test, only those are drawn: the others are in the table.

    Args:
        effects: differences from the references, of any scores.
        found: all groups of the study.
    """
    own = {(effect.comparison, effect.setup, effect.score): effect for effect in effects}
    tested = dict.fromkeys(effect.score for effect in effects if effect.p_adjusted is not None)
    scores = list(tested or dict.fromkeys(effect.score for effect in effects))
    compared = {(effect.comparison, effect.setup) for effect in effects if effect.score in scores}
    together = [
        replace(group, setups=tuple(setup for setup in group.setups if (group.title, setup.label) in compared))
        for group in found
    ]
    shown = [group for group in together if group.setups]
    look = looks(found)
    return [
        _page(page, shown, scores[at : at + COLUMNS], own, look)
        for at in range(0, len(scores), COLUMNS)
        for page in (sheets(shown) if shown else [])
    ]


def _page(
    page: Sequence[Comparison], shown: Sequence[Comparison], scores: Sequence[str], own: Found, look: Mapping[str, Look]
) -> Figure:
    references = {group: effect.reference for (group, _, _), effect in own.items()}
    headings = [f"{group.title}: difference from {references[group.title]}" for group in page]
    with matplotlib.style.context(["default", STYLE]):
        key = _key([effect for effect in own.values() if effect.score in scores])
        figure, grid = sheet(page, shown, headings, [(PANEL, BESIDE)] * len(scores), key)
        for group, axes in zip(page, grid, strict=True):
            for score, ax in zip(scores, axes, strict=True):
                _draw(ax, group, score, own, look)
    return figure


def _draw(ax: Axes, group: Comparison, score: str, own: Found, look: Mapping[str, Look]) -> None:
    low, high = _limits([effect for effect in own.values() if effect.score == score])
    ax.set_xlim(low, high)
    # More would touch: they can be as long as -0.050
    ax.xaxis.set_major_locator(MaxNLocator(3))
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x", color=FAINT, linewidth=0.6)
    ax.axvline(0.0, color="black", linewidth=0.8, gid="zero")
    ax.set_xlabel(group.scores[score].title if score in group.scores else score)
    beside = {"transform": ax.get_yaxis_transform(), "fontsize": 7, "va": "center", "clip_on": False}
    for place, setup in enumerate(group.setups):
        effect = own.get((group.title, setup.label, score))
        if effect is None:
            ax.text(1.04, place, DASH, beside, color=GREY)
            continue
        bounds, one = effect.interval, look[setup.method]
        if bounds:
            ax.hlines(place, bounds.low, bounds.high, color="black", linewidth=1.1, zorder=2)
        face = one.colour if bounds else "white"
        ax.plot(
            effect.difference,
            place,
            marker=one.marker,
            markersize=5.5,
            markerfacecolor=face,
            markeredgecolor="black",
            markeredgewidth=0.7,
            linestyle="",
            gid="effect",
            zorder=3,
        )
        ax.text(1.04, place, shown_p(effect.p_adjusted), beside)


def shown_p(p_adjusted: float | None) -> str:
    """An adjusted p as it stands beside its effect: never 0, of which no test of finite data is sure."""
    if p_adjusted is None:
        return DASH
    if p_adjusted < 0.001:
        return "p < 0.001"
    return f"p = {p_adjusted:.3f}" if p_adjusted < 0.1 else f"p = {p_adjusted:.2f}"


def _limits(effects: Sequence[Effect]) -> tuple[float, float]:
    """The same for one score in all groups, with zero among it."""
    ends = [0.0, *(effect.difference for effect in effects)]
    for effect in effects:
        if effect.interval:
            ends += (effect.interval.low, effect.interval.high)
    spare = 0.06 * (max(ends) - min(ends)) or 0.1
    return min(ends) - spare, max(ends) + spare


def _key(drawn: Sequence[Effect]) -> list[str]:
    told = ["Right of the line: higher than the reference."]
    if any(effect.interval for effect in drawn):
        told.append("Lines: 95 % confidence intervals.")
    if not all(effect.interval for effect in drawn):
        told.append("White: no interval, the table says why.")
    if any(effect.p_adjusted is not None for effect in drawn):
        told.append("p: of no difference, adjusted for all comparisons within the model (Holm).")
    if any(effect.p_adjusted is None for effect in drawn):
        told.append(f"{DASH}: not tested.")
    return told
