import pytest

from bench.report.compare.comparisons import comparisons_of
from bench.report.compare.searches import searched
from bench.report.figures.looks import method_looks
from bench.report.figures.searches import ROWS, search_figures
from bench.report.read.study import read_studies


@pytest.fixture
def figures(runs):
    """The figures of the study called demo."""

    def draw():
        (study,) = read_studies(runs, "demo")
        comparisons = comparisons_of(study.cells)
        searches = [each for comparison in comparisons for each in searched(study, comparison)]
        return search_figures(searches, method_looks(comparisons))

    return draw


def lines(ax, kind):
    return [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in ax.lines if line.get_gid() == kind]


def key(figure):
    return figure.texts[-1].get_text().replace("\n", " ")


def test_a_line_for_each_method_and_what_is_found_at_least(write_cell, write_search, figures, overlaps, outside):
    write_search("lora", [0.2, 0.8])
    write_search("toplayer", [0.6, 0.6, 0.6, 0.6])
    for method in ("lora", "toplayer"):
        write_cell(method, tuning={})
    (figure,) = figures()
    (ax,) = figure.axes
    assert lines(ax, "expected") == [([1, 2], [0.5, 0.8]), ([1, 2, 3, 4], [0.6, 0.6, 0.6, 0.6])]
    # Two trials say nothing certain. Of four, one is worse than 3 others with a chance of 1/35 and than 4 of 1/70
    assert lines(ax, "sure") == [([4], [0.6])]
    assert ax.get_ylabel() == "Expected best Token F1"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["lora, 2 trials", "toplayer, 4 trials"]
    assert key(figure) == (
        "Lines: mean of the best tune score over all subsets of that many trials. Dashed: lower bound of the best of "
        "as many new trials, with a probability of 97.5 %; no upper bound is known. The leader depends on the number "
        "of trials: toplayer at 1 and lora at 2."
    )
    assert (overlaps(figure), outside(figure)) == ([], [])


def test_failures_do_not_flatten_the_lines(write_cell, write_search, figures):
    write_search("lora", [None, None, *(0.7 + at / 100 for at in range(10))])
    write_search("toplayer", [0.7 + at / 100 for at in range(12)])
    for method in ("lora", "toplayer"):
        write_cell(method, tuning={})
    (figure,) = figures()
    (ax,) = figure.axes
    expected = [value for _, values in lines(ax, "expected") for value in values]
    low, high = ax.get_ylim()
    assert high - low < 2.5 * (max(expected) - min(expected))
    assert key(figure).endswith("Trials that failed (lora) count as the worst score.")


def test_models_have_panels_of_their_own_on_as_many_pages_as_they_need(
    write_cell, write_search, figures, overlaps, outside
):
    models = [f"model{at}" for at in range(ROWS + 1)]
    for model in models:
        write_search("a_method_with_a_name_that_is_much_too_long_for_one_line", [0.5, 0.75, None], model=model)
        write_cell("a_method_with_a_name_that_is_much_too_long_for_one_line", model=model, tuning={})
    pages = figures()
    assert [len(page.axes) for page in pages] == [ROWS, 1]
    for page in pages:
        assert (overlaps(page), outside(page)) == ([], [])


def test_nothing_is_drawn_without_a_search_or_without_a_score(write_cell, write_search, figures):
    write_cell("lora", tuning={})
    assert figures() == []
    write_search("lora", [None])
    assert figures() == []
