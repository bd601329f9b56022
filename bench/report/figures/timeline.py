"""The figure of one cell: power and memory over time, with its phases shaded and named."""

import shlex
import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from matplotlib.ticker import MaxNLocator

from bench.phase import TINTS
from bench.report.compare.comparisons import Comparison
from bench.report.compare.quantities import MEMORIES, PEAK_POWER, Quantity
from bench.report.figures.canvas import Canvas
from bench.report.figures.chart import GREY, STYLE, Chart, Drawn, chart, plain
from bench.report.parallel import begin
from bench.report.read.cells import StoredCell
from bench.report.read.study import Study
from bench.report.wording import file_stem, printable
from bench.telemetry.trace import Series, Trace
from bench.telemetry.windows import Stretch

BAND = "#4f7396"

# All in inches
WIDTH = 7.0
LEFT, RIGHT = 0.62, 0.12
STRIP = 0.09
NAMES = 0.33
"""Above the strip, for the phases' names."""
BELOW = 0.42
"""Below the lowest panel, for the axis of time."""
PANEL = 1.25
SENTENCE = 0.28
GAP = 0.12
LETTER = 0.063
"""Width of a letter of the phases' names, generously."""
COLUMN = 0.02
"""Behind the lines, the shade changes at most so often: hundreds of stretches would hide what is drawn over them."""


class Panel(NamedTuple):
    """One quantity over time."""

    series: Series | None
    quantity: str
    unit: str
    scale: float
    """What a number of the series is multiplied with before it is shown in `unit`."""
    quantity_of_peak: Quantity
    """Its peak in the record."""
    peak: str
    """What that is called."""


def traces(study: Study, found: Sequence[Comparison]) -> Iterator[Chart]:
    """A figure for each cell that has a trace, in the order of the tables; begun as `begin` does."""
    wanted = []
    for group in found:
        for setup in group.setups:
            for cell in setup.cells:
                trace = study.traces.get(cell.folder)
                if trace is None:
                    continue
                ended = "" if cell.ok else f": {cell.ending}"
                title = f"{group.title}, {setup.label}, seed {cell.seed}{ended}"
                wanted.append((cell, trace, title))
    return begin(_trace_chart, wanted)


def left_out(study: Study) -> str:
    """Which cells have no figure though they may have a trace, and how to get one; empty if there are none."""
    if not study.n_untraced:
        return ""
    n = len(study.cells)
    name = shlex.quote(printable(study.name))
    return (
        f"Power and memory over time are shown for {len(study.traces)} of the {n} cells, one seed of each setup "
        f"before the second of any. To see all: `python -m bench.report --study {name} --traces {n}`."
    )


def _trace_chart(wanted: tuple[StoredCell, Trace, str]) -> Chart:
    cell, trace, title = wanted
    alt = f"Power and memory over time, with the phases shaded: {title}."
    return chart(Drawn(trace_name(cell), title, alt, trace_figure(cell, trace, title)))


def trace_name(cell: StoredCell) -> str:
    """Of its figure: path under `figures/`, without suffix."""
    return f"traces/{file_stem(*cell.folder.partition('/')[2].split('-'))}"


def trace_figure(cell: StoredCell, trace: Trace, title: str) -> Figure:
    """Power above memory, over one axis of time; a sentence in the place of what was not sampled."""
    panels = _panels(trace)
    box = (LEFT, WIDTH - LEFT - RIGHT)
    canvas = Canvas(WIDTH, textwrap.wrap(_key(cell, trace, panels), 122), BELOW - GAP)
    canvas.text(textwrap.wrap(plain(title), 80, max_lines=2))
    canvas.skip(NAMES)
    canvas.row([box], STRIP)
    for panel in panels:
        canvas.row([box], PANEL if panel.series else SENTENCE)
        canvas.skip(GAP)
    with matplotlib.style.context(["default", STYLE]):
        figure, ((strip,), *rows) = canvas.build()
        _phases(strip, trace)
        for panel, (ax,) in zip(panels, rows, strict=True):
            _time(ax, trace)
            if panel.series:
                _draw(ax, trace, panel.series, panel)
            else:
                _explain(ax, cell, panel)
        ax.spines["bottom"].set_visible(True)
        ax.tick_params(axis="x", labelbottom=True, length=3)
        ax.set_xlabel(f"Time since the first phase began ({_unit(trace)[1]})")
    return figure


def _panels(trace: Trace) -> list[Panel]:
    power = Panel(trace.power_w, "Power", "W", 1.0, PEAK_POWER, "peak sampled power")
    if trace.device_bytes:
        return [power, Panel(trace.device_bytes, "GPU memory", "GB", 1e-9, MEMORIES[0], "peak GPU memory")]
    return [power, Panel(trace.rss_bytes, "Process memory", "GB", 1e-9, MEMORIES[-1], "peak process memory (RSS)")]


def _key(cell: StoredCell, trace: Trace, panels: Sequence[Panel]) -> str:
    """How to read the lines, and the peaks that the record has of them."""
    bin_s = trace.edges_s[-1] / (len(trace.edges_s) - 1)
    told = f"Line: mean, band: up to the largest sample, of every {bin_s:.2g} s."
    peaks = [
        f"{panel.peak} {peak * panel.scale:.4g} {panel.unit}"
        for panel in panels
        if panel.series and (peak := panel.quantity_of_peak.get(cell)) is not None
    ]
    return f"{told} Whole cell: {', '.join(peaks)}." if peaks else told


def _draw(ax: Axes, trace: Trace, series: Series, panel: Panel) -> None:
    _shade(ax, _runs(trace))
    mean, peak = series.mean * panel.scale, series.peak * panel.scale
    # Axes.stairs would look at every bin once more, for limits that are known
    band = StepPatch(peak, trace.edges_s, baseline=mean, color=BAND, alpha=0.6, linewidth=0)  # type: ignore[arg-type]
    line = StepPatch(mean, trace.edges_s, baseline=None, fill=False, linewidth=0.9)  # type: ignore[arg-type]
    for artist in (band, line):
        ax.add_artist(artist)
    ax.set_ylim(0.0, 1.08 * np.nanmax(peak) or 1.0)
    ax.set_ylabel(f"{panel.quantity} ({panel.unit})")
    ax.yaxis.set_label_coords(-0.42 / (WIDTH - LEFT - RIGHT), 0.5)


def _explain(ax: Axes, cell: StoredCell, panel: Panel) -> None:
    """Why there is no line, in the place of an empty axis."""
    known = panel.quantity_of_peak.get(cell) is not None
    why = "not in what is left of telemetry.jsonl" if known else cell.reason(panel.quantity_of_peak.key)
    text = f"{panel.quantity}: {why}"
    ax.set_yticks([])
    ax.tick_params(axis="x", labelbottom=False, length=0)
    ax.spines[["left", "bottom"]].set_visible(False)
    shown = textwrap.shorten(plain(text), 120, placeholder="...")
    at = {"transform": ax.transAxes, "va": "center"}
    ax.text(0.0, 0.5, shown, at, color=GREY, fontsize=7, parse_math=False)


def _phases(ax: Axes, trace: Trace) -> None:
    """A strip of all stretches, and each phase's name once, with a line to one of its stretches."""
    width = WIDTH - LEFT - RIGHT
    inch = trace.edges_s[-1] / width
    ax.set_xlim(0.0, trace.edges_s[-1])
    ax.set_ylim(0.0, 1.0)
    ax.axis("off")
    _shade(ax, trace.phases)
    ax.vlines([run.start_s for run in _runs(trace)], 0.0, 1.0, color="#666666", linewidth=0.4)
    together: dict[str, list[Stretch]] = {}
    for phase in trace.phases:
        together.setdefault(phase.phase, []).append(phase)
    named = sorted(map(_typical, together.values()), key=_middle)
    anchors = [_middle(phase) / inch for phase in named]
    places = spread(anchors, [LETTER * (len(phase.phase) + 1) for phase in named], width)
    for phase, anchor, place in zip(named, anchors, places, strict=True):
        name_y, strip_y = 1.0 + NAMES / 2 / STRIP, 1.0
        ax.plot([place * inch, anchor * inch], [name_y, strip_y], color="#666666", linewidth=0.5, clip_on=False)
        ax.text(place * inch, name_y + 0.1, phase.phase, fontsize=7, ha="center", va="bottom")


def spread(anchors: Sequence[float], widths: Sequence[float], room: float) -> list[float]:
    """Centres of labels of `widths` near their `anchors`, which rise: none over another, none outside 0 to `room`."""
    places: list[float] = []
    free_from = 0.0
    for anchor, width in zip(anchors, widths, strict=True):
        places.append(max(anchor, free_from + width / 2))
        free_from = places[-1] + width / 2
    free_to = room
    for index in reversed(range(len(places))):
        places[index] = min(places[index], free_to - widths[index] / 2)
        free_to = places[index] - widths[index] / 2
    return places


def _runs(trace: Trace) -> list[Stretch]:
    return coarse(trace.phases, trace.edges_s[-1], round((WIDTH - LEFT - RIGHT) / COLUMN))


def coarse(phases: Sequence[Stretch], end_s: float, n_columns: int) -> list[Stretch]:
    """`phases` as stretches that begin and end at columns of time: each has the phase that takes the most of it."""
    width_s = end_s / n_columns
    names = list(dict.fromkeys(phase.phase for phase in phases))
    seconds = np.zeros((len(names), n_columns))
    edges_s = width_s * np.arange(n_columns + 1)
    for phase in phases:
        inside_s = np.clip(edges_s, phase.start_s, phase.start_s + phase.seconds)
        seconds[names.index(phase.phase)] += np.diff(inside_s)
    found: list[Stretch] = []
    for column, (most, most_s) in enumerate(zip(seconds.argmax(axis=0), seconds.max(axis=0), strict=True)):
        if most_s == 0:
            continue
        name, start_s = names[most], edges_s[column]
        if found and found[-1].phase == name and found[-1].start_s + found[-1].seconds >= start_s - width_s / 2:
            start_s = found.pop().start_s
        found.append(Stretch(name, start_s, edges_s[column + 1] - start_s))
    return found


def _shade(ax: Axes, phases: Sequence[Stretch]) -> None:
    ax.broken_barh(
        [(phase.start_s, phase.seconds) for phase in phases],
        (0.0, 1.0),
        facecolors=[TINTS[phase.phase] for phase in phases],
        transform=ax.get_xaxis_transform(),
        linewidth=0,
        zorder=0,
        # Snapped to pixels, of many stretches that are narrower some would vanish and others not
        snap=False,
    )


def _typical(alike: Sequence[Stretch]) -> Stretch:
    """Of a phase's stretches that are about as long as its longest one, the one nearest to the middle of them all."""
    longest = max(phase.seconds for phase in alike)
    middle = (_middle(alike[0]) + _middle(alike[-1])) / 2
    return min((phase for phase in alike if phase.seconds >= 0.9 * longest), key=lambda one: abs(_middle(one) - middle))


def _middle(phase: Stretch) -> float:
    return phase.start_s + phase.seconds / 2


def _time(ax: Axes, trace: Trace) -> None:
    """The axis of time, its ticks at round numbers of its unit, without their labels."""
    seconds, _ = _unit(trace)
    end_s = trace.edges_s[-1]
    ax.set_xlim(0.0, end_s)
    ticks = np.asarray(MaxNLocator(8, steps=[1, 2, 5, 10]).tick_values(0.0, end_s / seconds)) * seconds
    ax.set_xticks(ticks[ticks <= end_s])
    ax.xaxis.set_major_formatter(lambda at_s, _: f"{at_s / seconds:g}")
    ax.tick_params(axis="x", labelbottom=False)


def _unit(trace: Trace) -> tuple[float, str]:
    """The unit that suits the cell's length: how many seconds it has, and its sign."""
    units = ((1.0, "s", 600.0), (60.0, "min", 4 * 3600.0), (3600.0, "h", float("inf")))
    return next((seconds, sign) for seconds, sign, longest in units if trace.edges_s[-1] <= longest)
