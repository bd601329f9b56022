"""A score against its cost in energy, memory and time, a panel for each, with the setups that no other one beats.

The panels of a comparison are beside each other. If it has many setups, they are below each other and as wide as the
page, so that every point has room for its name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.report.compare.comparisons import Comparison
from bench.report.compare.quantities import TRAINING_ENERGY, TRAINING_SECONDS, Quantity
from bench.report.compare.setups import Setup
from bench.report.figures.axes import INTERVALS, axis_range, shown, time_unit
from bench.report.figures.canvas import NOTE, Canvas
from bench.report.figures.chart import FAINT, GREY, styled
from bench.report.figures.labels import Line, Pair, label_points
from bench.report.figures.looks import Look, method_looks
from bench.report.figures.texts import legend, omissions, wrapped
from bench.report.statistics.pareto import front
from bench.report.wording import mid_sentence

MOST_BESIDE = 12
"""Comparisons with more setups have wide panels below each other."""
MOST_LABELS = 40
"""In a panel with more setups, only this many have a label, those on the front first."""
PER_PAGE = 3
"""Comparisons on a page."""
FAR_APART = 30
"""If the largest cost is more than this many times the smallest, the axis is logarithmic."""
LABEL = 24, 3
"""Characters on a line of a point's label, and lines. If a label of a page is longer, setups are numbered."""
LEGEND_COLUMNS = 6
BEST: dict[str, Any] = {"markersize": 7, "markeredgecolor": "black", "markeredgewidth": 1.1, "zorder": 4}
OTHER: dict[str, Any] = {"markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.4, "zorder": 3}
"""Marks of setups on the front, and of others."""

# All in inches
WIDTH = 8.6
LEFT, GAP, RIGHT = 0.72, 0.25, 0.2
MAX_PANEL, HEIGHT, BELOW = 3.6, 2.2, 0.5
TALL = 3.0
"""Height of a wide panel."""


class _Candidate(NamedTuple):
    """One setup in one panel, in the units shown."""

    setup: Setup
    at: Pair
    """Its cost and its score."""
    intervals: list[Line]
    """Those of its score and its cost that are known."""
    kinds: list[str]
    """The kind of each of them."""


class _Panel(NamedTuple):
    """One cost, and the setups that have both it and the score."""

    cost: Quantity
    candidates: list[_Candidate]

    @property
    def front(self) -> list[int]:
        """Indices of the candidates that no other one beats."""
        return front([each.at[1] for each in self.candidates], [each.at[0] for each in self.candidates])


def main_score(comparisons: Sequence[Comparison], decides: str | None = None) -> str | None:
    """Name of the score that decides, or of the first of which higher is better; None if no setup has one."""
    names = (*([decides] if decides else []), *(name for comparison in comparisons for name in comparison.scores))
    return next((name for name in names if any(_has(comparison, name) for comparison in comparisons)), None)


@styled
def tradeoff_figures(comparisons: Sequence[Comparison], score: str | None) -> list[Figure]:
    """Pages with a row of panels for each comparison that has the score and any cost; none if there is none."""
    looks = method_looks(comparisons)
    rows = [(each, _panels(each, each.scores[score])) for each in comparisons if score and _has(each, score)]
    drawn = [(each, panels) for each, panels in rows if any(panel.candidates for panel in panels)]
    per_page = 1 if any(_is_wide(panels) for _, panels in drawn) else PER_PAGE
    return [_page(drawn[at : at + per_page], score, looks) for at in range(0, len(drawn), per_page) if score]


def _has(comparison: Comparison, name: str) -> bool:
    """Whether higher is better of the score, and any setup has it."""
    score = comparison.scores.get(name)
    if score is None or score.better != "higher":
        return False
    return any(setup.measure(score).mean is not None for setup in comparison.setups)


def _panels(comparison: Comparison, score: Quantity) -> list[_Panel]:
    """A panel for each cost, without candidates if no setup costs anything."""
    unit = time_unit(max((TRAINING_SECONDS.get(cell) or 0.0 for cell in comparison.ok), default=0.0))
    seconds = replace(TRAINING_SECONDS, unit=unit.symbol, scale=1 / unit.seconds)
    panels = []
    for cost in (TRAINING_ENERGY, comparison.memory, seconds):
        candidates = [each for setup in comparison.setups if (each := _candidate(setup, score, cost))]
        panels.append(_Panel(cost, candidates if any(each.at[0] for each in candidates) else []))
    return panels


def _candidate(setup: Setup, score: Quantity, cost: Quantity) -> _Candidate | None:
    """None if the setup lacks one of the numbers."""
    scored, paid = shown(setup.measure(score), score), shown(setup.cost(cost), cost)
    if scored.mean is None or paid.mean is None:
        return None
    x, y = paid.mean, scored.mean
    intervals = [((x, bounds.low), (x, bounds.high)) for bounds in (scored.interval,) if bounds]
    intervals += [((bounds.low, y), (bounds.high, y)) for bounds in (paid.interval,) if bounds]
    return _Candidate(setup, (x, y), intervals, [each.interval.kind for each in (scored, paid) if each.interval])


def _page(rows: Sequence[tuple[Comparison, list[_Panel]]], score: str, looks: Mapping[str, Look]) -> Figure:
    drawn = [[panel for panel in panels if panel.candidates] for _, panels in rows]
    candidates = [each for row in drawn for panel in row for each in panel.candidates]
    crowded = any(len(panel.candidates) > MOST_LABELS for row in drawn for panel in row)
    methods = list(dict.fromkeys(each.setup.method for each in candidates)) if crowded else []
    numbers = _numbers(candidates)
    key = _key(candidates, any(map(_is_wide, drawn)), crowded) + _settings(numbers)
    canvas = Canvas(WIDTH, key, 0.06 + 0.17 * -(-len(methods) // LEGEND_COLUMNS))
    layouts = [_boxes(row, max(map(len, drawn))) for row in drawn]
    for (comparison, panels), layout in zip(rows, layouts, strict=True):
        canvas.text(comparison.title, max_lines=2)
        canvas.text(" ".join(_missing(comparison, comparison.scores[score], panels)), NOTE, max_lines=3)
        canvas.skip(0.14)
        for boxes, height in layout:
            canvas.row(boxes, height)
            canvas.skip(BELOW)
    figure, grid = canvas.build()
    if methods:
        _explain_looks(figure, methods, looks, canvas.key_height / canvas.height)
    lines = iter(grid)
    for (comparison, _), row, layout in zip(rows, drawn, layouts, strict=True):
        own = [next(lines) for _ in layout]
        _draw_row([ax for line in own for ax in line], row, looks, numbers)
        for first, *others in own:
            first.set_ylabel(comparison.scores[score].title)
            first.yaxis.set_label_coords(-0.5 / (first.get_position().width * WIDTH), 0.5)
            for ax in others:
                ax.tick_params(axis="y", labelleft=False)
    return figure


def _boxes(row: Sequence[_Panel], n_beside: int) -> list[tuple[list[tuple[float, float]], float]]:
    """For each line of panels of one comparison, the left edge and the width of each panel, and their height.

    Args:
        row: the panels.
        n_beside: the most panels that a comparison on this page has.
    """
    if _is_wide(row):
        return [([(LEFT, WIDTH - LEFT - RIGHT)], TALL) for _ in row]
    width = min(MAX_PANEL, (WIDTH - RIGHT - LEFT - GAP * (n_beside - 1)) / n_beside)
    return [([(LEFT + index * (width + GAP), width) for index in range(len(row))], HEIGHT)]


def _is_wide(row: Sequence[_Panel]) -> bool:
    return any(len(panel.candidates) > MOST_BESIDE for panel in row)


def _draw_row(
    axes: Sequence[Axes], row: Sequence[_Panel], looks: Mapping[str, Look], numbers: Mapping[str, str]
) -> None:
    """The panels of one comparison, with the same axis of the score."""
    drawn = [_intervals(panel) for panel in row]
    ends = [score for panel, lines in zip(row, drawn, strict=True) for _, score in _ends(panel, lines)]
    _, ylim = axis_range(ends, 0.12)
    for panel, intervals, ax in zip(row, drawn, axes, strict=True):
        xscale, xlim = axis_range([cost for cost, _ in _ends(panel, intervals)], 0.12, FAR_APART)
        ax.set(xscale=xscale, xlim=xlim, ylim=ylim, xlabel=panel.cost.heading)
        ax.grid(color=FAINT, linewidth=0.6)
        ax.add_collection(LineCollection(intervals, colors=GREY, linewidths=0.7, zorder=2), autolim=False)
        _draw_points(ax, panel, looks)
        points = [each.at for each in panel.candidates]
        label_points(ax, _labels(panel, numbers), points, intervals + _draw_front(ax, panel))


def _intervals(panel: _Panel) -> list[Line]:
    """The intervals that are drawn: of all setups, or of those on the front if there are many."""
    shown = panel.front if len(panel.candidates) > MOST_BESIDE else range(len(panel.candidates))
    return [line for index in shown for line in panel.candidates[index].intervals]


def _ends(panel: _Panel, intervals: Sequence[Line]) -> list[Pair]:
    """Everything that has to lie inside the axes."""
    return [*(each.at for each in panel.candidates), *(end for line in intervals for end in line)]


def _draw_points(ax: Axes, panel: _Panel, looks: Mapping[str, Look]) -> None:
    on_front = panel.front
    for index, each in enumerate(panel.candidates):
        look, (gid, style) = looks[each.setup.method], ("best", BEST) if index in on_front else ("other", OTHER)
        ax.plot(*each.at, look.marker, color=look.colour, gid=gid, **style)


def _draw_front(ax: Axes, panel: _Panel) -> list[Line]:
    """Draw the front as stairs, and return their lines."""
    corners = sorted(panel.candidates[index].at for index in panel.front)
    style: dict[str, Any] = {"drawstyle": "steps-post", "color": "black", "linewidth": 0.8, "linestyle": (0, (4, 2))}
    ax.plot(*zip(*corners, strict=True), gid="front", zorder=1, **style)
    level = [((x, y), (next_x, y)) for (x, y), (next_x, _) in pairwise(corners)]
    upright = [((next_x, y), (next_x, next_y)) for (_, y), (next_x, next_y) in pairwise(corners)]
    return level + upright


def _numbers(candidates: Sequence[_Candidate]) -> dict[str, str]:
    """Short names such as `lora 2` by label, if a label is too long to stand beside a point; otherwise none."""
    methods = {each.setup.label: each.setup.method for each in candidates}
    width, n_lines = LABEL
    if len(methods) > MOST_LABELS or all(len(wrapped(label, width)) <= n_lines for label in methods):
        return {}
    setups = [(label, method) for label, method in methods.items() if label != method]
    before = [[other for _, other in setups[:at]] for at in range(len(setups))]
    return {label: f"{method} {own.count(method) + 1}" for (label, method), own in zip(setups, before, strict=True)}


def _settings(numbers: Mapping[str, str]) -> list[str]:
    """What the numbers stand for: `lora 2: rank=8.`"""
    return [f"{name}: {label.partition(' (')[2].removesuffix(')') or label}." for label, name in numbers.items()]


def _labels(panel: _Panel, numbers: Mapping[str, str]) -> list[tuple[str, Pair]]:
    """The setups that are named, and where they are."""
    on_front = panel.front
    others = [index for index in range(len(panel.candidates)) if index not in on_front]
    named = [panel.candidates[index] for index in (*on_front, *others)[:MOST_LABELS]]
    texts = [numbers.get(each.setup.label, each.setup.label) for each in named]
    return [("\n".join(wrapped(text, *LABEL)), each.at) for text, each in zip(texts, named, strict=True)]


def _explain_looks(figure: Figure, methods: Sequence[str], looks: Mapping[str, Look], bottom: float) -> None:
    """A legend of the methods, for points without a label."""
    drawn = [looks[method] for method in methods]
    points = [Line2D([], [], color=look.colour, marker=look.marker, markersize=5, linestyle="") for look in drawn]
    names = ["".join(wrapped(method, 20, 1)) for method in methods]
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, bottom), "borderaxespad": 0.0}
    legend(figure, points, names, ncols=LEGEND_COLUMNS, handletextpad=0.2, **place)


def _missing(comparison: Comparison, score: Quantity, panels: Sequence[_Panel]) -> list[str]:
    """Sentences that say why a panel or a setup is not drawn."""
    sentences = []
    costs = []
    for cost, candidates in panels:
        if candidates:
            costs.append(cost)
        else:
            reasons = [setup.cost(cost).reason or "nothing is trained" for setup in comparison.setups if setup.ok]
            sentences.append(f"{cost.title} is not drawn: {'; '.join(dict.fromkeys(reasons))}.")
    by_setup = {setup.label: _reason(setup, score, costs) for setup in comparison.setups}
    return sentences + omissions("Not drawn", {label: reason for label, reason in by_setup.items() if reason})


def _reason(setup: Setup, score: Quantity, costs: Sequence[Quantity]) -> str:
    """Why a setup is missing in a panel; empty if it is in all."""
    estimates = [("", setup.measure(score)), *((f"{mid_sentence(each.title)}: ", setup.cost(each)) for each in costs)]
    return next((f"{prefix}{estimate.reason}" for prefix, estimate in estimates if estimate.mean is None), "")


def _key(candidates: Sequence[_Candidate], few_intervals: bool, crowded: bool) -> list[str]:
    sentences = ["Black edges and dashes mark the Pareto front, which no other setup beats in score and cost at once."]
    kinds = dict.fromkeys(kind for each in candidates for kind in each.kinds)
    if kinds:
        only = ", drawn for the Pareto front only" if few_intervals else ""
        sentences.append(f"Grey lines {' or '.join(INTERVALS[kind] for kind in kinds)}{only}.")
    if any(len(each.setup.seeds) > 1 for each in candidates):
        sentences.append("Points are means over seeds.")
    if crowded:
        sentences.append(f"In panels with more than {MOST_LABELS} points, only some have a name.")
    return [*sentences, "Memory is of the whole cell.", "Better is up and left."]
