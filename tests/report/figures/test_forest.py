from dataclasses import replace

import pytest

from bench.report.compare.comparisons import comparisons_of
from bench.report.compare.effects import Effect
from bench.report.figures.forest import forest_figures, shown_p
from bench.report.figures.looks import method_looks
from bench.report.read.study import read_studies
from bench.report.statistics.intervals import Interval

DASH = "\N{EM DASH}"


@pytest.fixture
def written(runs):
    """The groups of what was written."""
    return lambda: comparisons_of(read_studies(runs)[0].cells)


def effect(setup, difference, low=None, high=None, p=None, group="tiny", score="token_f1"):
    interval = None if low is None else Interval(low, high)
    return Effect(group, setup, "baseline", score, difference, interval, p, p, None if interval else "no answers")


def marks(ax):
    return [line for line in ax.lines if line.get_gid() == "effect"]


def test_effects_are_drawn_with_interval_and_p(write_cell, written):
    for method in ("baseline", "lora", "qlora"):
        write_cell(method)
    own = written()
    (figure,) = forest_figures([effect("lora", 0.2, 0.1, 0.3, p=0.0123), effect("qlora", -0.1)], own)
    (ax,) = figure.axes
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in marks(ax)] == [(0.2, 0), (-0.1, 1)]
    assert [line.get_markerfacecolor() for line in marks(ax)] == [method_looks(own)["lora"].colour, "white"]
    assert [line.get_marker() for line in marks(ax)] == [
        method_looks(own)[method].marker for method in ("lora", "qlora")
    ]
    assert [path.vertices.tolist() for path in ax.collections[0].get_paths()] == [[[0.1, 0.0], [0.3, 0.0]]]
    assert [text.get_text() for text in ax.texts] == ["p = 0.012", DASH]
    assert [line.get_xdata() for line in ax.lines if line.get_gid() == "zero"] == [[0.0, 0.0]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["lora", "qlora"]
    assert ax.get_xlabel() == "Token F1"
    assert figure.texts[0].get_text() == "tiny: difference from baseline"
    assert figure.texts[-1].get_text().replace("\n", " ") == (
        "Right of the black line, a setup scores higher than the reference. Horizontal lines are 95 % confidence "
        "intervals. White marks have no interval; the table says why. p values test for no difference, adjusted (Holm) "
        f"for all comparisons of the model. {DASH} marks what was not tested."
    )


def test_models_share_the_axis_of_a_score(write_cell, written):
    for model in ("a", "b"):
        for method in ("baseline", "lora"):
            write_cell(method, model=model)
    (figure,) = forest_figures([effect("lora", 0.2, group="a"), effect("lora", -0.4, group="b")], written())
    first, second = figure.axes
    assert first.get_xlim() == second.get_xlim() == (pytest.approx(-0.436), pytest.approx(0.236))


def test_of_scores_only_those_of_the_family_are_drawn_if_there_are_any(write_cell, written):
    for method in ("baseline", "lora"):
        write_cell(method)
    several = [effect("lora", 0.1, p=0.5), effect("lora", 0.1, score="bleu"), effect("lora", 0.1, score="own")]
    assert [[ax.get_xlabel() for ax in each.axes] for each in forest_figures(several, written())] == [["Token F1"]]
    assert [[ax.get_xlabel() for ax in each.axes] for each in forest_figures(several[1:], written())] == [
        ["BLEU", "own"]
    ]


def test_a_setup_that_has_one_score_only_has_a_dash_for_the_other(write_cell, written):
    for method in ("baseline", "lora", "qlora"):
        write_cell(method)
    both = [effect("lora", 0.1, p=0.5), effect("lora", 0.1, p=0.5, score="bleu"), effect("qlora", 0.1, p=0.0)]
    (figure,) = forest_figures(both, written())
    assert [[text.get_text() for text in ax.texts] for ax in figure.axes] == [
        ["p = 0.50", "p < 0.001"],
        ["p = 0.50", DASH],
    ]


def test_without_effects_there_is_no_figure(write_cell, written):
    write_cell("lora")
    assert forest_figures([], written()) == []


@pytest.mark.parametrize(
    ("p", "shown"),
    [
        (None, DASH),
        (0.0, "p < 0.001"),
        (0.00099, "p < 0.001"),
        (0.001, "p = 0.0010"),
        (0.0123, "p = 0.012"),
        (1.0, "p = 1.0"),
    ],
)
def test_p_is_never_shown_as_zero(p, shown):
    assert shown_p(p) == shown


@pytest.mark.parametrize("n_setups", [1, 4, 12, 100])
@pytest.mark.parametrize("n_scores", [1, 4])
def test_no_label_overlaps_another_or_leaves_the_figure(
    write_cell, written, texts_of, overlaps, outside, n_setups, n_scores
):
    for index in range(n_setups):
        write_cell("lora", folder=f"{index}", readings=(), model="a" * 300, method_settings={"rank": index})
    own = written()
    drawn = forest_figures(
        [
            effect(setup.label, index / 50 - 1, index / 50 - 1.1, index / 50 - 0.8, 0.5, own[0].title, f"score{score}")
            for index, setup in enumerate(own[0].setups)
            for score in range(n_scores)
        ],
        own,
    )
    assert len(drawn) == (3 if n_setups == 100 else 1)
    for figure in drawn:
        assert overlaps(figure) == []
        assert outside(figure) == []
    assert sum(text == "p = 0.50" for figure in drawn for text, _ in texts_of(figure)) == n_setups * min(n_scores, 3)


def test_only_differences_from_the_first_reference_are_drawn(write_cell, written):
    for method in ("baseline", "lora", "qlora"):
        write_cell(method)
    pair = replace(effect("qlora", -0.3), reference="lora")
    (figure,) = forest_figures([effect("lora", 0.2), effect("qlora", -0.1), pair], written())
    (ax,) = figure.axes
    assert [line.get_xdata()[0] for line in marks(ax)] == [0.2, -0.1]
