from dataclasses import replace

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from bench.record_history import SCORES_OF_VERSION_1
from bench.record_sections import Error
from bench.report.compare.comparisons import comparisons_of
from bench.report.compare.setups import Setup
from bench.report.figures.bars import CROSS, costs_figures, scores_figures
from bench.report.read.study import read_studies
from bench.report.statistics.intervals import Interval

OOM = {"status": "oom", "error": Error(type="OutOfMemoryError", message="too large", phase="train")}
WITH_GPU = {"power_w": 300.0, "device_bytes": 20 * 10**9}


def scores_figure(written):
    (figure,) = scores_figures(written)
    return figure


def costs_figure(written):
    (figure,) = costs_figures(written)
    return figure


def groups_of(runs):
    return comparisons_of(read_studies(runs)[0].cells)


@pytest.mark.parametrize("figure_of", [scores_figure, costs_figure])
@pytest.mark.parametrize("n_methods", [1, 12])
def test_no_label_overlaps_another_or_leaves_the_figure(
    write_cell, runs, texts_of, overlaps, outside, figure_of, n_methods
):
    for index in range(n_methods):
        method = f"a_rather_long_method_{index:02}"
        perfect = dict.fromkeys(("answer_macro_f1", "bleu", "bertscore_f1", "rouge1", "rouge2", "rougeL"), 1.0)
        for model in ("llama1b", "mistral7b") if n_methods == 1 else ("llama1b",):
            write_cell(method, model=model, scores=perfect, **WITH_GPU, **(OOM if index == 5 else {}))
    figure = figure_of(groups_of(runs))
    names = [text for text, _ in texts_of(figure)]
    assert names.count("a_rather_long_method_00") == (2 if n_methods == 1 else 1)
    assert names.count("a_rather_long_method_05,\nout of memory") == (1 if n_methods > 5 else 0)
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
    (dots,) = axes[1].lines
    assert dots.get_xydata().tolist() == [[0.125, 0.0], [0.375, 0.0], [0.25, 1.0], [0.75, 1.0]]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["baseline", "lora, out of memory"]
    assert figure.texts[-1].get_text() == (
        "Bars are means over seeds, dots are single seeds. "
        "\N{MULTIPLICATION SIGN} marks setups of which no cell ended ok."
    )


def test_a_panel_without_any_number_says_why(write_cell, runs):
    write_cell("baseline")
    write_cell("lora")
    power, memory = costs_figure(groups_of(runs)).axes
    assert [text.get_text() for text in power.texts] == ["no NVML device\non this machine"]
    assert (list(power.patches), power.spines["left"].get_visible()) == ([], False)
    assert memory.get_xlabel() == "Peak process memory (GB)"
    assert [text.get_text() for text in memory.texts] == ["1.50", "1.50"]


def test_a_study_of_failures_has_no_bars(write_cell, runs):
    write_cell("lora", **OOM)
    assert scores_figures(groups_of(runs)) == []
    assert costs_figures(groups_of(runs)) == []


def test_a_model_without_an_ok_cell_says_so_beside_one_that_has_some(write_cell, runs):
    write_cell("lora", model="a")
    write_cell("lora", model="b", **OOM)
    *_, power, memory = costs_figure(groups_of(runs)).axes
    for ax in (power, memory):
        assert [text.get_text() for text in ax.texts] == ["no cell ended\nok"]


def test_names_are_drawn_as_text_whatever_they_hold(write_cell, runs):
    write_cell("lora", model="$\\frac{1}{0}$", folder="a", method_settings={"path": "$x_$ 中\u202e"})
    write_cell("lora", model="$\\frac{1}{0}$", folder="b", method_settings={"path": "b"})
    figure = scores_figure(groups_of(runs))
    FigureCanvasAgg(figure).draw()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["lora (path=$x_$ \\u4e2d\\u202e)", "lora (path=b)"]


@pytest.mark.parametrize("highest", [1.0, 100.0])
def test_the_axis_of_a_score_ends_at_its_highest_number(write_cell, runs, monkeypatch, highest):
    monkeypatch.setitem(SCORES_OF_VERSION_1, "bleu", SCORES_OF_VERSION_1["bleu"] | {"highest": highest})
    write_cell("lora", scores={"bleu": 0.5})
    (ax,) = [ax for ax in scores_figure(groups_of(runs)).axes if ax.get_xlabel() == "BLEU"]
    assert ax.get_xlim() == (0.0, highest)
    assert ax.get_xticks().tolist() == [0.0, highest / 2, highest]


@pytest.fixture
def with_interval(monkeypatch):
    """Gives every mean an interval from `below` under it to `above` over it."""

    def give(below, above, kind):
        measure = Setup.measure

        def measured(setup, quantity):
            one = measure(setup, quantity)
            bounds = one.mean and Interval(one.mean - below, one.mean + above, kind)
            return replace(one, interval=bounds) if bounds else one

        monkeypatch.setattr(Setup, "measure", measured)

    return give


def segments(ax):
    """The lines of the intervals of a panel, ends at their sides included."""
    return [path.vertices.tolist() for lines in ax.collections for path in lines.get_paths()]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("confidence", "Lines are 95 % confidence intervals."),
        ("range", "Lines reach from the smallest to the largest seed."),
    ],
)
def test_intervals_are_drawn_and_said(write_cell, runs, with_interval, kind, said):
    with_interval(0.25, 0.125, kind)
    write_cell("lora", scores={"bleu": 0.5})
    write_cell("qlora", **OOM)
    figure = scores_figure(groups_of(runs))
    (ax,) = [ax for ax in figure.axes if ax.get_xlabel() == "BLEU"]
    line, low, high = segments(ax)
    assert line == [[0.25, 0], [0.625, 0]]
    assert ([x for x, _ in low], [x for x, _ in high]) == ([0.25, 0.25], [0.625, 0.625])
    assert figure.texts[-1].get_text().startswith(said)
    # The number stands behind the line, not on it
    assert ax.texts[0].get_position() == (0.625, 0)


def test_axes_end_behind_the_longest_interval_in_the_unit_shown(write_cell, runs, with_interval):
    with_interval(100.0, 200.0, "range")
    for seed in (0, 1):
        write_cell("lora", seed=seed, power_w=300.0 + seed, device_bytes=20 * 10**9)
    power, _ = costs_figure(groups_of(runs)).axes
    assert power.get_xlim() == (0, 500.5)
    assert segments(power)[0] == [[200.5, 0], [500.5, 0]]
    # The seeds' dots are beside the line
    assert power.lines[0].get_ydata() == pytest.approx([0.2, 0.2])


@pytest.mark.parametrize("n_setups", [30, 100])
def test_many_setups_are_divided_into_pages_of_one_scale(write_cell, runs, overlaps, outside, n_setups):
    for index in range(n_setups):
        write_cell(
            "lora", folder=f"{index}", readings=(), method_settings={"rank": index}, scores={"bleu": index / 200}
        )
        write_cell("lora", folder=f"b{index}", readings=(), model="other", method_settings={"rank": index})
    figures = costs_figures(groups_of(runs))
    assert len(figures) == {30: 2, 100: 6}[n_setups]
    names = [label.get_text() for figure in figures for ax in figure.axes[::2] for label in ax.get_yticklabels()]
    assert names == 2 * [f"lora (rank={index})" for index in range(n_setups)]
    assert len({ax.get_xlim() for figure in figures for ax in figure.axes[1::2]}) == 1
    for figure in figures:
        assert figure.get_size_inches()[1] < 11
        assert overlaps(figure) == []
        assert outside(figure) == []


def test_two_dozen_methods_are_on_one_page_and_none_has_a_look_that_another_has_too(write_cell, runs):
    for index in range(24):
        write_cell(f"method_{index:02}", readings=(), answered=(), **(OOM if index == 5 else {}))
    figure = scores_figure(groups_of(runs))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert (len(labels), labels[5]) == (24, "method_05, out of memory")
    assert figure.get_size_inches()[1] < 8
    bars = figure.axes[0].patches
    assert len({(bar.get_facecolor(), bar.get_hatch()) for bar in bars}) == 1
