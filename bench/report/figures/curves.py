"""The loss curves of one model: training loss and evaluation loss by step, for each setup that was trained."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bench.report.compare.comparisons import Comparison
from bench.report.compare.setups import Setup
from bench.report.figures.canvas import NOTE, Canvas
from bench.report.figures.chart import FAINT, GREY, STYLE, plain
from bench.report.figures.layout import label
from bench.report.figures.looks import Look
from bench.report.read.cells import StoredCell
from bench.report.read.losses import Floats, Losses
from bench.report.wording import counted, mid_sentence

SETUPS = 6
"""In one row of panels: of more, lines can no longer be told apart."""
ROWS = 5
"""Of panels on a page."""
SHARE = 20
"""Lines are smoothed over one part in so many of the training."""
STROKES = (("-", 0.0), ((0, (5, 1.5)), -0.45), ((0, (1.2, 1.2)), 0.5))
"""By which setups of one method in one row are told apart, the first that of most: dashes, and how much lighter the
colour is; what is below zero is darker."""
SPAN = 50
"""A group whose largest loss is more than so many times its smallest has a logarithmic axis."""

# All in inches
WIDTH = 8.6
LEFT, PANEL, GAP = 0.6, 2.72, 0.28
HEIGHT, BETWEEN = 1.75, 0.17
BELOW = 0.42
"""Of the last row, for its axes."""
BESIDE = 0.43
"""From an axis at the left to its name."""


class Stroke(NamedTuple):
    """How the lines of one setup are drawn."""

    colour: tuple[float, float, float]
    marker: str
    dashes: Any


class Curve(NamedTuple):
    """Loss by step; both arrays are parallel."""

    steps: Floats
    losses: Floats


def curves_figures(group: Comparison, losses: Mapping[str, Losses], look: Mapping[str, Look]) -> list[Figure]:
    """Pages of panels; none if no cell of the group told of a loss.

    Args:
        group: the setups of one model.
        losses: training losses by the cell's folder.
        look: of each method.
    """
    shown = [setup for setup in group.setups if any(_is_told(cell, losses) for cell in setup.cells)]
    rows = _rows(shown)
    drawn = [rows[at : at + ROWS] for at in range(0, len(rows), ROWS)]
    limits = _limits(shown, losses)
    silent = [setup for setup in group.setups if setup not in shown]
    return [_page(group, page, silent, losses, look, limits) for page in drawn]


def smooth(losses: Floats) -> Floats:
    """The mean of each point's surroundings, a part in `SHARE` wide, narrower at the ends; NaN where the point is."""
    half = len(losses) // (2 * SHARE)
    width = np.ones(2 * half + 1)
    known = np.isfinite(losses)
    sums = np.convolve(np.where(known, losses, 0.0), width)[half : half + len(losses)]
    counts = np.convolve(known.astype(float), width)[half : half + len(losses)]
    return np.where(known, sums / np.maximum(counts, 1.0), np.nan)


def average(curves: Sequence[Curve]) -> Curve:
    """The mean at every step that all curves have reached and none has passed; between its points a curve is straight.

    Without a curve that has a point, there is no step.
    """
    finite = [Curve(*(array[np.isfinite(curve.losses)] for array in curve)) for curve in curves]
    known = [curve for curve in finite if len(curve.steps)]
    if not known:
        return Curve(np.array([]), np.array([]))
    low, high = max(curve.steps[0] for curve in known), min(curve.steps[-1] for curve in known)
    steps = np.unique(np.concatenate([curve.steps for curve in known]))
    steps = steps[(low <= steps) & (steps <= high)]
    return Curve(steps, np.mean([np.interp(steps, *curve) for curve in known], axis=0))


def _is_told(cell: StoredCell, losses: Mapping[str, Losses]) -> bool:
    return cell.folder in losses or len(_evaluations(cell).steps) > 0


def _evaluations(cell: StoredCell) -> Curve:
    """Of the evaluations whose loss is finite."""
    told = [
        each for each in (cell.record.training.evaluations if cell.record.training else ()) if each.loss is not None
    ]
    return Curve(np.array([each.step for each in told], float), np.array([each.loss for each in told], float))


def _training(cell: StoredCell, losses: Mapping[str, Losses]) -> Curve | None:
    """Smoothed."""
    found = losses.get(cell.folder)
    return Curve(found.steps, smooth(found.losses)) if found else None


def _limits(shown: Sequence[Setup], losses: Mapping[str, Losses]) -> tuple[float, float, float]:
    """The last step, and the smallest and the largest loss that is drawn as more than a faint line."""
    curves = [_evaluations(cell) for setup in shown for cell in setup.cells]
    curves += filter(None, (_training(cell, losses) for setup in shown for cell in setup.cells))
    steps = [curve.steps[-1] for curve in curves if len(curve.steps)]
    values = np.concatenate([curve.losses[np.isfinite(curve.losses)] for curve in curves] or [np.array([])])
    if not len(values):
        return max(steps, default=1.0), 0.0, 1.0
    return max(steps), float(values.min()), float(values.max())


def _rows(shown: Sequence[Setup]) -> list[list[Setup]]:
    rows: list[list[Setup]] = []
    for setup in shown:
        alike = sum(other.method == setup.method for other in rows[-1]) if rows else 0
        if not rows or len(rows[-1]) == SETUPS or alike == len(STROKES):
            rows.append([])
        rows[-1].append(setup)
    return rows


def _page(
    group: Comparison,
    rows: Sequence[Sequence[Setup]],
    silent: Sequence[Setup],
    losses: Mapping[str, Losses],
    look: Mapping[str, Look],
    limits: tuple[float, float, float],
) -> Figure:
    key = _key(rows, silent, losses)
    heading = textwrap.wrap(plain(group.title), 80, max_lines=2)
    canvas = Canvas(WIDTH, key, BELOW - BETWEEN)
    canvas.text(heading)
    canvas.skip(0.06 + NOTE[1])
    for _ in rows:
        canvas.row([(LEFT, PANEL), (LEFT + PANEL + GAP, PANEL)], HEIGHT)
        canvas.skip(BETWEEN)
    with matplotlib.style.context(["default", STYLE]):
        figure, grid = canvas.build()
        for ax, title in zip(grid[0], ("Training loss", "Evaluation loss"), strict=True):
            ax.set_title(title, loc="left", fontsize=8, y=1.0)
        for row, (training, evaluation) in zip(rows, grid, strict=True):
            strokes = _strokes(row, look)
            _draw_training(training, row, losses, strokes, limits)
            _draw_evaluations(evaluation, row, strokes, limits)
            _name(evaluation, row, strokes)
        _number(grid)
    return figure


def _strokes(row: Sequence[Setup], look: Mapping[str, Look]) -> list[Stroke]:
    strokes = []
    for at, setup in enumerate(row):
        dashes, lighter = STROKES[sum(other.method == setup.method for other in row[:at])]
        aim = 1.0 if lighter > 0 else 0.0
        red, green, blue = (
            (1 - abs(lighter)) * part + abs(lighter) * aim for part in to_rgb(look[setup.method].colour)
        )
        strokes.append(Stroke((red, green, blue), look[setup.method].marker, dashes))
    return strokes


def _draw_training(
    ax: Axes,
    row: Sequence[Setup],
    losses: Mapping[str, Losses],
    strokes: Sequence[Stroke],
    limits: tuple[float, float, float],
) -> None:
    drawn = False
    for place, (setup, stroke) in enumerate(zip(row, strokes, strict=True)):
        told = [(cell, curve) for cell in setup.cells if (curve := _training(cell, losses))]
        drawn = drawn or bool(told)
        # One line with gaps: of the smoothed ones there are many enough
        steps = [step for _, curve in told for step in (*curve.steps, np.nan)]
        raw = [loss for cell, _ in told for loss in (*losses[cell.folder].losses, np.nan)]
        ax.plot(steps, raw, color=stroke.colour, alpha=0.22, linewidth=0.5, gid="raw", zorder=1)
        for cell, curve in told:
            _thin(ax, curve, stroke)
            if not cell.ok:
                _end(ax, curve, stroke)
        mean = average([curve for cell in setup.ok if (curve := _training(cell, losses))])
        # Its marks at other steps than the other setups' marks
        every = max(1, len(mean.steps) // 5)
        _thick(ax, mean, stroke, markevery=((every * (2 * place + 1)) // (2 * len(row)), every))
    _axes(ax, limits, drawn, "no cell kept its training loss")


def _draw_evaluations(
    ax: Axes, row: Sequence[Setup], strokes: Sequence[Stroke], limits: tuple[float, float, float]
) -> None:
    drawn = False
    for setup, stroke in zip(row, strokes, strict=True):
        for curve in map(_evaluations, setup.cells):
            drawn = drawn or len(curve.steps) > 0
            _thin(ax, curve, stroke, marker=stroke.marker, markersize=3, markeredgewidth=0)
        _thick(ax, average([_evaluations(cell) for cell in setup.ok]), stroke)
    _axes(ax, limits, drawn, "no evaluation took place during the training")


def _thin(ax: Axes, curve: Curve, stroke: Stroke, **marks: Any) -> None:
    if len(curve.steps):
        look = {"color": stroke.colour, "linestyle": stroke.dashes, "linewidth": 0.6, "alpha": 0.8}
        ax.plot(*curve, gid="seed", zorder=2, **look, **marks)


def _thick(ax: Axes, curve: Curve, stroke: Stroke, **marks: Any) -> None:
    if len(curve.steps):
        ax.plot(*curve, gid="mean", zorder=3, **_marked(stroke), **marks)


def _marked(stroke: Stroke) -> dict[str, Any]:
    marks = {"marker": stroke.marker, "markersize": 4.5, "markeredgecolor": "black", "markeredgewidth": 0.5}
    return marks | {"color": stroke.colour, "linestyle": stroke.dashes, "linewidth": 1.5}


def _end(ax: Axes, curve: Curve, stroke: Stroke) -> None:
    """A cross where the curve of a cell that did not end ok does."""
    known = np.flatnonzero(np.isfinite(curve.losses))
    if len(known):
        last = known[-1]
        ax.plot(curve.steps[last], curve.losses[last], "x", color=stroke.colour, markersize=6, gid="end", clip_on=False)


def _axes(ax: Axes, limits: tuple[float, float, float], drawn: bool, otherwise: str) -> None:
    """The same in all panels of a group, so that they compare; a sentence in the place of an empty one."""
    last, low, high = limits
    if not drawn:
        ax.axis("off")
        text = textwrap.fill(otherwise, 30)
        ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, color=GREY)
        return
    ax.set_xlim(0.0, 1.03 * last)
    if low > 0 and high > SPAN * low:
        ax.set_yscale("log")
        ax.set_ylim(low / 1.3, high * 1.3)
    else:
        # As much as the lines need, and at least some: all losses may be equal
        room = 0.06 * (high - low) or 0.1 * high or 1.0
        ax.set_ylim(low - room, high + room)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    ax.grid(color=FAINT, linewidth=0.6)
    ax.tick_params(which="both", labelleft=False, labelbottom=False)
    ax.yaxis.set_label_coords(-BESIDE / PANEL, 0.5)


def _number(grid: Sequence[Sequence[Axes]]) -> None:
    """Numbers at the left and below alone, as all panels have the same: where nothing is drawn, at the next one."""
    for row in grid:
        for ax in [ax for ax in row if ax.axison][:1]:
            ax.tick_params(which="both", labelleft=True)
            ax.set_ylabel("Loss (nats per token)")
    for column in zip(*grid, strict=True):
        for ax in [ax for ax in column if ax.axison][-1:]:
            ax.tick_params(which="both", labelbottom=True)
            ax.set_xlabel("Step")


def _name(ax: Axes, row: Sequence[Setup], strokes: Sequence[Stroke]) -> None:
    """Whose line is whose, beside the panels."""
    lines = [Line2D([], [], **_marked(stroke)) for stroke in strokes]
    legend = ax.figure.legend(
        lines,
        [_title(setup) for setup in row],
        loc="upper left",
        bbox_to_anchor=(1.03, 1.05),
        bbox_transform=ax.transAxes,
        handlelength=3.2,
        labelspacing=0.45,
        frameon=False,
        fontsize=7,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _title(setup: Setup) -> str:
    """A setup and how many seeds of it ended ok; how its cells ended if none did."""
    lines = textwrap.wrap(plain(setup.label), 28, max_lines=2, placeholder="...")
    said = counted(len(setup.ok), "seed") if setup.ok else label(setup).split("\n")[-1]
    lines[-1] += ","
    # Not torn apart: "3" at the end of a line says nothing
    whole = f"{lines[-1]} {said}"
    return "\n".join([*lines[:-1], whole] if len(whole) <= 28 else [*lines, *textwrap.wrap(said, 28)])


def _key(rows: Sequence[Sequence[Setup]], silent: Sequence[Setup], losses: Mapping[str, Losses]) -> list[str]:
    """How to read the lines, and whose are not there."""
    shown = [setup for row in rows for setup in row]
    cells = [cell for setup in shown for cell in setup.cells]
    told = []
    if any(len(setup.ok) > 1 for setup in shown):
        told.append("Thick: mean over seeds, thin: single seeds.")
    stretches = sorted({losses[cell.folder].stretch for cell in cells if cell.folder in losses})
    if stretches:
        words = "step" if stretches == [1] else f"{' or '.join(map(str, stretches))} steps"
        told.append(f"Faint: training loss of every {words}; other lines of it are smoothed over {100 // SHARE} % of")
        told[-1] += " the training."
    if any(not cell.ok and cell.folder in losses for cell in cells):
        told.append("Cross: the cell did not end ok there.")
    whys: dict[str, list[str]] = {}
    for setup in silent:
        whys.setdefault(_why(setup), []).append(plain(setup.label))
    for why, names in whys.items():
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        told.append(f"Without a curve: {', '.join(names[:4])}{more} ({why}).")
    return textwrap.wrap(" ".join(told), 150)


def _why(setup: Setup) -> str:
    cell = setup.cells[0]
    if cell.ok and cell.record.training:
        return "it kept no losses"
    return plain(mid_sentence(cell.reason("training"))) if cell.ok else plain(cell.ending)
