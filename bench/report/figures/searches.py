"""The best tune score of a search by its number of trials: a panel for each model, a line for each method."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bench.report.compare.searches import Searched, leader_sentence
from bench.report.figures.axes import axis_range
from bench.report.figures.canvas import Canvas
from bench.report.figures.chart import FAINT, styled
from bench.report.figures.looks import Look
from bench.report.figures.texts import legend, wrapped
from bench.report.wording import counted, listed

# All in inches
WIDTH, LEFT, PANEL, HEIGHT = 7.0, 0.66, 4.2, 2.3
BELOW = 0.42
"""Below a panel, for its axis."""
BESIDE = 0.5
"""From an axis at the left to its title."""
ROWS = 3
"""Panels on a page."""
LINE: dict[str, Any] = {"linewidth": 1.5, "markersize": 4.5, "markeredgecolor": "black", "markeredgewidth": 0.5}
FAR = 1.0
"""How far the axis reaches below the lines at most, as a share of their range: failures may have the score 0."""


@styled
def search_figures(searches: Sequence[Searched], looks: Mapping[str, Look]) -> list[Figure]:
    """Pages of panels; none if no search has a trial with a score."""
    panels: dict[str, list[Searched]] = {}
    for each in searches:
        if each.curve:
            panels.setdefault(each.comparison.title, []).append(each)
    rows = list(panels.values())
    return [_page(rows[at : at + ROWS], looks) for at in range(0, len(rows), ROWS)]


def _page(rows: Sequence[Sequence[Searched]], looks: Mapping[str, Look]) -> Figure:
    canvas = Canvas(WIDTH, _key(rows), 0.0)
    for row in rows:
        canvas.text(row[0].comparison.title, max_lines=2)
        canvas.skip(0.08)
        canvas.row([(LEFT, PANEL)], HEIGHT)
        canvas.skip(BELOW)
    figure, grid = canvas.build()
    for row, (ax,) in zip(rows, grid, strict=True):
        _draw(ax, row, looks)
    return figure


def _draw(ax: Axes, row: Sequence[Searched], looks: Mapping[str, Look]) -> None:
    expected = [best.expected for each in row for best in each.curve]
    bottom, top = axis_range(expected, 0.06)[1]
    far = FAR * (top - bottom)
    ends = [best.at_least for each in row for best in each.curve if best.at_least is not None]
    within = [end for end in ends if bottom - far <= end <= top + far]
    ax.set_ylim(axis_range([*expected, *within], 0.06)[1])
    for each in row:
        _line(ax, each, looks[each.method])
    longest = max(len(each.curve) for each in row)
    ax.set_xlim(0.6, longest + 0.4)
    ax.xaxis.set_major_locator(MaxNLocator(min(longest, 12), integer=True, steps=[1, 2, 5, 10]))
    ax.grid(color=FAINT, linewidth=0.6)
    ax.set_xlabel("Trials")
    title = row[0].score.title if row[0].score else row[0].search.metric
    ax.set_ylabel("\n".join(wrapped(f"Expected best {title}", 34, 2)), parse_math=False)
    ax.yaxis.set_label_coords(-BESIDE / PANEL, 0.5)
    entries = ["\n".join(wrapped(f"{each.method}, {counted(len(each.curve), 'trial')}", 24, 2)) for each in row]
    lines = [Line2D([], [], color=looks[each.method].colour, marker=looks[each.method].marker, **LINE) for each in row]
    corner: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.02, 1.05), "bbox_transform": ax.transAxes}
    legend(ax.figure, lines, entries, handlelength=2.4, labelspacing=0.45, **corner)


def _line(ax: Axes, each: Searched, look: Look) -> None:
    """The expected best, and down from it what a new search finds at least."""
    trials = [best.k for best in each.curve]
    expected = [best.expected for best in each.curve]
    sure = [best for best in each.curve if best.at_least is not None]
    if sure:
        edge = [best.at_least for best in sure if best.at_least is not None]
        inner = [best.expected for best in sure]
        ax.fill_between([best.k for best in sure], edge, inner, color=look.colour, alpha=0.13, linewidth=0, gid="band")
        ax.plot([best.k for best in sure], edge, color=look.colour, linewidth=0.8, linestyle=(0, (3, 2)), gid="sure")
    ax.plot(trials, expected, color=look.colour, marker=look.marker, gid="expected", zorder=3, **LINE)


def _key(rows: Sequence[Sequence[Searched]]) -> list[str]:
    """How to read the lines, and whether the leader depends on the number of trials."""
    sentences = [
        "Lines: mean of the best tune score over all subsets of that many trials.",
        "Dashed: lower bound of the best of as many new trials, with a probability of 97.5 %; no upper bound is known.",
    ]
    named = len(rows) > 1
    for row in rows:
        sentence = leader_sentence(row)
        if sentence:
            sentences.append(f"{row[0].comparison.title}: {sentence}" if named else sentence)
    failed = [each.method for row in rows for each in row if each.n_failed]
    if failed:
        sentences.append(f"Trials that failed ({listed(dict.fromkeys(failed))}) count as the worst score.")
    return sentences
