import io

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from bench.record import Error
from bench.report.figures import CROSS, charts, costs_figure, scores_figure
from bench.report.load import read_studies
from bench.report.setups import groups

OOM = {"status": "oom", "error": Error(type="OutOfMemoryError", message="too large", phase="train")}
WITH_GPU = {"power_w": 300.0, "device_bytes": 20 * 10**9}


def groups_of(runs):
    return groups(read_studies(runs)[0].cells)


def drawn_texts(figure):
    """Every visible text of a figure that is not empty, with its box in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    texts = []
    for ax in figure.axes:
        labels = ax.get_xticklabels() + ax.get_yticklabels()
        inside = [ax.title, ax._left_title, ax.xaxis.label, *ax.texts]
        texts += [text for text in (*labels, *inside) if text.get_text() and text.get_color() != "none"]
    if figure._supxlabel.get_text():
        texts.append(figure._supxlabel)
    return [(text.get_text(), text.get_window_extent(renderer)) for text in texts]


def overlaps(figure):
    texts = drawn_texts(figure)
    return [
        (one, other)
        for index, (one, box) in enumerate(texts)
        for other, other_box in texts[index + 1 :]
        if box.overlaps(other_box)
    ]


def outside(figure):
    width, height = figure.get_size_inches() * figure.dpi
    return [text for text, box in drawn_texts(figure) if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height]


@pytest.mark.parametrize("figure_of", [scores_figure, costs_figure])
@pytest.mark.parametrize("n_methods", [1, 12])
def test_no_label_overlaps_another_or_leaves_the_figure(write_cell, runs, figure_of, n_methods):
    for index in range(n_methods):
        method = f"a_rather_long_method_{index:02}"
        perfect = dict.fromkeys(("answer_macro_f1", "bleu", "bertscore_f1", "rouge1", "rouge2", "rougeL"), 1.0)
        for model in ("llama1b", "mistral7b") if n_methods == 1 else ("llama1b",):
            write_cell(method, model=model, scores=perfect, **WITH_GPU, **(OOM if index == 5 else {}))
    figure = figure_of(groups_of(runs))
    names = [text for text, _ in drawn_texts(figure)]
    assert names.count("a_rather_long_method_00") == (2 if n_methods == 1 else 1)
    assert names.count("a_rather_long_method_05\nout of memory") == (1 if n_methods > 5 else 0)
    assert overlaps(figure) == []
    assert outside(figure) == []


def test_bars_are_the_means_and_keep_their_method_s_look(write_cell, runs):
    for model in ("llama1b", "llama3b"):
        for seed, bleu in enumerate((0.25, 0.75)):
            write_cell("baseline", model=model, seed=seed, scores={"bleu": bleu / 2})
            if model == "llama3b":
                write_cell("lora", model=model, seed=seed, scores={"bleu": bleu})
    write_cell("lora", model="llama1b", seed=0, **OOM)
    figure = scores_figure(groups_of(runs))
    axes = [ax for ax in figure.axes if ax.get_xlabel() == "BLEU"]
    assert [[bar.get_width() for bar in ax.patches] for ax in axes] == [[0.25], [0.25, 0.5]]
    looks = [[(bar.get_facecolor(), bar.get_hatch()) for bar in ax.patches] for ax in axes]
    assert looks[0][0] == looks[1][0] != looks[1][1]
    assert [[text.get_text() for text in ax.texts] for ax in axes] == [["0.250", CROSS], ["0.250", "0.500"]]
    assert [list(dots.get_xdata()) for dots in axes[1].lines] == [[0.125, 0.375], [0.25, 0.75]]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["baseline", "lora\nout of memory"]
    assert (
        figure._supxlabel.get_text()
        == "bar: mean over seeds, dots: single seeds      \N{MULTIPLICATION SIGN}: did not end ok"
    )


def test_a_panel_without_any_number_says_why(write_cell, runs):
    write_cell("baseline")
    write_cell("lora")
    power, memory = costs_figure(groups_of(runs)).axes
    assert [text.get_text() for text in power.texts] == ["no NVML device\non this machine"]
    assert (list(power.patches), power.spines["left"].get_visible()) == ([], False)
    assert memory.get_xlabel() == "Peak process memory (GB)"
    assert [text.get_text() for text in memory.texts] == ["1.50", "1.50"]


def test_a_study_of_failures_has_figures_that_say_so(write_cell, runs):
    write_cell("lora", **OOM)
    for ax in scores_figure(groups_of(runs)).axes:
        assert [text.get_text() for text in ax.texts] == ["no cell ended\nok"]


def test_names_are_drawn_as_text_whatever_they_hold(write_cell, runs):
    write_cell("lora", model="$\\frac{1}{0}$", folder="a", method_settings={"path": "$x_$ 中\u202e"})
    write_cell("lora", model="$\\frac{1}{0}$", folder="b", method_settings={"path": "b"})
    figure = scores_figure(groups_of(runs))
    FigureCanvasAgg(figure).draw()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["lora (method.path=$x_$\n\\u4e2d\\u202e)", "lora (method.path=b)"]


def test_files_open_and_have_the_expected_size(write_cell, runs):
    for method in ("baseline", "lora", "qlora"):
        write_cell(method)
    scores, costs = charts(read_studies(runs)[0])
    assert (scores.name, costs.name) == ("scores", "costs")
    assert scores.alt == "Bars of Macro F1, BLEU, BERTScore, ROUGE-1, ROUGE-2 and ROUGE-L by method, for tiny."
    # Six panels of 1.45 in or two of 3 in, and 0.07 in for each letter of "baseline", at 150 dots per inch
    for chart, width in ((scores, 1389), (costs, 984)):
        with Image.open(io.BytesIO(chart.png)) as image:
            image.load()
            # 3 rows of 0.24 in, 0.75 in for the axis and 0.3 in for the key
            assert (image.format, image.size) == ("PNG", (width, 265))
            assert len(image.convert("RGB").getcolors(maxcolors=2**20)) > 100
            assert "Software" not in image.info
        assert chart.pdf.startswith(b"%PDF-1.4")
        assert b"/CreationDate" not in chart.pdf
        # Type 3 fonts are refused by publishers
        assert b"/Subtype /Type3" not in chart.pdf
