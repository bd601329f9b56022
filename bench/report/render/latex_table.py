"""Tables as LaTeX floats, each as many as it needs to fit on pages."""

import re
import textwrap
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from bench.report.render import templates
from bench.report.render.escape import escape_latex
from bench.report.render.table import Note, ShownRow, Table

Item = TypeVar("Item")

PAGE_LINES = 34
"""Lines of rows and notes that fit on a page beside the head, the caption and the page's margins."""
NOTE_WIDTH, WRAP_WIDTH = 110, 60
"""Characters on one line of a note, and of all columns of wrapped text together."""
WRAP_SHARE = 0.6
"""Width of all columns of wrapped text together, as a share of the line."""
HEADING_WIDTH = 9
"""Characters on one line of a column's heading: narrow, because ten columns have to fit on a page."""

DIGIT_PT, SMALL_DIGIT_PT, MARK_PT, GAP_PT, WRAP_PT = 4.3, 3.7, 4.0, 6.0, 288.0
r"""Widths: of a character at \footnotesize and at \scriptsize, a footnote's letter, the gap between two columns, and
all columns of wrapped text together."""


class LatexColumn(NamedTuple):
    """A column of a tabular."""

    type: templates.Latex
    words: Sequence[str]
    """Lines of its heading."""
    side: str
    """`l` or `r`: how the heading's lines are aligned."""


class Page(NamedTuple):
    """One float."""

    rows: Sequence[ShownRow] = ()
    notes: Sequence[Note] = ()


def latex_table(table: Table) -> templates.Latex:
    """A floating table with a caption, for a document with the packages of `report.tex`.

    Numbers are in siunitx's S columns, aligned at the decimal point; intervals are on a line of their own below their
    row. A table that is longer than a page goes on in further floats.
    """
    columns = [_column(table, index) for index in range(len(table.shown_columns))]
    return templates.latex("table.tex", table=table, columns=columns, pages=_pages(table))


def is_number(text: str) -> bool:
    """Whether siunitx can align the text as a number."""
    return bool(re.fullmatch(r"-?\d+(\.\d+)?", text))


templates.LATEX.tests["number"] = is_number


def _pages(table: Table) -> list[Page]:
    rows = _paged([(row, _row_lines(row)) for row in table.shown_rows])
    notes = _paged([(note, _note_lines(note)) for note in table.notes])
    # The notes are kept with the last rows wherever they fit on that page
    n_lines = sum(map(_row_lines, rows[-1])) + sum(map(_note_lines, notes[-1]))
    if len(notes) == 1 and n_lines <= PAGE_LINES:
        return [*map(Page, rows[:-1]), Page(rows[-1], notes[0])]
    return [*map(Page, rows), *(Page(notes=own) for own in notes if own)]


def _paged(items: Sequence[tuple[Item, int]]) -> list[list[Item]]:
    """Items over pages, given the number of lines that each takes; at least one page."""
    pages: list[list[Item]] = [[]]
    left = PAGE_LINES
    for item, lines in items:
        if pages[-1] and lines > left:
            pages.append([])
            left = PAGE_LINES
        pages[-1].append(item)
        left -= lines
    return pages


def _row_lines(row: ShownRow) -> int:
    texts = [cell.text for cell in row.cells if cell.column.align == "wrap"]
    wrapped = [1 + len(text) * len(texts) // WRAP_WIDTH for text in texts]
    return max(2 if any(cell.interval for cell in row.cells) else 1, *wrapped, 1)


def _n_wrapped(table: Table) -> int:
    return sum(column.align == "wrap" for column in table.shown_columns)


def _note_lines(note: Note) -> int:
    return 1 + len(escape_latex(note.text)) // NOTE_WIDTH


def _column(table: Table, index: int) -> LatexColumn:
    column = table.shown_columns[index]
    words = textwrap.wrap(column.title, HEADING_WIDTH, break_long_words=False)
    side = "r" if column.align == "right" else "l"
    return LatexColumn(_type(table, index), [*words, f"({column.unit})"] if column.unit else words, side)


def _type(table: Table, index: int) -> templates.Latex:
    """The column's type: for numbers, S with room for the longest number on both sides of the decimal point."""
    column = table.shown_columns[index]
    if column.format is None:
        if column.align == "wrap":
            return templates.Latex(rf"p{{{WRAP_SHARE / _n_wrapped(table):g}\linewidth}}")
        return templates.Latex({"left": "l", "right": "r"}[column.align])
    cells = [row.cells[index] for row in table.shown_rows if row.cells[index].value is not None]
    numbers = [cell.text for cell in cells if is_number(cell.text)]
    whole = max((len(number.lstrip("-").partition(".")[0]) for number in numbers), default=1)
    decimals = max((len(number.partition(".")[2]) for number in numbers), default=0)
    sign = "-" if any(number.startswith("-") for number in numbers) else ""
    mark = max((cell.mark for cell in cells), key=len, default="")
    room = rf", table-space-text-post={{\textsuperscript{{{mark}}}}}" if mark else ""
    return templates.Latex(rf"S[table-format={sign}{whole}.{decimals}{room}]")


def width_pt(table: Table) -> float:
    """About how wide the table is, in points."""
    return sum(_width_pt(table, index) + GAP_PT for index in range(len(table.shown_columns)))


def _width_pt(table: Table, index: int) -> float:
    column = table.shown_columns[index]
    if column.align == "wrap":
        return WRAP_PT / _n_wrapped(table)
    widths = [DIGIT_PT * min(HEADING_WIDTH, len(column.title))]
    for row in table.shown_rows:
        cell = row.cells[index]
        if cell.is_text or not row.instead:
            widths.append(DIGIT_PT * len(cell.text) + (MARK_PT if cell.mark else 0.0))
            widths.append(SMALL_DIGIT_PT * len(cell.interval))
    return max(widths)
