import pytest

from bench.record_sections import Error
from bench.report.compare.comparisons import comparisons_of
from bench.report.figures.texts import label, omissions, plain, wrapped
from bench.report.read.study import read_studies


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a $x$ \\ b", "a $x$ \\ b"),
        ("2 \N{MULTIPLICATION SIGN} 3 \N{EM DASH}", "2 \N{MULTIPLICATION SIGN} 3 \N{EM DASH}"),
        ("caf\N{LATIN SMALL LETTER E WITH ACUTE} \u4e2d", "caf\\xe9 \\u4e2d"),
    ],
)
def test_characters_that_the_font_lacks_are_escaped(text, shown):
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("text", "max_lines", "lines"),
    [
        ("one two three", None, ["one two", "three"]),
        ("one two three", 1, ["one t..."]),
        ("one two three four five", 2, ["one two", "three..."]),
        # A word that is longer than a line
        (20 * "a", 2, [8 * "a", 5 * "a" + "..."]),
        ("", 1, []),
    ],
)
def test_dots_stand_for_what_does_not_fit(text, max_lines, lines):
    assert wrapped(text, 8, max_lines) == lines


def test_a_label_says_how_the_cells_ended_if_none_is_ok(write_cell, runs):
    error = Error(type="ValueError", message="no", phase="train")
    write_cell("lora")
    write_cell("lora", seed=1, status="failed", error=error)
    write_cell("a_method_whose_name_is_longer_than_a_line", status="failed", error=error)
    write_cell("a_method_whose_name_is_longer_than_a_line", seed=1, status="oom", error=error)
    (comparison,) = comparisons_of(read_studies(runs)[0].cells)
    assert [label(setup) for setup in comparison.setups] == [
        "a_method_whose_name_is_longer_\nthan_a_line,\nfailed and out of memory",
        "lora",
    ]


def test_setups_that_are_left_out_are_named_by_reason():
    reasons = {"a": "failed", "b": "not measured"} | {f"c{index}": "failed" for index in range(5)}
    assert omissions("Not drawn", reasons) == [
        "Not drawn: a, c0, c1, c2 and 2 more (failed).",
        "Not drawn: b (not measured).",
    ]
