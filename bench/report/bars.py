"""The bars of a report: scores by method, and power and memory by method, a row of panels for each model.

Bars are labelled where they stand, so that neither colour nor a legend is needed to read them; colour and hatching
only help to find a method again in another panel.
"""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from bench.report.chart import DPI, FAINT, GREY, STYLE, plain
from bench.report.layout import label, paged
from bench.report.looks import Look, looks
from bench.report.render import DASH, fixed
from bench.report.setups import Group, Measured
from bench.report.statistics import Interval
from bench.report.tables import SCORES
from bench.report.words import MEMORIES

CROSS = "\N{MULTIPLICATION SIGN}"
DOT = "dot"
MARKS = {
    DOT: "bar: mean over seeds, dots: single seeds",
    "confidence": "line: 95 % confidence interval",
    "range": "line: from the smallest to the largest seed",
    CROSS: f"{CROSS}: did not end ok",
    DASH: f"{DASH}: not measured, the table says why",
}
"""What the marks of a figure mean; those of intervals by their kind."""
ROOM = 1.4
"""How much wider than its axis a panel is, for the number behind the longest bar."""
PAGE = 9.0
"""Height in inches that the panels of one page may take."""
HEAD = 0.75
"""Height in inches of what stands above and below the bars of a group."""
HALO = (withStroke(linewidth=2.4, foreground="white"),)


@dataclass(frozen=True)
class Panel:
    """One figure of the record, drawn for every setup of a group."""

    path: str
    heading: str
    shown: Callable[[float], str]
    scale: float = 1.0
    limit: float | None = None
    """Where the axis ends; null for wherever the largest bar of all groups does."""


def scores_figures(found: Sequence[Group]) -> list[Figure]:
    """Six panels, one for each of the study's scores, for each group; over as many pages as it takes."""
    panels = [Panel(path, title, fixed(3), limit=1.0) for path, title in SCORES.items()]
    return _draw({group.title: panels for group in found}, found, panel_width=1.45)


def costs_figures(found: Sequence[Group]) -> list[Figure]:
    """A panel for the peak power and one for the peak memory that the group's table has, for each group."""
    power = Panel("power.peak_sampled_power_w", "Peak power (W)", fixed(1))
    panels = {
        group.title: [power, Panel(group.memory, f"{MEMORIES[group.memory][0]} (GB)", fixed(2), scale=1e-9)]
        for group in found
    }
    return _draw(panels, found, panel_width=3.0)


def _draw(panels: Mapping[str, Sequence[Panel]], found: Sequence[Group], panel_width: float) -> list[Figure]:
    """Pages with the `panels` of each group by its title."""
    labels = [label(setup).split("\n") for group in found for setup in group.setups]
    # In inches, for letters of 8 points: the labels get their own room, so that panels are as wide in every study
    width = panel_width * len(panels[found[0].title]) + 0.07 * max(len(line) for lines in labels for line in lines)
    pitch = 0.08 + 0.16 * max(len(lines) for lines in labels)
    limits, look = _limits(panels, found), looks(found)
    return [_page(panels, page, width, pitch, limits, look) for page in paged(found, PAGE, pitch, HEAD)]


def _page(
    panels: Mapping[str, Sequence[Panel]],
    page: Sequence[Group],
    width: float,
    pitch: float,
    limits: Mapping[str, float],
    look: Mapping[str, Look],
) -> Figure:
    heights = [pitch * len(group.setups) for group in page]
    n_panels = len(panels[page[0].title])
    with matplotlib.style.context(["default", STYLE]):
        size = (width, sum(heights) + HEAD * len(page) + 0.3)
        # Laid out at the resolution of the PNG: text is as wide as its pixels let it be
        figure = Figure(figsize=size, dpi=DPI, layout="constrained")
        grid = figure.subplots(len(page), n_panels, squeeze=False, height_ratios=heights)
        marks: set[str] = set()
        for group, axes in zip(page, grid, strict=True):
            for panel, ax in zip(panels[group.title], axes, strict=True):
                marks |= _bars(ax, group, panel, look, limits[panel.heading])
            axes[0].set_yticks(range(len(group.setups)), [label(setup) for setup in group.setups], parse_math=False)
            axes[0].set_title(plain(group.title), loc="left", fontweight="bold", parse_math=False)
        key = "      ".join(meaning for mark, meaning in MARKS.items() if mark in marks)
        figure.supxlabel(key, fontsize=7, x=0.01, ha="left", color=GREY)
        # Laid out once, for both formats
        figure.draw_without_rendering()
        figure.set_layout_engine(None)
    return figure


def _bars(ax: Axes, group: Group, panel: Panel, look: Mapping[str, Look], limit: float) -> set[str]:
    """Draws one panel, and gives the marks of `MARKS` that it has."""
    measured = [setup.measure(panel.path) for setup in group.setups]
    # Under the axis, which ends before the room for the numbers does
    ax.set_xlabel(panel.heading, x=0.5 / ROOM)
    # The first setup at the top
    ax.set_ylim(len(group.setups) - 0.4, -0.6)
    ax.set_xlim(0, limit * ROOM)
    ax.set_yticks([])
    ax.tick_params(axis="y", length=0)
    if all(one.mean is None for one in measured):
        _explain(ax, group, panel)
        return set()
    ax.set_xticks([0, 0.5, 1] if panel.limit else [tick for tick in ax.get_xticks() if tick <= limit * 1.001])
    ax.spines["bottom"].set_bounds(0, limit)
    ax.grid(axis="x", color=FAINT, linewidth=0.6)
    marks = set()
    for place, (setup, one) in enumerate(zip(group.setups, measured, strict=True)):
        if one.mean is None:
            mark = DASH if setup.ok else CROSS
            ax.text(limit * 0.02, place, mark, va="center", color=GREY)
            marks.add(mark)
            continue
        bar = one.mean * panel.scale
        ax.barh(
            place,
            bar,
            height=0.7,
            color=look[setup.method].colour,
            hatch=look[setup.method].hatch,
            edgecolor="black",
            linewidth=0.6,
        )
        dots = [seed * panel.scale for seed in one.by_seed]
        # Beside the interval, which lies in the middle
        beside = place + (0.2 if one.interval else 0.0)
        if len(dots) > 1:
            ax.plot(dots, [beside] * len(dots), linestyle="", marker="o", markersize=2.5, color="black", clip_on=False)
            marks.add(DOT)
        if one.interval:
            _whiskers(ax, place, one.interval, panel.scale)
            marks.add(one.interval.kind)
        end = (max(_reach(one)) * panel.scale, place)
        ax.annotate(panel.shown(bar), end, (3, 0), textcoords="offset points", va="center", fontsize=7, in_layout=False)
    return marks


def _explain(ax: Axes, group: Group, panel: Panel) -> None:
    """Why a panel has no bar, in the place of an empty axis."""
    reasons = dict.fromkeys(setup.measure(panel.path).reason for setup in group.setups if setup.ok)
    text = "; ".join(str(reason) for reason in reasons) or "no cell ended ok"
    # Ticks stay in the layout, unseen, so that the panel's name is level with its neighbours'
    ax.tick_params(axis="x", color="none", labelcolor="none")
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.text(
        0.5 / ROOM,
        0.5,
        textwrap.fill(plain(text), 15, max_lines=5),
        transform=ax.transAxes,
        ha="center",
        va="center",
        color=GREY,
        fontsize=7,
        style="italic",
        parse_math=False,
    )


def _whiskers(ax: Axes, place: float, interval: Interval, scale: float) -> None:
    low, high = interval.low * scale, interval.high * scale
    ax.hlines(place, low, high, color="black", linewidth=1.0, path_effects=HALO, clip_on=False)
    ax.vlines([low, high], place - 0.14, place + 0.14, color="black", linewidth=1.0, path_effects=HALO, clip_on=False)


def _reach(one: Measured) -> list[float]:
    """Everything that is drawn of a figure, unscaled."""
    return [*one.by_seed, *([] if one.mean is None else [one.mean]), *([one.interval.high] if one.interval else [])]


def _limits(panels: Mapping[str, Sequence[Panel]], found: Sequence[Group]) -> dict[str, float]:
    """Where the axes end, the same for all panels that show the same."""
    limits: dict[str, float] = {}
    for group in found:
        for panel in panels[group.title]:
            drawn = [value * panel.scale for setup in group.setups for value in _reach(setup.measure(panel.path))]
            limits[panel.heading] = max([limits.get(panel.heading, 0.0), panel.limit or 0.0, *drawn])
    return {heading: limit or 1.0 for heading, limit in limits.items()}
