import io

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import StepPatch
from PIL import Image

from bench.record_sections import Error, Phase
from bench.report.compare.comparisons import comparisons_of
from bench.report.figures.timeline import COLUMN, coarse, spread, trace_figure, traces
from bench.report.read.study import read_studies
from bench.telemetry.windows import Stretch

OOM = {"status": "oom", "error": Error(type="OutOfMemoryError", message="too large", phase="train")}
PHASES = (
    Phase(name="load", start_s=10.0, seconds=4.0),
    Phase(name="train", start_s=14.0, seconds=10.0),
    Phase(name="validate", start_s=24.0, seconds=2.0),
    Phase(name="train", start_s=26.0, seconds=10.0),
    Phase(name="generate", start_s=36.0, seconds=4.0),
)


def stepped_watts(t_s):
    return 300.0 if 14 <= t_s < 36 else 100.0


def stepped_bytes(t_s):
    return 20 * 10**9 if 14 <= t_s < 36 else 5 * 10**9


@pytest.fixture
def gpu_cell(write_cell, gpu_readings, measured_of):
    """Writes a cell with a GPU whose power and memory are stepped."""

    def write(method="lora", phases=PHASES, **changes):
        until_s = phases[-1].start_s + phases[-1].seconds + 0.5
        readings = list(gpu_readings(stepped_watts, stepped_bytes, until_s=until_s))
        measured = measured_of(readings, phases)
        return write_cell(method, phases=phases, measured=measured, readings=readings, device_bytes=1, **changes)

    return write


def figure_of(runs, title="tiny, lora, seed 0"):
    (study,) = read_studies(runs)
    (cell,) = study.cells
    return trace_figure(cell, study.traces[cell.folder], title)


def texts_of(figure):
    """Every visible text of a figure, with its box in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = list(figure.texts)
    for ax in figure.axes:
        texts += ax.texts
        if ax.axison:
            texts += [ax.xaxis.label, ax.yaxis.label]
            for axis in (ax.xaxis, ax.yaxis):
                low, high = axis.get_view_interval()
                texts += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    shown = [text for text in texts if text.get_text() and text.get_visible()]
    return [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in shown]


def lines_of(ax):
    """The band's upper edge and the line of a panel."""
    band, line = ax.findobj(StepPatch)
    return band.get_data().values, line.get_data().values


def test_power_and_memory_are_drawn_in_steps_over_one_axis_of_time(gpu_cell, runs):
    gpu_cell()
    strip, power, memory = figure_of(runs).axes
    for ax, low, high, top in ((power, 100.0, 300.0, 324.0), (memory, 5.0, 20.0, 21.6)):
        peak, mean = lines_of(ax)
        # 30 s at 10 Hz: a bin is a reading
        assert mean.tolist() == pytest.approx([low] * 40 + [high] * 220 + [low] * 40)
        assert peak.tolist() == pytest.approx(mean.tolist())
        assert ax.get_ylim() == pytest.approx((0.0, top))
        assert ax.get_xlim() == strip.get_xlim() == (0.0, 30.0)
    assert (power.get_ylabel(), memory.get_ylabel()) == ("Power (W)", "GPU memory (GB)")
    assert memory.get_xlabel() == "Time since the first phase began (s)"
    assert [label.get_text() for label in memory.get_xticklabels()] == ["0", "5", "10", "15", "20", "25", "30"]
    assert [text.get_text() for text in figure_of(runs).texts] == [
        "tiny, lora, seed 0",
        "The line is the mean of every 0.1 s, the band reaches up to the largest sample. Sampled over the whole cell: "
        "peak power\n300 W and peak GPU memory 20 GB.",
    ]


def test_every_phase_is_named_once(gpu_cell, runs):
    gpu_cell()
    strip = figure_of(runs).axes[0]
    assert [text.get_text() for text in strip.texts] == ["load", "train", "validate", "generate"]
    # Of the two stretches of training, equally long and equally far from the middle, the first
    anchors = [line.get_xdata()[1] for line in strip.lines]
    assert anchors == pytest.approx([2.0, 9.0, 15.0, 28.0])


def test_without_a_gpu_the_power_panel_says_why_and_memory_is_the_process_s(write_cell, runs):
    write_cell("lora")
    figure = figure_of(runs)
    _, power, memory = figure.axes
    assert [text.get_text() for text in power.texts] == ["Power: no NVML device on this machine"]
    assert (power.findobj(StepPatch), power.spines["left"].get_visible()) == ([], False)
    assert memory.get_ylabel() == "Process memory (GB)"
    assert lines_of(memory)[1].tolist() == pytest.approx([1.5] * 370)
    assert figure.texts[1].get_text() == (
        "The line is the mean of every 0.1 s, the band reaches up to the largest sample. Sampled over the whole cell: "
        "peak process\nmemory 1.5 GB."
    )


def test_what_the_record_has_and_the_file_no_more_is_said(gpu_cell, runs, host_readings):
    folder = gpu_cell()
    (folder / "telemetry.jsonl").write_bytes(b"".join(reading.to_line() for reading in host_readings()))
    power = figure_of(runs).axes[1]
    assert [text.get_text() for text in power.texts] == ["Power: not in what is left of telemetry.jsonl"]


@pytest.mark.parametrize("n_stretches", [1, 60, 1000])
def test_short_stretches_neither_hide_the_lines_nor_the_names(gpu_cell, runs, n_stretches):
    share_s = 340.0 / n_stretches
    phases = [Phase(name="load", start_s=0.0, seconds=5.0), Phase(name="prepare", start_s=5.0, seconds=1.0)]
    for index in range(n_stretches):
        start_s = 6.0 + index * share_s
        phases.append(Phase(name="train", start_s=start_s, seconds=0.9 * share_s))
        phases.append(Phase(name="validate", start_s=start_s + 0.9 * share_s, seconds=0.1 * share_s))
    names = ("generate", "score", "latency", "save")
    phases += [Phase(name=name, start_s=346.0 + index, seconds=1.0) for index, name in enumerate(names)]
    gpu_cell(phases=tuple(phases))
    figure = figure_of(runs, "a title of more than one line " * 5)
    texts = texts_of(figure)
    everything = ("load", "prepare", "train", "validate", *names)
    assert sorted(text for text, _ in texts if text in everything) == sorted(everything)
    width, height = figure.get_size_inches() * figure.dpi
    over = [
        (one, other)
        for index, (one, box) in enumerate(texts)
        for other, other_box in texts[index + 1 :]
        if box.overlaps(other_box)
    ]
    assert over == []
    assert [text for text, box in texts if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height] == []


def test_shades_change_at_columns_and_show_what_takes_most_of_each():
    phases = [Stretch("load", 0.0, 2.4), Stretch("train", 2.4, 3.0)]
    for start_s in (5.4, 6.4, 7.4):
        phases += [Stretch("validate", start_s, 0.3), Stretch("train", start_s + 0.3, 0.7)]
    # Between 8.4 and 10 there is nothing, then something again
    phases.append(Stretch("save", 11.0, 1.0))
    assert [tuple(written) for written in coarse(phases, 12.0, 12)] == [
        ("load", 0.0, 2.0),
        ("train", 2.0, 7.0),
        ("save", 11.0, 1.0),
    ]
    assert COLUMN * 150 == 3.0  # pixels of the PNG


def test_labels_move_apart_and_stay_inside():
    assert spread([1.0, 3.0], [1.0, 1.0], 6.0) == [1.0, 3.0]
    assert spread([0.0, 0.1, 0.2], [1.0, 1.0, 2.0], 6.0) == [0.5, 1.5, 3.0]
    assert spread([5.0, 5.9, 6.0], [1.0, 1.0, 2.0], 6.0) == [2.5, 3.5, 5.0]


def test_a_figure_for_each_cell_in_the_order_of_the_tables(gpu_cell, write_cell, runs):
    gpu_cell("lora", seed=1)
    gpu_cell("lora", seed=0, **OOM)
    write_cell("baseline", model="<b>$x$\u202e", folder="a <b>")
    study = read_studies(runs)[0]
    written = list(traces(study, comparisons_of(study.cells)))
    assert [(chart.name, chart.title) for chart in written] == [
        ("traces/a-b--5e7342fd", "<b>$x$\\u202e, baseline, seed 0"),
        ("traces/tiny-lora-events-s0-lora0", "tiny, lora, seed 0: out of memory in train"),
        ("traces/tiny-lora-events-s1-lora1", "tiny, lora, seed 1"),
    ]
    assert written[1].alt == (
        "Power and memory over time, with the phases shaded: tiny, lora, seed 0: out of memory in train."
    )
    for chart in written:
        with Image.open(io.BytesIO(chart.png)) as image:
            image.load()
            assert (image.format, image.width) == ("PNG", 1050)
            assert "Software" not in image.info
            # Readable in grey: the shades of training and of evaluation inside it differ
            if chart is written[2]:
                grey = np.asarray(image.convert("L"))
                row = grey[image.height - 120]
                assert {int(row[250]), int(row[565])} == {223, 194}
        assert chart.pdf.startswith(b"%PDF-1.4")
        assert b"/CreationDate" not in chart.pdf
        assert b"/Subtype /Type3" not in chart.pdf


def test_the_same_cell_gives_the_same_bytes(gpu_cell, runs):
    gpu_cell()
    study = read_studies(runs)[0]
    first, second = (next(traces(study, comparisons_of(study.cells))) for _ in range(2))
    assert (first.png, first.pdf) == (second.png, second.pdf)


@pytest.mark.parametrize(
    ("seconds", "unit", "last"), [(500.0, "s", "500"), (3000.0, "min", "50"), (36_000.0, "h", "10")]
)
def test_time_is_shown_in_the_unit_that_suits_it(write_cell, runs, seconds, unit, last):
    write_cell("lora", phases=(Phase(name="load", start_s=0.0, seconds=seconds),))
    memory = figure_of(runs).axes[2]
    assert memory.get_xlabel() == f"Time since the first phase began ({unit})"
    assert memory.get_xticklabels()[-1].get_text() == last
