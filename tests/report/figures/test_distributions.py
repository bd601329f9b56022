import numpy as np
import pytest

from bench.record_sections import Error
from bench.report.compare.comparisons import comparisons_of
from bench.report.figures.distributions import LEVELS, distribution_figures, shares
from bench.report.figures.looks import method_looks
from bench.report.read.predictions import Predictions
from bench.report.read.study import read_studies

OOM = {"status": "oom", "error": Error(type="OutOfMemoryError", message="too large", phase="train")}
DASH, CROSS = "\N{EM DASH}", "\N{MULTIPLICATION SIGN}"


def answered(**scores):
    arrays = {name: np.array(values) for name, values in scores.items()}
    n = len(next(iter(arrays.values())))
    return Predictions(tuple(map(str, range(n))), ("",) * n, ("",) * n, arrays, {})


@pytest.fixture
def figures(runs):
    """The figures of what was written, given what each method answered."""

    def draw(answers):
        cells = read_studies(runs)[0].cells
        predictions = {cell.folder: answers[cell.method] for cell in cells if cell.method in answers}
        return distribution_figures(comparisons_of(cells, predictions))

    return draw


def test_every_score_has_one_level():
    values = np.array([0.0, 1e-12, 0.2, 1 / 3, 0.5, 2 / 3, 0.99, 1.0, 1.0 - 1e-12, np.nan])
    # 2, 1, 2, 2 and 2 of 9
    assert shares(values).tolist() == pytest.approx([2 / 9, 1 / 9, 2 / 9, 2 / 9, 2 / 9])
    assert shares(np.array([0.5])).tolist() == [0, 0, 1, 0, 0]


def test_a_bar_is_divided_by_the_shares_over_all_seeds(write_cell, figures):
    for seed in (0, 1):
        write_cell("lora", seed=seed)
    (figure,) = figures({"lora": answered(token_f1=[0.0, 0.0, 0.5, 1.0])})
    (ax,) = figure.axes
    parts = [(patch.get_x(), patch.get_width()) for patch in ax.patches]
    assert parts == [(0.0, 0.5), (0.5, 0.0), (0.5, 0.25), (0.75, 0.0), (0.75, 0.25)]
    assert [text.get_text() for text in ax.texts] == ["50", "25", "25"]
    assert ax.get_xlabel() == "Share of examples by Token F1"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(LEVELS)
    assert figure.texts[-1].get_text() == f"Numbers are percent of n = 4 {CROSS} 2 (examples {CROSS} seeds)."
    white, *_, last = (patch.get_facecolor() for patch in ax.patches)
    assert white == (1.0, 1.0, 1.0, 1.0)
    assert last == pytest.approx((0.0, 114 / 255, 178 / 255, 1.0))


def test_setups_without_such_scores_have_a_mark(write_cell, figures):
    for method in ("baseline", "lora", "toplayer"):
        write_cell(method)
    write_cell("qlora", **OOM)
    answers = {"baseline": answered(token_f1=[0.0, np.nan], bleu=[1.0, 0.0]), "lora": answered(token_f1=[7.0, 0.0])}
    (figure,) = figures(answers)
    f1, bleu = ([text.get_text() for text in ax.texts] for ax in figure.axes)
    assert f1 == [DASH, CROSS, DASH, "100"]
    assert bleu == [f"n = 2 {CROSS} 1", DASH, CROSS, DASH, "50", "50"]
    assert figure.texts[-1].get_text().replace("\n", " ") == (
        f"Numbers are percent of n = 1 {CROSS} 1 (examples {CROSS} seeds), unless another n is given. "
        f"{CROSS} marks setups of which no cell ended ok. {DASH} marks setups without such scores."
    )


def test_bars_of_other_examples_than_most_say_so(write_cell, figures):
    for method, seed in (("baseline", 0), ("lora", 0), ("lora", 1), ("toplayer", 0), ("toplayer", 1)):
        write_cell(method, seed=seed)
    (figure,) = figures(dict.fromkeys(("baseline", "lora", "toplayer"), answered(token_f1=[0.0, np.nan, 1.0])))
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.texts if "n = " in text.get_text()] == [f"n = 2 {CROSS} 1"]
    assert ax.texts[0].get_position()[1] == 0
    assert (
        figure.texts[-1]
        .get_text()
        .startswith(f"Numbers are percent of n = 2 {CROSS} 2 (examples {CROSS} seeds), unless")
    )


def test_without_a_score_of_an_example_there_is_no_figure(write_cell, figures):
    write_cell("lora")
    assert figures({}) == []
    assert figures({"lora": answered(token_f1=[np.nan])}) == []
    assert figures({"lora": answered(other=[1.0])}) == []


def test_a_method_has_its_colour_in_a_model_that_lacks_another(write_cell, runs, figures):
    for method, model in (("baseline", "a"), ("lora", "a"), ("lora", "b")):
        write_cell(method, model=model)
    one = answered(token_f1=[1.0])
    (figure,) = figures({"baseline": one, "lora": one})
    first, second = ([patch.get_facecolor() for patch in ax.patches] for ax in figure.axes)
    assert first[-1] == second[-1] != first[4]
    assert len(method_looks(comparisons_of(read_studies(runs)[0].cells))) == 2


@pytest.mark.parametrize(("n_setups", "n_pages"), [(1, 1), (4, 1), (12, 1), (100, 3)])
@pytest.mark.parametrize("scores", [("token_f1",), ("token_f1", "bleu", "rougeL")])
def test_no_label_overlaps_another_or_leaves_the_figure(
    write_cell, figures, overlaps, outside, n_setups, n_pages, scores
):
    for index in range(n_setups):
        write_cell("lora", folder=f"{index}", readings=(), model="a" * 300, method_settings={"rank": index})
    values = np.linspace(0.0, 1.0, 10_000)
    drawn = figures({"lora": answered(**dict.fromkeys(scores, values))})
    assert len(drawn) == n_pages
    for figure in drawn:
        assert overlaps(figure) == []
        assert outside(figure) == []
