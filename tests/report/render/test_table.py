import pytest

from bench.report.numbers import fixed
from bench.report.render.formats import FORMATS, html_table, latex_table, markdown_table
from bench.report.render.table import Column, Row, Table, TableCell, letter


def test_a_row_must_fit_under_the_columns():
    with pytest.raises(ValueError, match=r"^t: 1 cells under 2 columns$"):
        Table("t", "T", (Column("a", "A"), Column("b", "B")), (Row((TableCell("x"),)),))


def test_letters_go_on_after_z():
    assert [letter(index) for index in (0, 25, 26, 27, 701, 702)] == ["a", "z", "aa", "ab", "zz", "aaa"]


NAME, SCORE, HIDDEN = Column("method", "Method", align="left"), Column("f1", "F1", format=fixed(2)), Column("key", "")


@pytest.mark.parametrize("columns", [(), (HIDDEN,), (SCORE,), (NAME,), (NAME, SCORE), (HIDDEN, NAME, SCORE)])
@pytest.mark.parametrize("n_rows", [0, 1])
@pytest.mark.parametrize("instead", [None, "out of memory"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_no_table_is_too_empty_to_be_written(columns, n_rows, instead, suffix):
    row = Row(tuple(TableCell(None) for _ in columns), instead)
    text = FORMATS[suffix](Table("t", "Title", columns, (row,) * n_rows, ("A remark.",)))
    assert suffix == ".csv" or text.count("Title") == text.count("A remark.") == 1
    assert 'colspan="0"' not in text
    assert "multicolumn{0}" not in text
    shown = [column for column in columns if column.title]
    assert suffix == ".csv" or text.count("out of memory") == (1 if instead and shown and n_rows else 0)


def test_a_table_without_rows_is_its_title_and_its_sentences():
    table = Table("costs", "Energy & power", (NAME, SCORE), (), ("No energy was measured: no NVML.",), ("Beware.",))
    assert markdown_table(table) == (
        "### Energy &amp; power\n\n**Warning:** Beware.\n\nNo energy was measured: no NVML.\n"
    )
    assert html_table(table) == (
        '<section class="table" id="costs">\n'
        "<h3>Energy &amp; power</h3>\n"
        '<p class="warning"><strong>Warning:</strong> Beware.</p>\n'
        '<p class="note">No energy was measured: no NVML.</p>\n'
        "</section>\n"
    )
    assert "tabular" not in latex_table(table)
    assert "\\caption{Energy \\& power}" in latex_table(table)


def test_words_instead_of_numbers_have_a_place_where_no_number_is_shown():
    table = Table("scores", "S", (NAME, HIDDEN), (Row((TableCell("lora"), TableCell(None)), "out of memory"),))
    assert "| lora: out of memory |" in markdown_table(table)
    assert '<tr><td class="left">lora: out of memory</td></tr>' in html_table(table)
    assert "lora: out of memory \\\\" in latex_table(table)
