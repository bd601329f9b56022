from bench.report.numbers import fixed
from bench.report.render.table import Column, Row, Table, TableCell
from bench.report.tables.measured import not_measured, without_empty_columns

COLUMNS = (
    Column("method", "Method", align="left"),
    Column("a", "A", format=fixed(1)),
    Column("b", "B", "W", format=fixed(1)),
    Column("c", "C", format=fixed(1)),
)
GPU, NOTHING = TableCell(None, "no GPU"), TableCell(None, "nothing is trained")


def table_of(*rows):
    return Table("t", "Costs", COLUMNS, rows, ("Remark.",))


def row(*cells, instead=None):
    return Row((TableCell("lora"), *cells), instead=instead)


def test_empty_columns_are_only_in_the_csv_file_and_a_sentence_says_why():
    table = without_empty_columns(table_of(row(TableCell(1.0), GPU, GPU), row(NOTHING, NOTHING, GPU)))
    assert [column.title for column in table.columns] == ["Method", "A", "", ""]
    assert [column.key for column in table.columns] == ["method", "a", "b", "c"]
    assert table.remarks == (
        "Remark.",
        "Not measured: B (no GPU; nothing is trained); C (no GPU).",
    )


def test_a_table_without_any_number_is_one_sentence():
    assert not_measured(table_of(row(GPU, GPU, GPU), row(NOTHING, NOTHING, GPU))) == (
        "Costs: not measured (no GPU; nothing is trained)."
    )
    assert not_measured(table_of(row(GPU, GPU, TableCell(0.0)))) is None


def test_a_table_of_failures_alone_says_how_they_ended_and_has_no_columns_of_numbers():
    table = without_empty_columns(table_of(row(*[TableCell(None)] * 3, instead="out of memory")))
    assert [column.title for column in table.shown_columns] == ["Method"]
    assert [cell.text for cell in table.shown_rows[0].cells] == ["lora: out of memory"]
    assert table.remarks == ("Remark.",)
