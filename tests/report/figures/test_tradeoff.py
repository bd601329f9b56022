from dataclasses import replace
from itertools import product

import pytest

from bench.record_sections import Error
from bench.report.compare.comparisons import comparisons_of
from bench.report.compare.setups import Setup
from bench.report.figures.looks import method_looks
from bench.report.figures.tradeoff import main_score
from bench.report.figures.tradeoff import tradeoff_figures as figures_of
from bench.report.read.study import read_studies
from bench.report.statistics.intervals import Interval

OOM = {"status": "oom", "error": Error(type="OutOfMemoryError", message="too large", phase="train")}


def tradeoff_figures(written):
    return figures_of(written, main_score(written))


@pytest.fixture
def written(runs):
    """The groups of what was written."""
    return lambda: comparisons_of(read_studies(runs)[0].cells)


@pytest.fixture
def intervals(monkeypatch):
    """Gives all scores a confidence interval of 0.1 to both sides, and all costs a range of 10 % to both sides."""
    measure = Setup.measure

    def measured(setup, quantity):
        one = measure(setup, quantity)
        if one.mean is None:
            return one
        spare = 0.1 if quantity.score else one.mean / 10
        kind = "confidence" if quantity.score else "range"
        return replace(one, interval=Interval(one.mean - spare, one.mean + spare, kind))

    monkeypatch.setattr(Setup, "measure", measured)


def drawn(ax, kind):
    lines = [line for line in ax.lines if line.get_gid() == kind]
    return [(x, y) for line in lines for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_each_cost_has_a_panel_with_its_own_front(write_cell, written):
    for method, f1, gigabytes in (("baseline", 0.2, 4), ("lora", 0.6, 8), ("qlora", 0.5, 2)):
        write_cell(method, scores={"token_f1": f1}, device_bytes=gigabytes * 10**9, power_w=300.0)
    write_cell("toplayer", **OOM)
    (figure,) = tradeoff_figures(written())
    memory, time = figure.axes
    assert (memory.get_xlabel(), time.get_xlabel()) == ("Peak GPU memory (GB)", "Training time (s)")
    assert memory.get_ylabel() == "Token F1"
    assert memory.get_ylim() == time.get_ylim()
    assert drawn(memory, "front") == drawn(memory, "best")[::-1] == [(2.0, 0.5), (8.0, 0.6)]
    assert drawn(memory, "other") == [(4.0, 0.2)]
    # Training takes 30 of the 36 s of such a cell, and a baseline is not trained
    assert drawn(time, "best") == [(0.0, 0.2), (30.0, 0.6)]
    assert sorted(texts(memory)) == ["baseline", "lora", "qlora"]
    assert figure.texts[0].get_text() == "tiny"
    assert figure.texts[1].get_text().replace("\n", " ") == (
        "Training energy is not drawn: nothing is trained; no NVML device on this machine. Not drawn: toplayer (out of "
        "memory in train (peak process memory 1.50 GB))."
    )
    assert figure.texts[-1].get_text().replace("\n", " ") == (
        "Black edges and dashes mark the Pareto front, which no other setup beats in score and cost at once. "
        "Memory is of the whole cell. Better is up and left."
    )


def test_intervals_are_drawn_on_both_axes(write_cell, written, intervals):
    write_cell("lora", scores={"token_f1": 0.5})
    (figure,) = tradeoff_figures(written())
    (lines,) = figure.axes[0].collections
    upright, level = [path.vertices.tolist() for path in lines.get_paths()]
    assert upright == [[1.5, 0.4], [1.5, 0.6]]
    assert level == [[pytest.approx(1.35), 0.5], [pytest.approx(1.65), 0.5]]
    assert "Grey lines are 95 % confidence intervals or reach from the smallest to the largest seed." in figure.texts[
        -1
    ].get_text().replace("\n", " ")


def test_without_a_gpu_the_line_says_why_there_is_no_energy(write_cell, written):
    write_cell("lora")
    (figure,) = tradeoff_figures(written())
    assert [ax.get_xlabel() for ax in figure.axes] == ["Peak process memory (GB)", "Training time (s)"]
    assert figure.texts[1].get_text() == "Training energy is not drawn: no NVML device on this machine."


def test_the_score_is_the_first_that_was_taken(write_cell, written):
    write_cell("lora", scores={"token_f1": None, "answer_macro_f1": None}, missing={"scores": "not_finite"})
    assert main_score(written()) == "exact_match"
    write_cell("qlora")
    assert main_score(written()) == "token_f1"
    assert main_score(written(), "rouge1") == "rouge1"
    # Of perplexity, less is better
    assert main_score(written(), "perplexity") == "token_f1"


def test_without_a_score_there_is_no_figure(write_cell, written):
    write_cell("lora", **OOM)
    assert main_score(written()) is None
    assert tradeoff_figures(written()) == []


def test_without_a_known_cost_there_is_no_figure(write_cell, written):
    write_cell("lora", training={"resumed_from_step": 70})
    assert main_score(written()) == "token_f1"
    assert tradeoff_figures(written()) == []


def test_costs_far_apart_have_a_logarithmic_axis(write_cell, written):
    write_cell("lora", device_bytes=10**9)
    write_cell("qlora", device_bytes=31 * 10**9)
    (figure,) = tradeoff_figures(written())
    assert [ax.get_xscale() for ax in figure.axes] == ["log", "linear"]


def test_a_method_has_its_look_in_a_model_that_lacks_another(write_cell, written):
    for method, model in (("baseline", "a"), ("lora", "a"), ("lora", "b")):
        write_cell(method, model=model)
    (figure,) = tradeoff_figures(written())
    own = method_looks(written())["lora"]
    for ax in figure.axes:
        last = [line for line in ax.lines if line.get_gid() in ("best", "other")][-1]
        assert (last.get_color(), last.get_marker()) == (own.colour, own.marker)


@pytest.mark.parametrize("n_setups", [1, 4, 12, 100])
@pytest.mark.parametrize("alike", [True, False])
def test_no_label_overlaps_another_or_leaves_the_figure(
    write_cell, written, intervals, texts_of, overlaps, outside, n_setups, alike
):
    for index in range(n_setups):
        changes = {} if alike else {"scores": {"token_f1": index / 128}, "device_bytes": (index * 7 % 50 + 1) * 10**9}
        write_cell(
            "lora",
            folder=f"{index}",
            readings=(),
            model="a" * 300,
            method_settings={"rank": index, "alpha": 2 * index},
            **changes,
            **(OOM if index == 5 else {}),
        )
    (figure,) = tradeoff_figures(written())
    assert overlaps(figure) == []
    assert outside(figure) == []
    named = sum(text.startswith("lora (") or text == "lora" for text, _ in texts_of(figure))
    assert named >= {1: 2, 4: 8, 12: 22, 100: 6}[n_setups]
    assert len(figure.legends) == (n_setups == 100)


def test_labels_that_do_not_fit_beside_points_are_numbered(write_cell, written, overlaps, outside):
    modules = ["q_proj", "k_proj", "v_proj", "o_proj"], ["gate_proj", "up_proj", "down_proj"]
    for at, (own, rate) in enumerate(product(modules, (0.001, 0.005))):
        settings = {"target_modules": own, "learning_rate": rate}
        write_cell("lora", folder=f"{at}", method_settings=settings, device_bytes=at * 10**9)
    write_cell("baseline", device_bytes=10**9)
    (figure,) = tradeoff_figures(written())
    assert [sorted(texts(ax)) for ax in figure.axes] == [["baseline", "lora 1", "lora 2", "lora 3", "lora 4"]] * 2
    assert (
        figure.texts[-1]
        .get_text()
        .replace("\n", " ")
        .endswith(
            "lora 1: target_modules=[gate_proj, up_proj, down_proj], learning_rate=0.001. "
            "lora 2: target_modules=[q_proj, k_proj, v_proj, o_proj], learning_rate=0.001. "
            "lora 3: target_modules=[gate_proj, up_proj, down_proj], learning_rate=0.005. "
            "lora 4: target_modules=[q_proj, k_proj, v_proj, o_proj], learning_rate=0.005."
        )
    )
    assert (overlaps(figure), outside(figure)) == ([], [])


def test_two_dozen_methods_are_all_named_in_wide_panels_below_each_other(
    write_cell, written, intervals, texts_of, overlaps, outside
):
    names = [f"method_{index:02}" for index in range(24)]
    for index, name in enumerate(names):
        scores = {"token_f1": 0.2 + index * 7 % 24 / 40}
        write_cell(name, readings=(), answered=(), scores=scores, device_bytes=(200 + index % 3) * 10**7)
    (figure,) = tradeoff_figures(written())
    memory, time = figure.axes
    assert memory.get_position().x1 == time.get_position().x1 > 0.95
    assert memory.get_position().y0 > time.get_position().y1
    assert [ax.get_ylabel() for ax in figure.axes] == ["Token F1", "Token F1"]
    assert [sorted(texts(ax)) for ax in figure.axes] == [names, names]
    assert (figure.legends, overlaps(figure), outside(figure)) == ([], [], [])
    # Two lines for each setup on the front: with those of all setups nothing could be read
    lines = [len(ax.collections[0].get_paths()) for ax in figure.axes]
    assert lines == [2 * len(drawn(ax, "best")) for ax in figure.axes]
    assert "smallest to the largest seed, drawn for the Pareto front only." in figure.texts[-1].get_text()
