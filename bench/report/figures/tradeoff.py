"""Score against what it cost: energy, memory and time, a panel each, with the setups that no other one beats marked."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.report.compare.comparisons import Comparison
from bench.report.compare.quantities import TRAINING_ENERGY, TRAINING_SECONDS, Quantity
from bench.report.compare.setups import Estimate, Setup
from bench.report.figures.canvas import NOTE, Canvas
from bench.report.figures.chart import DPI, FAINT, GREY, STYLE, plain
from bench.report.figures.layout import Box, cut, place
from bench.report.figures.looks import Look, looks
from bench.report.statistics.intervals import Interval
from bench.report.statistics.pareto import front
from bench.report.wording import listed

LABELS = 12
"""In a panel of more setups, only some of those on the front are named."""
NAMED = 6
"""How many, then."""
GROUPS = 3
"""On a page."""
SPAN = 30
"""Costs of which the largest is more than so many times the smallest have a logarithmic axis."""
INTERVALS = {
    "confidence": "95 % confidence intervals",
    "range": "from the smallest to the largest seed",
}

# All in inches
WIDTH = 8.6
LEFT, GAP, RIGHT = 0.72, 0.25, 0.2
HEIGHT, BELOW = 2.2, 0.5
POINT = 0.06
"""Half of a marker's width."""


@dataclass(frozen=True)
class Cost:
    """What a score is drawn against."""

    quantity: Quantity
    unit: str
    scale: float
    """What a number of the record is multiplied with to be in `unit`."""

    @property
    def title(self) -> str:
        return self.quantity.title


@dataclass(frozen=True)
class Point:
    """One setup in one panel, in the units shown."""

    setup: Setup
    score: float
    cost: float
    score_interval: Interval | None
    cost_interval: Interval | None


def main_score(found: Sequence[Comparison], decides: str | None = None) -> str | None:
    """Name of the score that decides, or of the first one of which more is better; None if no setup has one."""
    names = (*([decides] if decides else []), *(name for group in found for name in group.scores))
    return next((name for name in names if any(_drawn(group, name) for group in found)), None)


def tradeoff_figures(found: Sequence[Comparison], score: str | None) -> list[Figure]:
    """Pages with a row of panels for each comparison that has the score; none if there is none."""
    shown = [group for group in found if score and _drawn(group, score)]
    look = looks(found)
    return [_page(shown[at : at + GROUPS], score, look) for at in range(0, len(shown), GROUPS) if score]


def _drawn(group: Comparison, name: str) -> bool:
    """Whether more is better of the score, and any setup has it."""
    score = group.scores.get(name)
    if score is None or score.better != "higher":
        return False
    return any(setup.measure(score).mean is not None for setup in group.setups)


def points(group: Comparison, score: str, cost: Cost) -> list[Point]:
    """The setups of a group that have both numbers; none where no setup costs anything."""
    drawn = []
    for setup in group.setups:
        own, paid = setup.measure(group.scores[score]), setup.cost(cost.quantity)
        if own.mean is not None and paid.mean is not None:
            bounds = _scaled(paid, cost.scale)
            drawn.append(Point(setup, own.mean, paid.mean * cost.scale, own.interval, bounds))
    return drawn if any(point.cost for point in drawn) else []


def _scaled(one: Estimate, scale: float) -> Interval | None:
    bounds = one.interval
    return bounds and Interval(bounds.low * scale, bounds.high * scale, bounds.kind)


def _costs(group: Comparison) -> list[Cost]:
    longest = max((TRAINING_SECONDS.get(cell) or 0.0 for cell in group.ok), default=0.0)
    unit, seconds = next((unit, s) for unit, s, most in UNITS if longest <= most)
    scaled = (TRAINING_ENERGY, group.memory)
    return [*(Cost(each, each.unit, each.scale) for each in scaled), Cost(TRAINING_SECONDS, unit, 1 / seconds)]


UNITS = (("s", 1.0, 600.0), ("min", 60.0, 4 * 3600.0), ("h", 3600.0, float("inf")))
"""Of time: sign, seconds, and up to which longest time it is used."""


def _page(page: Sequence[Comparison], score: str, look: Mapping[str, Look]) -> Figure:
    rows = [[(cost, points(group, score, cost)) for cost in _costs(group)] for group in page]
    n_panels = max(sum(bool(drawn) for _, drawn in row) for row in rows)
    panel = (WIDTH - RIGHT - LEFT - GAP * (n_panels - 1)) / n_panels if n_panels else 0.0
    panel = min(panel, 3.6)
    told = [_untold(group, score, row) for group, row in zip(page, rows, strict=True)]
    headings = [textwrap.wrap(plain(group.title), 80, max_lines=2) for group in page]
    unnamed = any(len(drawn) > LABELS for row in rows for _, drawn in row)
    methods = list(dict.fromkeys(setup.method for group in page for setup in group.setups)) if unnamed else []
    key = _key([point for row in rows for _, drawn in row for point in drawn], unnamed)
    canvas = Canvas(WIDTH, key, 0.06 + 0.17 * -(-len(methods) // 6) if methods else 0.0)
    for heading, lines, row in zip(headings, told, rows, strict=True):
        canvas.text(heading)
        canvas.text(lines, NOTE, GREY)
        canvas.skip(0.14)
        n_drawn = sum(bool(drawn) for _, drawn in row)
        canvas.row([(LEFT + number * (panel + GAP), panel) for number in range(n_drawn)], HEIGHT if n_drawn else 0.0)
        canvas.skip(BELOW if n_drawn else 0.1)
    with matplotlib.style.context(["default", STYLE]):
        figure, grid = canvas.build()
        renderer = FigureCanvasAgg(figure)
        if methods:
            _legend(figure, methods, look, canvas.key_height / canvas.height)
        for row, axes in zip(rows, grid, strict=True):
            shown = [(cost, drawn) for cost, drawn in row if drawn]
            for ax, (cost, drawn) in zip(axes, shown, strict=True):
                _limit(ax, drawn, [point for _, others in shown for point in others])
                _draw(ax, cost, drawn, look, renderer, (panel, HEIGHT))
                ax.tick_params(axis="y", labelleft=ax is axes[0])
            for ax in axes[:1]:
                ax.set_ylabel(page[0].scores[score].title)
                ax.yaxis.set_label_coords(-0.5 / panel, 0.5)
    return figure


def _draw(
    ax: Axes,
    cost: Cost,
    found: Sequence[Point],
    look: Mapping[str, Look],
    canvas: FigureCanvasAgg,
    size: tuple[float, float],
) -> None:
    costs, scores = [point.cost for point in found], [point.score for point in found]
    best = front(scores, costs)
    ax.set_xlabel(f"{cost.title} ({cost.unit})")
    ax.grid(color=FAINT, linewidth=0.6)
    steps = sorted((costs[index], scores[index]) for index in best)
    ax.plot(
        [cost for cost, _ in steps],
        [score for _, score in steps],
        drawstyle="steps-post",
        color="black",
        linewidth=0.8,
        linestyle=(0, (4, 2)),
        gid="front",
        zorder=1,
    )
    upright = [(point.cost, *_bounds(point.score_interval)) for point in found if point.score_interval]
    level = [(point.score, *_bounds(point.cost_interval)) for point in found if point.cost_interval]
    for lines, ends in ((ax.vlines, upright), (ax.hlines, level)):
        if ends:
            lines(*zip(*ends, strict=True), color=GREY, linewidth=0.7, zorder=2)
    for index, point in enumerate(found):
        own = look[point.setup.method]
        on_front = index in best
        ax.plot(
            point.cost,
            point.score,
            marker=own.marker,
            color=own.colour,
            markersize=7 if on_front else 5,
            markeredgecolor="black" if on_front else "white",
            markeredgewidth=1.1 if on_front else 0.4,
            linestyle="",
            gid="best" if on_front else "other",
            zorder=4 if on_front else 3,
        )
    _name(ax, found, best, canvas, size)


def _limit(ax: Axes, found: Sequence[Point], row: Sequence[Point]) -> None:
    """Axes as long as points and intervals need, with room for names; that of the score is the same along a `row`."""
    costs = [bound for point in found for bound in (point.cost, *_bounds(point.cost_interval))]
    scores = [bound for point in row for bound in (point.score, *_bounds(point.score_interval))]
    if min(costs) > 0 and max(costs) > SPAN * min(costs):
        ax.set_xscale("log")
        spare = (max(costs) / min(costs)) ** 0.12
        ax.set_xlim(min(costs) / spare, max(costs) * spare)
    else:
        spare = 0.12 * (max(costs) - min(costs)) or 0.5 * max(costs) or 1.0
        ax.set_xlim(min(costs) - spare, max(costs) + spare)
    spare = 0.12 * (max(scores) - min(scores)) or 0.1
    ax.set_ylim(min(scores) - spare, max(scores) + spare)


def _bounds(interval: Interval | None) -> tuple[float, ...]:
    return (interval.low, interval.high) if interval else ()


def _name(
    ax: Axes, found: Sequence[Point], best: Sequence[int], canvas: FigureCanvasAgg, size: tuple[float, float]
) -> None:
    """Names beside the points, over nothing else; a line leads from one that is not near its point."""

    def inches(cost: float, score: float) -> tuple[float, float]:
        x, y = ax.transAxes.inverted().transform(ax.transData.transform((cost, score)))
        return x * size[0], y * size[1]

    marks, lines = [], []
    for point in found:
        x, y = inches(point.cost, point.score)
        marks.append(Box(x - POINT, y - POINT, 2 * POINT, 2 * POINT))
        ends = [inches(point.cost, bound) for bound in _bounds(point.score_interval)]
        ends += [inches(bound, point.score) for bound in _bounds(point.cost_interval)]
        lines += [_between((x, y), end) for end in ends]
    corners = [inches(found[index].cost, found[index].score) for index in sorted(best, key=lambda i: found[i].cost)]
    for (x, y), (next_x, next_y) in pairwise(corners):
        lines += [_between((x, y), (next_x, y)), _between((next_x, y), (next_x, next_y))]
    named = list(range(len(found))) if len(found) <= LABELS else _evenly(best)
    # Those on the front choose first
    named.sort(key=lambda index: index not in best)
    texts = [
        ax.text(0, 0, _short(found[index].setup), fontsize=6.5, transform=ax.transAxes, parse_math=False, zorder=5)
        for index in named
    ]
    renderer = canvas.get_renderer()
    extents = [text.get_window_extent(renderer) for text in texts]
    sizes = [(extent.width / DPI + 0.03, extent.height / DPI + 0.02) for extent in extents]
    anchors = [inches(found[index].cost, found[index].score) for index in named]
    for text, (x, y), box in zip(texts, anchors, place(anchors, sizes, size, (marks, lines)), strict=True):
        if box is None:
            text.remove()
            continue
        text.set(x=(box.left + 0.015) / size[0], y=(box.bottom + box.height / 2) / size[1], va="center")
        near = (
            min(max(x, box.left), box.left + box.width),
            min(max(y, box.bottom), box.bottom + box.height),
        )
        if abs(near[0] - x) + abs(near[1] - y) > 3 * POINT:
            across, up = [x / size[0], near[0] / size[0]], [y / size[1], near[1] / size[1]]
            ax.plot(across, up, transform=ax.transAxes, color=GREY, linewidth=0.4, gid="leader", zorder=2)


def _between(one: tuple[float, float], other: tuple[float, float]) -> Box:
    """A line, as wide as it is drawn."""
    (x, y), (other_x, other_y) = one, other
    return Box(min(x, other_x) - 0.01, min(y, other_y) - 0.01, abs(x - other_x) + 0.02, abs(y - other_y) + 0.02)


def _evenly(best: Sequence[int]) -> list[int]:
    """At most `NAMED` of them."""
    stride = -(-len(best) // NAMED)
    return list(best)[::stride]


def _short(setup: Setup) -> str:
    return "\n".join(textwrap.wrap(plain(setup.label), 24, max_lines=3, placeholder="..."))


def _legend(figure: Figure, methods: Sequence[str], look: Mapping[str, Look], bottom: float) -> None:
    """Which mark is which method's, where not all points are named."""
    marks = [
        Line2D([], [], linestyle="", color=look[method].colour, marker=look[method].marker, markersize=5)
        for method in methods
    ]
    legend = figure.legend(
        marks,
        [cut(plain(method), 20) for method in methods],
        loc="lower left",
        bbox_to_anchor=(0.0, bottom),
        ncols=6,
        frameon=False,
        fontsize=7,
        borderaxespad=0.0,
        handletextpad=0.2,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _untold(group: Comparison, score: str, row: Sequence[tuple[Cost, Sequence[Point]]]) -> list[str]:
    """In lines, why a panel or a setup is not there."""
    told = []
    for cost, drawn in row:
        if not drawn:
            whys = dict.fromkeys(
                setup.cost(cost.quantity).reason or "nothing is trained" for setup in group.setups if setup.ok
            )
            told.append(f"{cost.title} is not drawn: {'; '.join(plain(why) for why in whys)}.")
    absent: dict[str, list[str]] = {}
    for setup in group.setups:
        why = next((one.reason for one in (setup.measure(group.scores[score]),) if one.mean is None), None)
        for cost, drawn in row:
            if why is None and drawn and all(point.setup is not setup for point in drawn):
                why = f"{cost.title.lower()}: {setup.cost(cost.quantity).reason}"
        if why:
            absent.setdefault(why, []).append(plain(setup.label))
    for why, names in absent.items():
        more = [f"{len(names) - 4} more"] if len(names) > 4 else []
        told.append(f"Not drawn: {listed(names[:4] + more)} ({plain(why)}).")
    return textwrap.wrap(" ".join(told), 145, max_lines=3, placeholder=" ...")


def _key(drawn: Sequence[Point], unnamed: bool) -> list[str]:
    said = "Black edges and dashes: the Pareto front, which no other setup beats in score and cost at once."
    both = (bounds for point in drawn for bounds in (point.score_interval, point.cost_interval) if bounds)
    kinds = dict.fromkeys(bounds.kind for bounds in both)
    if kinds:
        said += f" Grey lines: {' or '.join(INTERVALS[kind] for kind in kinds)}."
    if any(len(point.setup.seeds) > 1 for point in drawn):
        said += " Points: means over seeds."
    if unnamed:
        said += f" Where there are more than {LABELS} points, only some on the front are named."
    return textwrap.wrap(f"{said} Memory is of the whole cell. Better is up and left.", 150)
