"""Tables as comma-separated values, for programs and spreadsheets."""

import csv
import io
import re

from bench.report.render.table import Column, Row, Table, TableCell, exact


def csv_table(table: Table) -> str:
    """Comma-separated values (RFC 4180 quoting, but LF line ends).

    Numbers have full precision in the record's units. A missing number is empty, and `<key>_missing` says why. Notes on
    other values are in the last column, `note`. An apostrophe marks text that a spreadsheet would read as a formula
    (see `no_formula`).
    """
    with_limits = {index for row in table.rows for index, cell in enumerate(row.cells) if cell.interval}
    columns = [(column, index in with_limits) for index, column in enumerate(table.columns)]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*(name for column in columns for name in _names(*column)), "note"])
    for row in table.rows:
        cells = zip(columns, row.cells, strict=True)
        fields = [field for column, cell in cells for field in _fields(*column, cell, row)]
        notes = dict.fromkeys(cell.note for cell in row.cells if cell.value is not None and cell.note)
        writer.writerow([*fields, no_formula("; ".join(notes))])
    return buffer.getvalue()


def no_formula(text: str) -> str:
    """Returns `text` with an apostrophe before any character that makes a spreadsheet read it as a formula.

    Spreadsheets show such a cell as text. A program can remove the apostrophe from a text whose second character is one
    of `=+-@`, a tab or a carriage return. Numbers are left as they are. (OWASP, "CSV Injection")
    """
    return f"'{text}" if re.match(r"[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]", text) and not _is_number(text) else text


def _names(column: Column, has_limits: bool) -> list[str]:
    names = [column.key] if column.format is None else [column.key, f"{column.key}_missing"]
    return [*names, f"{column.key}_low", f"{column.key}_high"] if has_limits else names


def _fields(column: Column, has_limits: bool, cell: TableCell, row: Row) -> list[str]:
    fields = [_field(cell.value)]
    if column.format is not None:
        fields.append(no_formula((cell.note or row.instead or "") if cell.value is None else ""))
    if has_limits:
        fields += [_field(limit) for limit in cell.interval or (None, None)]
    return fields


def _field(value: str | float | None) -> str:
    return no_formula(value or "") if value is None or isinstance(value, str) else exact(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
