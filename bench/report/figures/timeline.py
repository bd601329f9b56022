"""The figure of one cell: power and memory over time, with its phases shaded and named."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from matplotlib.ticker import MaxNLocator

from bench.phase import TINTS
from bench.report.compare.comparisons import Comparison
from bench.report.compare.quantities import MEMORIES, PEAK_POWER, Quantity
from bench.report.figures.axes import explain, hide_numbers, time_unit
from bench.report.figures.canvas import Canvas
from bench.report.figures.chart import Chart, Drawing, chart, styled
from bench.report.parallel import begin
from bench.report.read.cells import StoredCell
from bench.report.read.study import Study
from bench.report.wording import file_stem, listed, mid_sentence, printable
from bench.telemetry.trace import Series, Trace
from bench.telemetry.windows import Stretch

BAND, EDGE = "#4f7396", "#666666"

# All in inches
WIDTH, LEFT, RIGHT = 7.0, 0.62, 0.12
PLOT = WIDTH - LEFT - RIGHT
"""Width of a panel."""
STRIP = 0.09
"""Height of the strip of phases."""
NAMES = 0.33
"""Above the strip, for the names of the phases."""
PANEL, SENTENCE, GAP = 1.25, 0.28, 0.12
"""Heights of a panel with a line, of one with a sentence instead, and between panels."""
BELOW = 0.42
"""Below the lowest panel, for the axis of time."""
LETTER = 0.063
"""Width of a character of a phase's name, at most."""
COLUMN = 0.02
"""The shade behind the lines changes at most this often: hundreds of stretches would hide the lines."""


class _Panel(NamedTuple):
    """One quantity over time."""

    title: str
    series: Series | None
    peak: Quantity
    """Its peak in the record, which also has the unit."""


def traces(study: Study, comparisons: Sequence[Comparison]) -> Iterator[Chart]:
    """A figure for each cell that has a trace, in the order of the tables. `begin` says where they are drawn."""
    cells = [
        (cell, study.traces[cell.folder], f"{comparison.title}, {setup.label}, seed {cell.seed}")
        for comparison in comparisons
        for setup in comparison.setups
        for cell in setup.cells
        if cell.folder in study.traces
    ]
    return begin(_chart, cells)


def _chart(item: tuple[StoredCell, Trace, str]) -> Chart:
    cell, trace, title = item
    title += "" if cell.ok else f": {cell.ending}"
    alt = f"Power and memory over time, with the phases shaded: {title}."
    return chart(Drawing(trace_name(cell), title, alt, trace_figure(cell, trace, title)))


def untraced(study: Study) -> str:
    """How many cells have a figure if not all do, and how to get the others; empty if all do."""
    if not study.n_untraced:
        return ""
    n = len(study.cells)
    name = shlex.quote(printable(study.name))
    return (
        f"Power and memory over time are shown for {len(study.traces)} of the {n} cells, one seed of each setup "
        f"before the second of any. To see all: `tunebench report --study {name} --traces {n}`."
    )


def trace_name(cell: StoredCell) -> str:
    """Path of a cell's figure under `figures/`, without suffix."""
    return f"traces/{file_stem(*cell.folder.partition('/')[2].split('-'))}"


@styled
def trace_figure(cell: StoredCell, trace: Trace, title: str) -> Figure:
    """Power above memory, over the same axis of time; a sentence in place of a quantity without samples."""
    memory = _Panel("Process memory", trace.rss_bytes, MEMORIES[-1])
    if trace.device_bytes:
        memory = _Panel("GPU memory", trace.device_bytes, MEMORIES[0])
    panels = [_Panel("Power", trace.power_w, PEAK_POWER), memory]
    canvas = Canvas(WIDTH, _key(cell, trace, panels), BELOW - GAP)
    canvas.text(title, max_lines=2)
    canvas.skip(NAMES)
    canvas.row([(LEFT, PLOT)], STRIP)
    for panel in panels:
        canvas.row([(LEFT, PLOT)], PANEL if panel.series else SENTENCE)
        canvas.skip(GAP)
    figure, ((strip,), *rows) = canvas.build()
    shades = coarse(trace.phases, trace.edges_s[-1], round(PLOT / COLUMN))
    _draw_phases(strip, trace, shades)
    for panel, (ax,) in zip(panels, rows, strict=True):
        _draw_time(ax, trace)
        if panel.series:
            _shade(ax, shades)
            _draw(ax, trace, panel, panel.series)
        else:
            _explain(ax, cell, panel)
    ax.spines["bottom"].set_visible(True)
    ax.tick_params(axis="x", labelbottom=True, length=3)
    ax.set_xlabel(f"Time since the first phase began ({time_unit(trace.edges_s[-1]).symbol})")
    return figure


def _key(cell: StoredCell, trace: Trace, panels: Sequence[_Panel]) -> list[str]:
    """How to read the lines, and the peaks that the record has of them."""
    bin_s = trace.edges_s[-1] / (len(trace.edges_s) - 1)
    sentences = [f"The line is the mean of every {bin_s:.2g} s, the band reaches up to the largest sample."]
    peaks = [
        f"{mid_sentence(panel.peak.title)} {peak * panel.peak.scale:.4g} {panel.peak.unit}"
        for panel in panels
        if panel.series and (peak := panel.peak.get(cell)) is not None
    ]
    return [*sentences, f"Sampled over the whole cell: {listed(peaks)}."] if peaks else sentences


def _explain(ax: Axes, cell: StoredCell, panel: _Panel) -> None:
    hide_numbers(ax)
    ax.set_yticks([])
    lost = panel.peak.get(cell) is not None
    reason = "not in what is left of telemetry.jsonl" if lost else cell.reason(panel.peak.key)
    explain(ax, f"{panel.title}: {reason}", 120, max_lines=2)


def _draw(ax: Axes, trace: Trace, panel: _Panel, series: Series) -> None:
    mean, peak = series.mean * panel.peak.scale, series.peak * panel.peak.scale
    # Axes.stairs would look at every bin again, for limits that are known
    band = StepPatch(peak, trace.edges_s, baseline=mean, color=BAND, alpha=0.6, linewidth=0)  # type: ignore[arg-type]
    line = StepPatch(mean, trace.edges_s, baseline=None, fill=False, linewidth=0.9)  # type: ignore[arg-type]
    for artist in (band, line):
        ax.add_artist(artist)
    ax.set_ylim(0.0, 1.08 * np.nanmax(peak) or 1.0)
    ax.set_ylabel(f"{panel.title} ({panel.peak.unit})")
    ax.yaxis.set_label_coords(-0.42 / PLOT, 0.5)


def _draw_time(ax: Axes, trace: Trace) -> None:
    """The axis of time, with ticks at round numbers of its unit but without their labels."""
    end_s = trace.edges_s[-1]
    unit_s = time_unit(end_s).seconds
    ax.set_xlim(0.0, end_s)
    ticks = np.asarray(MaxNLocator(8, steps=[1, 2, 5, 10]).tick_values(0.0, end_s / unit_s)) * unit_s
    ax.set_xticks(ticks[ticks <= end_s])
    ax.xaxis.set_major_formatter(lambda at_s, _: f"{at_s / unit_s:g}")
    ax.tick_params(axis="x", labelbottom=False)


def _draw_phases(ax: Axes, trace: Trace, shades: Sequence[Stretch]) -> None:
    """A strip of all stretches, and each phase's name once, with a line to its longest stretch."""
    inch_s = trace.edges_s[-1] / PLOT
    ax.set(xlim=(0.0, trace.edges_s[-1]), ylim=(0.0, 1.0))
    ax.axis("off")
    _shade(ax, trace.phases)
    ax.vlines([stretch.start_s for stretch in shades], 0.0, 1.0, color=EDGE, linewidth=0.4)
    longest: dict[str, Stretch] = {}
    for stretch in trace.phases:
        longest[stretch.phase] = max(longest.get(stretch.phase, stretch), stretch, key=lambda each: each.seconds)
    named = sorted(longest.values(), key=_middle_s)
    anchors = [_middle_s(stretch) / inch_s for stretch in named]
    places = spread(anchors, [LETTER * (len(stretch.phase) + 1) for stretch in named], PLOT)
    top = 1.0 + NAMES / 2 / STRIP
    for stretch, anchor, place in zip(named, anchors, places, strict=True):
        ax.plot([place * inch_s, anchor * inch_s], [top, 1.0], color=EDGE, linewidth=0.5, clip_on=False)
        ax.text(place * inch_s, top + 0.1, stretch.phase, fontsize=7, ha="center", va="bottom")


def _middle_s(stretch: Stretch) -> float:
    return stretch.start_s + stretch.seconds / 2


def spread(anchors: Sequence[float], widths: Sequence[float], room: float) -> list[float]:
    """Centres for labels along a line: near their anchors, over no other label, and between 0 and `room`.

    Args:
        anchors: what each label belongs to, in rising order.
        widths: of the labels.
        room: where the line ends.
    """
    centres: list[float] = []
    free_from = 0.0
    for anchor, width in zip(anchors, widths, strict=True):
        centres.append(max(anchor, free_from + width / 2))
        free_from = centres[-1] + width / 2
    free_to = room
    for index in reversed(range(len(centres))):
        centres[index] = min(centres[index], free_to - widths[index] / 2)
        free_to = centres[index] - widths[index] / 2
    return centres


def coarse(stretches: Sequence[Stretch], end_s: float, n_columns: int) -> list[Stretch]:
    """Stretches that begin and end at columns of time: each column has the phase that takes most of it."""
    width_s = end_s / n_columns
    names = list(dict.fromkeys(stretch.phase for stretch in stretches))
    seconds = np.zeros((len(names), n_columns))
    edges_s = width_s * np.arange(n_columns + 1)
    for stretch in stretches:
        inside_s = np.clip(edges_s, stretch.start_s, stretch.start_s + stretch.seconds)
        seconds[names.index(stretch.phase)] += np.diff(inside_s)
    most = np.where(seconds.any(axis=0), seconds.argmax(axis=0), -1)
    changes = np.flatnonzero(np.diff(most)) + 1
    runs = zip([0, *changes], [*changes, n_columns], strict=True)
    return [Stretch(names[most[at]], edges_s[at], edges_s[to] - edges_s[at]) for at, to in runs if most[at] >= 0]


def _shade(ax: Axes, stretches: Sequence[Stretch]) -> None:
    spans = [(stretch.start_s, stretch.seconds) for stretch in stretches]
    colours = [TINTS[stretch.phase] for stretch in stretches]
    # Snapped to pixels, some of many narrow stretches would vanish
    behind: dict[str, Any] = {"linewidth": 0, "zorder": 0, "snap": False}
    ax.broken_barh(spans, (0.0, 1.0), facecolors=colours, transform=ax.get_xaxis_transform(), **behind)
