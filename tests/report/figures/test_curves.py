import math

import numpy as np
import pytest

from bench.record_sections import Error
from bench.report.compare.comparisons import comparisons_of
from bench.report.figures.curves import Curve, average, curves_figures, smooth
from bench.report.figures.looks import method_looks
from bench.report.read.losses import Losses
from bench.report.read.study import read_studies

OOM = {"status": "oom", "error": Error(type="OutOfMemoryError", message="too large", phase="train")}
EVALUATIONS = {"evaluations": [{"step": 10, "epoch": 1.0, "loss": 2.0}, {"step": 20, "epoch": 2.0, "loss": 1.5}]}


def losses_of(*losses):
    return Losses(np.arange(1.0, len(losses) + 1), np.array(losses), 1)


@pytest.fixture
def figures(runs):
    """The figures of the first group of what was written, given the training losses of its cells by seed and method."""

    def draw(losses):
        (study,) = read_studies(runs)
        written = comparisons_of(study.cells)
        named = {
            cell.folder: losses[setup.method, cell.seed]
            for setup in written[0].setups
            for cell in setup.cells
            if (setup.method, cell.seed) in losses
        }
        return curves_figures(written[0], named, method_looks(written))

    return draw


def lines(ax, kind):
    return [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in ax.lines if line.get_gid() == kind]


def test_a_smoothed_point_is_the_mean_of_its_surroundings():
    # 40 points: one to each side
    losses = np.array([3.0, 1.0, 2.0, *[5.0] * 37])
    assert smooth(losses)[:5] == pytest.approx([2.0, 2.0, 8 / 3, 4.0, 5.0])
    losses[1] = math.nan
    assert smooth(losses)[:4] == pytest.approx([3.0, math.nan, 3.5, 4.0], nan_ok=True)
    # Too few points for any other than its own
    assert smooth(np.array([3.0, 1.0])).tolist() == [3.0, 1.0]


def test_the_mean_curve_has_the_steps_that_all_curves_have():
    one = Curve(np.array([1.0, 2.0, 3.0]), np.array([4.0, 2.0, 1.0]))
    other = Curve(np.array([1.0, 3.0, 5.0]), np.array([2.0, 4.0, 9.0]))
    steps, losses = average([one, other])
    assert (steps.tolist(), losses.tolist()) == ([1.0, 2.0, 3.0], [3.0, 2.5, 2.5])
    gap = Curve(np.array([1.0, 2.0]), np.array([math.nan, math.nan]))
    assert average([one, gap]).losses.tolist() == [4.0, 2.0, 1.0]
    assert [len(array) for curves in ([], [gap]) for array in average(curves)] == [0, 0, 0, 0]


def test_thick_lines_are_means_over_the_seeds_that_ended_ok(write_cell, figures):
    for seed in (0, 1):
        write_cell("lora", seed=seed, training=EVALUATIONS)
    write_cell("lora", seed=2, **OOM)
    (figure,) = figures(
        {("lora", 0): losses_of(4.0, 2.0), ("lora", 1): losses_of(2.0, 1.0), ("lora", 2): losses_of(9.0)}
    )
    training, evaluation = figure.axes
    assert lines(training, "mean") == [([1.0, 2.0], [3.0, 1.5])]
    assert lines(training, "seed") == [([1, 2], [4, 2]), ([1, 2], [2, 1]), ([1], [9])]
    assert lines(training, "end") == [([1.0], [9.0])]
    assert lines(evaluation, "mean") == [([10.0, 20.0], [2.0, 1.5])]
    assert (training.get_title("left"), evaluation.get_title("left")) == ("Training loss", "Evaluation loss")
    assert training.get_xlim() == evaluation.get_xlim() == (0.0, pytest.approx(20.6))
    assert training.get_ylim() == evaluation.get_ylim()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["lora, 2 seeds"]
    assert figure.texts[1].get_text().replace("\n", " ") == (
        "Thick lines are means over seeds, thin lines are single seeds. Faint lines are the training loss of every "
        "step. Other lines of training loss are smoothed over 5 % of the training. A cross marks where a cell stopped "
        "that did not end ok."
    )


def test_setups_without_a_curve_are_named_with_the_reason(write_cell, figures):
    write_cell("baseline")
    write_cell("lora", training=EVALUATIONS)
    write_cell("qlora", **OOM)
    write_cell("toplayer")
    (figure,) = figures({})
    training, evaluation = figure.axes
    assert [text.get_text() for text in training.texts] == ["no cell kept its training loss"]
    assert [text.get_text() for text in evaluation.texts] == []
    assert figure.texts[1].get_text().replace("\n", " ") == (
        "Without a curve: baseline (nothing is trained). Without a curve: qlora (out of memory in train). "
        "Without a curve: toplayer (it kept no losses)."
    )


def test_without_an_evaluation_a_sentence_stands_for_the_panel(write_cell, figures):
    write_cell("lora")
    (figure,) = figures({("lora", 0): losses_of(2.0, 2.0)})
    assert [text.get_text() for text in figure.axes[1].texts] == ["no evaluation took place\nduring the training"]
    # All losses equal
    assert figure.axes[0].get_ylim() == pytest.approx((1.8, 2.2))


def test_without_a_loss_there_is_no_figure(write_cell, figures):
    write_cell("baseline")
    assert figures({}) == []


def test_numbers_stand_at_the_left_and_below_alone(write_cell, figures, texts_of):
    for rank in range(5):
        write_cell("lora", folder=f"{rank}", readings=(), method_settings={"rank": rank}, training=EVALUATIONS)
    (figure,) = figures({("lora", 0): losses_of(2.0, 1.0)})
    assert [(ax.get_ylabel() != "", ax.get_xlabel() != "") for ax in figure.axes] == [
        (True, False),
        (False, False),
        (True, True),
        (False, True),
    ]
    written = [text for text, _ in texts_of(figure)]
    assert written.count("20") == 2
    assert written.count("1.4") == 2


def test_an_empty_panel_has_the_axes_of_the_others(write_cell, figures):
    for rank in range(4):
        training = {"training": EVALUATIONS} if rank < 3 else {}
        write_cell("lora", folder=f"{rank}", readings=(), method_settings={"rank": rank}, **training)
    (figure,) = figures({("lora", 0): losses_of(2.0, 1.0)})
    *others, empty = figure.axes
    assert [text.get_text() for text in empty.texts] == ["no evaluation took place\nduring the training"]
    assert {(ax.get_xlim(), ax.get_ylim()) for ax in others} == {(empty.get_xlim(), empty.get_ylim())}
    assert empty.get_xlabel() == "Step"


@pytest.mark.parametrize(("largest", "scale"), [(100.0, "linear"), (101.0, "log")])
def test_losses_far_apart_have_a_logarithmic_axis(write_cell, figures, largest, scale):
    write_cell("lora")
    (figure,) = figures({("lora", 0): losses_of(largest, 2.0)})
    assert figure.axes[0].get_yscale() == scale


def test_losses_that_are_none_are_drawn_as_none(write_cell, figures):
    write_cell("lora")
    (figure,) = figures({("lora", 0): losses_of(math.nan, math.nan)})
    assert lines(figure.axes[0], "mean") == []


def test_a_method_has_its_look_in_a_model_that_lacks_another(write_cell, runs):
    write_cell("baseline", model="a")
    for method in ("lora", "qlora"):
        write_cell(method, model="a")
    write_cell("qlora", model="b")
    (study,) = read_studies(runs)
    written = comparisons_of(study.cells)
    losses = {cell.folder: losses_of(3.0, 2.0) for group in written for setup in group.setups for cell in setup.cells}
    drawn = [curves_figures(group, losses, method_looks(written))[0].axes[0] for group in written]
    own = [[(line.get_color(), line.get_marker()) for line in ax.lines if line.get_gid() == "mean"] for ax in drawn]
    assert own[0][-1] == own[1][0]
    assert len(set(own[0])) == 3


@pytest.mark.parametrize(("n_setups", "n_pages"), [(1, 1), (4, 1), (12, 1), (100, 7)])
def test_no_label_overlaps_another_or_leaves_the_figure(
    write_cell, figures, texts_of, overlaps, outside, n_setups, n_pages
):
    for index in range(n_setups):
        settings = {"rank": index, "a_rather_long_setting_of_the_method": index}
        write_cell(
            "lora",
            folder=f"{index}",
            readings=(),
            model="a" * 300,
            method_settings=settings,
            **(OOM if index == 5 else {}),
        )
    drawn = figures({("lora", 0): losses_of(3.0, 2.0, 1.0)})
    assert len(drawn) == n_pages
    for figure in drawn:
        assert overlaps(figure) == []
        assert outside(figure) == []
    assert sum("(rank=" in text for figure in drawn for text, _ in texts_of(figure)) >= n_setups * (n_setups > 1)
