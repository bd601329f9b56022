"""The loss curves of one model: training loss and evaluation loss by step, for each setup that was trained."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bench.report.compare.comparisons import Comparison
from bench.report.compare.setups import Setup
from bench.report.figures.axes import axis_range, explain
from bench.report.figures.canvas import NOTE, Canvas
from bench.report.figures.chart import FAINT, styled
from bench.report.figures.looks import Look
from bench.report.figures.texts import continued, endings, legend, omissions, wrapped
from bench.report.read.cells import StoredCell
from bench.report.read.losses import Floats, Losses
from bench.report.wording import counted, mid_sentence

SETUPS = 6
"""The most in one row of panels: more lines cannot be told apart."""
ROWS = 5
"""Rows of panels on a page."""
WINDOW = 20
"""Training losses are smoothed over one part in so many of the training."""
STROKES = (("-", 0.0), ((0, (5, 1.5)), -0.45), ((0, (1.2, 1.2)), 0.5))
"""Distinguish setups of one method in one row: dashes, and how much lighter (or, below zero, darker) the colour is."""
FAR_APART = 50
"""If the largest loss is more than this many times the smallest, the axis is logarithmic."""

THICK: dict[str, Any] = {"linewidth": 1.5, "markersize": 4.5, "markeredgecolor": "black", "markeredgewidth": 0.5}
"""Lines of means."""

# All in inches
WIDTH, LEFT, PANEL, GAP = 8.6, 0.6, 2.72, 0.28
HEIGHT, BETWEEN = 1.75, 0.17
BELOW = 0.42
"""Below the last row, for its axes."""
BESIDE = 0.43
"""From an axis at the left to its title."""


class Curve(NamedTuple):
    """Losses by step, in nats per token."""

    steps: Floats
    losses: Floats


EMPTY = Curve(np.array([]), np.array([]))


class _Trained(NamedTuple):
    """The curves of one setup, one for each of its cells; `EMPTY` where a cell has no losses."""

    setup: Setup
    raw: list[Curve]
    """The training losses as the cells kept them."""
    training: list[Curve]
    """The same, smoothed."""
    evaluation: list[Curve]

    @property
    def curves(self) -> list[Curve]:
        """Those that are drawn in full, with at least a point."""
        return [curve for curve in (*self.training, *self.evaluation) if len(curve.steps)]


Row = Sequence[tuple[_Trained, dict[str, Any]]]
"""The setups in one row of panels, and how the lines of each are drawn."""


@styled
def curves_figures(comparison: Comparison, losses: Mapping[str, Losses], looks: Mapping[str, Look]) -> list[Figure]:
    """Pages of panels; none if no cell has losses.

    Args:
        comparison: the setups of one model.
        losses: training losses by the cell's folder.
        looks: looks by method.
    """
    every = [_trained(setup, losses) for setup in comparison.setups]
    trained = [each for each in every if each.curves]
    key = _key([each.setup for each in trained], [each.setup for each in every if not each.curves], losses)
    rows, limits = _rows(trained, looks), _limits(trained)
    return [_page(comparison.title, rows[at : at + ROWS], limits, key) for at in range(0, len(rows), ROWS)]


def smooth(losses: Floats) -> Floats:
    """The mean over a window around each point, narrower at both ends. NaN stays NaN, and counts for no mean."""
    half = len(losses) // (2 * WINDOW)
    ones = np.ones(2 * half + 1)
    known = np.isfinite(losses)
    sums = np.convolve(np.where(known, losses, 0.0), ones)[half : half + len(losses)]
    counts = np.convolve(known.astype(float), ones)[half : half + len(losses)]
    return np.where(known, sums / np.maximum(counts, 1.0), np.nan)


def average(curves: Sequence[Curve]) -> Curve:
    """The mean over curves, at the steps of all of them that lie inside each; between its points a curve is straight.

    Curves without a finite loss are left out.
    """
    known = [curve for curve in map(_finite, curves) if len(curve.steps)]
    if not known:
        return EMPTY
    first, last = max(curve.steps[0] for curve in known), min(curve.steps[-1] for curve in known)
    steps = np.unique(np.concatenate([curve.steps for curve in known]))
    steps = steps[(first <= steps) & (steps <= last)]
    return Curve(steps, np.mean([np.interp(steps, *curve) for curve in known], axis=0))


def _finite(curve: Curve) -> Curve:
    known = np.isfinite(curve.losses)
    return Curve(curve.steps[known], curve.losses[known])


def _trained(setup: Setup, losses: Mapping[str, Losses]) -> _Trained:
    kept = [losses.get(cell.folder) for cell in setup.cells]
    raw = [Curve(each.steps, each.losses) if each else EMPTY for each in kept]
    smoothed = [Curve(each.steps, smooth(each.losses)) if each else EMPTY for each in kept]
    return _Trained(setup, raw, smoothed, [_evaluations(cell) for cell in setup.cells])


def _evaluations(cell: StoredCell) -> Curve:
    evaluations = cell.record.training.evaluations if cell.record.training else ()
    finite = [(each.step, each.loss) for each in evaluations if each.loss is not None]
    return Curve(*np.array(finite, dtype=float).T) if finite else EMPTY


def _limits(trained: Iterable[_Trained]) -> dict[str, Any]:
    """What the axes of all panels have in common. The raw losses, faint in the background, may exceed them."""
    curves = [curve for each in trained for curve in each.curves]
    last_step = max((curve.steps[-1] for curve in curves), default=1.0)
    losses = [loss for curve in curves for loss in curve.losses.tolist() if np.isfinite(loss)]
    scale, ends = axis_range(losses or [0.0, 1.0], 0.06, FAR_APART)
    return {"xlim": (0.0, 1.03 * last_step), "yscale": scale, "ylim": ends}


def _rows(trained: Sequence[_Trained], looks: Mapping[str, Look]) -> list[Row]:
    rows: list[list[tuple[_Trained, dict[str, Any]]]] = []
    for each in trained:
        alike = sum(other.setup.method == each.setup.method for other, _ in rows[-1]) if rows else 0
        if not rows or len(rows[-1]) == SETUPS or alike == len(STROKES):
            rows.append([])
            alike = 0
        rows[-1].append((each, _style(looks[each.setup.method], *STROKES[alike])))
    return list(rows)


def _style(look: Look, dashes: Any, lighter: float) -> dict[str, Any]:
    target = 1.0 if lighter > 0 else 0.0
    colour = tuple(part + abs(lighter) * (target - part) for part in to_rgb(look.colour))
    return {"color": colour, "linestyle": dashes, "marker": look.marker}


def _page(title: str, rows: Sequence[Row], limits: Mapping[str, Any], key: Sequence[str]) -> Figure:
    canvas = Canvas(WIDTH, key, BELOW - BETWEEN)
    canvas.text(title, max_lines=2)
    canvas.skip(0.06 + NOTE.line)
    for _ in rows:
        canvas.row([(LEFT, PANEL), (LEFT + PANEL + GAP, PANEL)], HEIGHT)
        canvas.skip(BETWEEN)
    figure, grid = canvas.build()
    for ax, heading in zip(grid[0], ("Training loss", "Evaluation loss"), strict=True):
        ax.set_title(heading, loc="left", fontsize=8, y=1.0)
    for row, axes in zip(rows, grid, strict=True):
        _draw_training(axes[0], row)
        _draw_evaluation(axes[1], row)
        axes[0].set_ylabel("Loss (nats per token)")
        axes[0].yaxis.set_label_coords(-BESIDE / PANEL, 0.5)
        for ax in axes:
            ax.set(**limits)
            ax.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
            ax.grid(color=FAINT, linewidth=0.6)
            ax.tick_params(which="both", labelleft=ax is axes[0], labelbottom=row is rows[-1])
        _legend(axes[1], row)
    for ax in grid[-1]:
        ax.set_xlabel("Step")
    return figure


def _draw_training(ax: Axes, row: Row) -> None:
    for index, (each, style) in enumerate(row):
        # One line with gaps, which is quicker to draw than a line for each seed
        steps = [step for curve in each.raw for step in (*curve.steps, np.nan)]
        losses = [loss for curve in each.raw for loss in (*curve.losses, np.nan)]
        ax.plot(steps, losses, color=style["color"], alpha=0.22, linewidth=0.5, gid="raw", zorder=1)
        _draw_seeds(ax, each.training, style | {"marker": ""})
        for cell, curve in zip(each.setup.cells, map(_finite, each.training), strict=True):
            if not cell.ok and len(curve.steps):
                end = curve.steps[-1], curve.losses[-1]
                ax.plot(*end, "x", color=style["color"], markersize=6, gid="end", clip_on=False)
        mean = _mean(each.setup, each.training)
        # Markers at other steps than those of the other setups
        every = max(1, len(mean.steps) // 5)
        _draw_mean(ax, mean, style, markevery=((every * (2 * index + 1)) // (2 * len(row)), every))
    if not any(len(curve.steps) for each, _ in row for curve in each.training):
        explain(ax, "no cell kept its training loss", 30)


def _draw_evaluation(ax: Axes, row: Row) -> None:
    for each, style in row:
        _draw_seeds(ax, each.evaluation, style, markersize=3, markeredgewidth=0)
        _draw_mean(ax, _mean(each.setup, each.evaluation), style)
    if not any(len(curve.steps) for each, _ in row for curve in each.evaluation):
        explain(ax, "no evaluation took place during the training", 30)


def _mean(setup: Setup, curves: Sequence[Curve]) -> Curve:
    """Over the cells that ended ok."""
    return average([curve for cell, curve in zip(setup.cells, curves, strict=True) if cell.ok])


def _draw_seeds(ax: Axes, curves: Iterable[Curve], style: Mapping[str, Any], **markers: Any) -> None:
    for curve in curves:
        if len(curve.steps):
            ax.plot(*curve, linewidth=0.6, alpha=0.8, gid="seed", zorder=2, **style, **markers)


def _draw_mean(ax: Axes, mean: Curve, style: Mapping[str, Any], **markers: Any) -> None:
    if len(mean.steps):
        ax.plot(*mean, gid="mean", zorder=3, **THICK, **style, **markers)


def _legend(ax: Axes, row: Row) -> None:
    """Say beside the panels which lines are of which setup."""
    lines = [Line2D([], [], **THICK, **style) for _, style in row]
    corner: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.03, 1.05), "bbox_transform": ax.transAxes}
    legend(ax.figure, lines, [_entry(each.setup) for each, _ in row], handlelength=3.2, labelspacing=0.45, **corner)


def _entry(setup: Setup) -> str:
    """A setup and how many of its seeds ended ok, or how its cells ended if none did."""
    # "3" at the end of a line and "seeds" on the next would be hard to read
    seeds = counted(len(setup.ok), "seed") if setup.ok else endings(setup)
    return "\n".join(continued(wrapped(setup.label, 28, 3), seeds, 28))


def _key(trained: Sequence[Setup], untrained: Sequence[Setup], losses: Mapping[str, Losses]) -> list[str]:
    """How to read the lines, and which setups have none."""
    sentences = []
    if any(len(setup.ok) > 1 for setup in trained):
        sentences.append("Thick lines are means over seeds, thin lines are single seeds.")
    cells = [cell for setup in trained for cell in setup.cells if cell.folder in losses]
    stretches = sorted({losses[cell.folder].stretch for cell in cells})
    if stretches:
        steps = "step" if stretches == [1] else f"{' or '.join(map(str, stretches))} steps"
        smoothed = f"Other lines of training loss are smoothed over {100 // WINDOW} % of the training"
        sentences.append(f"Faint lines are the training loss of every {steps}. {smoothed}.")
    if any(not cell.ok for cell in cells):
        sentences.append("A cross marks where a cell stopped that did not end ok.")
    return sentences + omissions("Without a curve", {setup.label: _reason(setup) for setup in untrained})


def _reason(setup: Setup) -> str:
    cell = setup.cells[0]
    if not cell.ok:
        return cell.ending
    return "it kept no losses" if cell.record.training else mid_sentence(cell.reason("training"))
