"""The charts of a report: scores by method, and power and memory by method, a row of panels for each model.

Bars are labelled where they stand, so that neither colour nor a legend is needed to read them; colour and hatching
only help to find a method again in another panel.
"""

import io
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.report.load import Study
from bench.report.render import DASH, fixed
from bench.report.setups import Group, Setup, groups
from bench.report.tables import SCORES
from bench.report.words import MEMORIES, STATUSES, listed

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
"""Okabe and Ito's palette for the colour-blind, without black."""
HATCHES = ("", "///", "...", "\\\\\\", "xxx")
"""One fewer than would repeat with the colours: 35 methods before two look the same."""

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "hatch.linewidth": 0.5,
    # Type 42 (TrueType): publishers refuse matplotlib's own Type 3
    "pdf.fonttype": 42,
}
CROSS = "\N{MULTIPLICATION SIGN}"
DOT = "dot"
MARKS = {
    DOT: "bar: mean over seeds, dots: single seeds",
    CROSS: f"{CROSS}: did not end ok",
    DASH: f"{DASH}: not measured, the table says why",
}
"""What the marks of a figure mean."""
DPI = 150
ROOM = 1.4
"""How much wider than its axis a panel is, for the number behind the longest bar."""
LABEL_WIDTH = 26
"""Characters of a method's label on one line."""


@dataclass(frozen=True)
class Chart:
    """One figure of the report."""

    name: str
    """Path of its files under `figures/`, without suffix."""
    title: str
    alt: str
    """What it shows, for who cannot see it."""
    png: bytes
    pdf: bytes


@dataclass(frozen=True)
class Panel:
    """One figure of the record, drawn for every setup of a group."""

    path: str
    heading: str
    shown: Callable[[float], str]
    scale: float = 1.0
    limit: float | None = None
    """Where the axis ends; null for wherever the largest bar of all groups does."""


def charts(study: Study) -> list[Chart]:
    """The study's charts, at least one group of cells given."""
    found = groups(study.cells)
    models = listed(group.title for group in found)
    names = listed(SCORES.values())
    scores, costs = scores_figure(found), costs_figure(found)
    return [
        chart("scores", "Scores by method", f"Bars of {names} by method, for {models}.", scores),
        chart("costs", "Power and memory by method", f"Bars of peak power and memory by method, for {models}.", costs),
    ]


def scores_figure(found: list[Group]) -> Figure:
    """Six panels, one for each of the study's scores, for each group."""
    panels = [Panel(path, title, fixed(3), limit=1.0) for path, title in SCORES.items()]
    return _draw([(group, panels) for group in found], panel_width=1.45)


def costs_figure(found: list[Group]) -> Figure:
    """A panel for the peak power and one for the peak memory that the group's table has, for each group."""
    power = Panel("power.peak_sampled_power_w", "Peak power (W)", fixed(1))
    memories = [Panel(group.memory, f"{MEMORIES[group.memory][0]} (GB)", fixed(2), scale=1e-9) for group in found]
    return _draw([(group, [power, memory]) for group, memory in zip(found, memories, strict=True)], panel_width=3.0)


def _draw(found: list[tuple[Group, list[Panel]]], panel_width: float) -> Figure:
    setups = [setup for group, _ in found for setup in group.setups]
    methods = list(dict.fromkeys(setup.method for setup in setups))
    limits = _limits(found)
    n_panels = len(found[0][1])
    labels = [_label(setup).split("\n") for setup in setups]
    # In inches, for letters of 8 points: the labels get their own room, so that panels are as wide in every study
    width = panel_width * n_panels + 0.07 * max(len(line) for label in labels for line in label)
    pitch = 0.08 + 0.16 * max(len(label) for label in labels)
    heights = [pitch * len(group.setups) for group, _ in found]
    with matplotlib.style.context(["default", STYLE]):
        size = (width, sum(heights) + 0.75 * len(found) + 0.3)
        # Laid out at the resolution of the PNG: text is as wide as its pixels let it be
        figure = Figure(figsize=size, dpi=DPI, layout="constrained")
        grid = figure.subplots(len(found), n_panels, squeeze=False, height_ratios=heights)
        marks: set[str] = set()
        for (group, panels), axes in zip(found, grid, strict=True):
            for panel, ax in zip(panels, axes, strict=True):
                marks |= _bars(ax, group, panel, methods, limits[panel.heading])
            names = [_label(setup) for setup in group.setups]
            axes[0].set_yticks(range(len(names)), names, parse_math=False)
            axes[0].set_title(plain(group.title), loc="left", fontweight="bold", parse_math=False)
        key = "      ".join(meaning for mark, meaning in MARKS.items() if mark in marks)
        figure.supxlabel(key, fontsize=7, x=0.01, ha="left", color="#444444")
        # Laid out once, for both formats
        figure.draw_without_rendering()
        figure.set_layout_engine(None)
    return figure


def _bars(ax: Axes, group: Group, panel: Panel, methods: list[str], limit: float) -> set[str]:
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
    ax.grid(axis="x", color="#dddddd", linewidth=0.6)
    marks = set()
    for place, (setup, one) in enumerate(zip(group.setups, measured, strict=True)):
        if one.mean is None:
            mark = DASH if setup.ok else CROSS
            ax.text(limit * 0.02, place, mark, va="center", color="#444444")
            marks.add(mark)
            continue
        look = methods.index(setup.method)
        bar = one.mean * panel.scale
        ax.barh(
            place,
            bar,
            height=0.7,
            color=COLOURS[look % len(COLOURS)],
            hatch=HATCHES[look % len(HATCHES)],
            edgecolor="black",
            linewidth=0.6,
        )
        dots = [seed * panel.scale for seed in one.by_seed]
        if len(dots) > 1:
            ax.plot(dots, [place] * len(dots), linestyle="", marker="o", markersize=2.5, color="black", clip_on=False)
            marks.add(DOT)
        end = (max(bar, *dots), place)
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
        color="#444444",
        fontsize=7,
        style="italic",
        parse_math=False,
    )


def _limits(found: list[tuple[Group, list[Panel]]]) -> dict[str, float]:
    """Where the axes end, the same for all panels that show the same."""
    limits: dict[str, float] = {}
    for group, panels in found:
        for panel in panels:
            bars = [value * panel.scale for setup in group.setups for value in setup.measure(panel.path).by_seed]
            limits[panel.heading] = max([limits.get(panel.heading, 0.0), panel.limit or 0.0, *bars])
    return {heading: limit or 1.0 for heading, limit in limits.items()}


def _label(setup: Setup) -> str:
    """A setup's name beside its bars; one that has none says how it ended."""
    lines = textwrap.wrap(plain(setup.label), LABEL_WIDTH, max_lines=3)
    if not setup.ok:
        lines += textwrap.wrap(listed(dict.fromkeys(STATUSES[cell["status"]] for cell in setup.cells)), LABEL_WIDTH)
    return "\n".join(lines)


def plain(text: str) -> str:
    """Text that the font has every character of."""
    return text.encode("ascii", "backslashreplace").decode()


def chart(name: str, title: str, alt: str, figure: Figure) -> Chart:
    """A drawn figure in both formats, the same bytes for the same figure."""
    png, pdf = io.BytesIO(), io.BytesIO()
    with matplotlib.style.context(["default", STYLE]):
        # With the date and matplotlib's version, no two runs would give the same bytes
        figure.savefig(png, format="png", metadata={"Software": None})
        own = {"CreationDate": None, "Creator": None, "Producer": None}
        figure.savefig(pdf, format="pdf", metadata=own | {"Title": plain(title)})
    return Chart(name, title, alt, png.getvalue(), pdf.getvalue())
