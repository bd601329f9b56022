"""Tables without columns that have no number: a sentence says what was not measured, and why."""

from collections.abc import Sequence
from dataclasses import replace

from bench.report.render.table import Column, Table


def without_empty_columns(table: Table) -> Table:
    """Columns without any number are left to the CSV file; a remark for each reason says which they are."""
    empty = _empty(table)
    columns = tuple(replace(column, title="") if at in empty else column for at, column in enumerate(table.columns))
    titles_of: dict[str, list[str]] = {}
    for at, reasons in empty.items():
        titles_of.setdefault("; ".join(reasons), []).append(table.columns[at].title)
    sentences = [f"Not measured ({reason}): {'; '.join(titles)}." for reason, titles in titles_of.items()]
    return replace(table, columns=columns, remarks=(*table.remarks, *sentences))


def not_measured(table: Table) -> str | None:
    """A sentence in place of a table in which no column has a number; None if one has."""
    empty = _empty(table)
    if len(empty) < len(_numbers(table.columns)):
        return None
    reasons = dict.fromkeys(reason for reasons in empty.values() for reason in reasons)
    return f"{table.title}: not measured ({'; '.join(reasons)})."


def _numbers(columns: Sequence[Column]) -> list[int]:
    """Indices of the columns of numbers that are shown."""
    return [at for at, column in enumerate(columns) if column.format and column.title]


def _empty(table: Table) -> dict[int, tuple[str, ...]]:
    """The index of each shown column without any number, and the distinct reasons."""
    rows = [row for row in table.rows if not row.instead]
    empty = {}
    for at in _numbers(table.columns):
        cells = [row.cells[at] for row in rows]
        if cells and all(cell.value is None for cell in cells):
            empty[at] = tuple(dict.fromkeys(cell.note for cell in cells if cell.note))
    return empty
