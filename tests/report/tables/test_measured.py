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
        "Not measured (no GPU; nothing is trained): B.",
        "Not measured (no GPU): C.",
    )


def test_a_table_without_any_number_is_one_sentence():
    assert not_measured(table_of(row(GPU, GPU, GPU), row(NOTHING, NOTHING, GPU))) == (
        "Costs: not measured (no GPU; nothing is trained)."
    )
    assert not_measured(table_of(row(GPU, GPU, TableCell(0.0)))) is None


def test_rows_that_ended_otherwise_empty_no_column():
    failed = row(*[TableCell(None)] * 3, instead="out of memory")
    assert without_empty_columns(table_of(failed)) == table_of(failed)
    assert not_measured(table_of(failed)) is None
