"""Leaves columns without any number to the CSV file: a sentence says what was not measured, and why."""

from dataclasses import replace

from bench.report.render.table import Table
from bench.report.wording import listed


def without_empty_columns(table: Table) -> Table:
    """The table with only those columns of numbers shown that have a number, and a remark about the others."""
    empty = _empty(table)
    columns = tuple(replace(column, title="") if at in empty else column for at, column in enumerate(table.columns))
    titles_of: dict[str, list[str]] = {}
    for at, reasons in empty.items():
        titles_of.setdefault(reasons, []).append(table.columns[at].title)
    missing = "; ".join(f"{listed(titles)} ({reasons})" for reasons, titles in titles_of.items() if reasons)
    return replace(
        table, columns=columns, remarks=(*table.remarks, *([f"Not measured: {missing}."] if missing else []))
    )


def not_measured(table: Table) -> str | None:
    """A sentence in place of a table in which no column has a number; None if one has."""
    empty = _empty(table)
    if len(empty) < sum(1 for column in table.shown_columns if column.format):
        return None
    reasons = dict.fromkeys(reason for reasons in empty.values() for reason in reasons.split("; "))
    return f"{table.title}: not measured ({'; '.join(reasons)})."


def _empty(table: Table) -> dict[int, str]:
    """The index of each shown column of numbers that has none, and the distinct reasons."""
    rows = [row for row in table.rows if not row.instead]
    empty = {}
    for at, column in enumerate(table.columns):
        cells = [row.cells[at] for row in rows]
        if column.format and column.title and all(cell.value is None for cell in cells):
            empty[at] = "; ".join(dict.fromkeys(cell.note for cell in cells if cell.note))
    return empty
