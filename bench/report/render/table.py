"""A table as the report's other modules build it, whatever format it is written in later.

The table says everything; a format only lays it out and escapes it. All text is untrusted.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from bench.report.numbers import DASH, Show, supported


@dataclass(frozen=True)
class Column:
    """One column: its name for programs and its heading for readers."""

    key: str
    """Name in the CSV file, where numbers are unscaled and in full precision: a record's name includes the unit."""
    title: str
    """Empty for a column that only the CSV file has."""
    unit: str = ""
    scale: float = 1.0
    """Factor from the record's unit to `unit`."""
    format: Show | None = None
    """How a scaled number is written; `None` for a column of text."""
    align: Literal["left", "right", "wrap"] = "right"
    meaning: str = ""
    """What its numbers are, for the sentences under the table."""

    @property
    def heading(self) -> str:
        """Title and unit: `Peak power (W)`."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


@dataclass(frozen=True)
class TableCell:
    """One value of a table. `None` is shown as a dash; its note says why the value is missing."""

    value: str | float | None
    note: str | None = None
    """Shown as a footnote."""
    interval: tuple[float, float] | None = None
    """Shown under the number, and limits how many of its decimals are shown."""
    bold: bool = False


@dataclass(frozen=True)
class Row:
    """One row."""

    cells: tuple[TableCell, ...]
    """One for each column of the table."""
    instead: str | None = None
    """Words shown in place of all numbers of the row, which are then `None`."""
    only_csv: bool = False
    """Whether readers are not shown this row."""


class Note(NamedTuple):
    """One sentence or paragraph under a table."""

    kind: Literal["warning", "footnote", "remark"]
    text: str
    mark: str = ""
    """Letter of a footnote."""


class ShownCell(NamedTuple):
    """One value as a reader sees it, before escaping."""

    column: Column
    value: str | float | None
    text: str
    interval: str
    """`[0.55, 0.62]`; empty if there is none."""
    mark: str
    """Letter of its footnote; empty if it has none."""
    bold: bool

    @property
    def is_text(self) -> bool:
        """Whether its column is one of text, not of numbers."""
        return self.column.format is None

    @property
    def exact(self) -> str:
        """A number with all its digits; empty for text and for what is missing."""
        return "" if self.is_text or self.value is None or isinstance(self.value, str) else exact(self.value)


class ShownRow(NamedTuple):
    """One row as a reader sees it, before escaping."""

    row: Row
    cells: Sequence[ShownCell]
    """One for each column that is shown."""
    instead: str
    """As in `Row`. Empty too if no column of numbers is shown: the last cell's text ends with the words then."""


@dataclass(frozen=True)
class Table:
    """Rows under columns, with the sentences that a reader needs beside them.

    A table without rows is shown as its title and sentences alone.
    """

    name: str
    """Stem of its files."""
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    remarks: tuple[str, ...] = ()
    """Sentences under the table."""
    warnings: tuple[str, ...] = ()
    """Reasons not to compare its rows; shown first under the table."""
    section: Literal["results", "costs", "tuning", "cells", "provenance"] = "results"
    """The part of the report that it is in."""

    def __post_init__(self) -> None:
        """Refuses a row that does not fit the columns."""
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(f"{self.name}: {len(row.cells)} cells under {len(self.columns)} columns")

    @cached_property
    def shown_columns(self) -> tuple[Column, ...]:
        """The columns that a reader sees."""
        return tuple(column for column in self.columns if column.title)

    @cached_property
    def number_places(self) -> list[int]:
        """Which of the shown columns, counted from 0, are columns of numbers."""
        return [place for place, column in enumerate(self.shown_columns) if column.format is not None]

    @cached_property
    def shown_rows(self) -> tuple[ShownRow, ...]:
        """The rows with the columns that a reader sees; none if there are no such columns."""
        return tuple(self._shown(row) for row in self.rows if self.shown_columns and not row.only_csv)

    @cached_property
    def footnotes(self) -> tuple[str, ...]:
        """The distinct notes of the values shown, in reading order."""
        notes = (cell.note for row in self.rows for _, cell in self._shown_cells(row))
        return tuple(dict.fromkeys(note for note in notes if note))

    @cached_property
    def notes(self) -> tuple[Note, ...]:
        """Everything that is written under the table, in order."""
        meanings = " ".join(f"{column.title}: {column.meaning}." for column in self.shown_columns if column.meaning)
        return (
            *(Note("warning", warning) for warning in self.warnings),
            *(Note("footnote", note, mark) for note, mark in self._marks.items()),
            *(Note("remark", remark) for remark in (*self.remarks, meanings) if remark),
        )

    @cached_property
    def _marks(self) -> dict[str, str]:
        """The letter of each footnote."""
        return {note: letter(index) for index, note in enumerate(self.footnotes)}

    def _shown_cells(self, row: Row) -> Iterator[tuple[Column, TableCell]]:
        return ((column, cell) for column, cell in zip(self.columns, row.cells, strict=True) if column.title)

    def _shown(self, row: Row) -> ShownRow:
        cells = [
            ShownCell(column, cell.value, *_texts(column, cell), self._marks.get(cell.note or "", ""), cell.bold)
            for column, cell in self._shown_cells(row)
        ]
        if row.instead and not self.number_places:
            cells[-1] = cells[-1]._replace(text=f"{cells[-1].text}: {row.instead}")
        return ShownRow(row, cells, (row.instead or "") if self.number_places else "")


def exact(number: float) -> str:
    """All digits of a number, so that a program reads the same number back."""
    return str(int(number)) if math.isfinite(number) and number == int(number) else repr(float(number))


def letter(index: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    return (letter(index // 26 - 1) if index >= 26 else "") + chr(ord("a") + index % 26)


def _texts(column: Column, cell: TableCell) -> tuple[str, str]:
    """A value and its interval as a reader sees them."""
    if cell.value is None:
        return DASH, ""
    if isinstance(cell.value, str) or column.format is None:
        return str(cell.value), ""
    number = cell.value * column.scale
    if cell.interval is None or cell.interval[0] == cell.interval[1]:
        return column.format(number), ""
    low, high = (limit * column.scale for limit in cell.interval)
    show = supported(column.format, number, (low, high))
    return show(number), f"[{show(low)}, {show(high)}]"
