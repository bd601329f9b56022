"""One table structure, and four ways to write it: Markdown, CSV, LaTeX and HTML.

What a table says is decided where it is built; a renderer only lays out and escapes. All text is untrusted.
"""

import csv
import html
import io
import math
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar

DASH = "—"
Item = TypeVar("Item")


@dataclass(frozen=True)
class Column:
    """One column: under which name a program reads it, and how a person does."""

    key: str
    """Name in the CSV, where numbers stand unscaled and in full precision: a name of the record says its unit."""
    title: str
    """Empty for a column that only the CSV has."""
    unit: str = ""
    scale: float = 1.0
    """What a number is multiplied with before it is shown in `unit`."""
    shown: Callable[[float], str] | None = None
    """How a scaled number is shown; null for a column of text."""
    align: Literal["left", "right", "wrap"] = "right"

    @property
    def heading(self) -> str:
        """Title and unit: `Peak power (W)`."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


@dataclass(frozen=True)
class Entry:
    """What stands in one column of one row. A null is shown as a dash, and its note says why it is one."""

    value: str | float | None
    note: str | None = None
    """Shown as a footnote."""
    within: tuple[float, float] | None = None
    """Where the number may lie; shown under it, and decides how many of its digits are."""
    bold: bool = False


@dataclass(frozen=True)
class Row:
    """One row."""

    entries: tuple[Entry, ...]
    """One for each column of the table."""
    instead: str | None = None
    """Said in place of all number columns, which are null then."""


@dataclass(frozen=True)
class Table:
    """Rows under columns, with what must be known to read them."""

    name: str
    """Stem of its files."""
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    remarks: tuple[str, ...] = ()
    """Sentences under the table."""
    warnings: tuple[str, ...] = ()
    """What speaks against comparing its rows; shown first under the table."""

    def __post_init__(self) -> None:
        """Refuses a row that does not fit under the columns."""
        for row in self.rows:
            if len(row.entries) != len(self.columns):
                raise ValueError(f"{self.name}: {len(row.entries)} entries under {len(self.columns)} columns")

    @cached_property
    def shown_columns(self) -> list[tuple[int, Column]]:
        """The columns that a person sees, each with its place among all."""
        return [(index, column) for index, column in enumerate(self.columns) if column.title]

    @cached_property
    def footnotes(self) -> tuple[str, ...]:
        """The distinct notes of the entries shown, in reading order."""
        notes = (row.entries[index].note for row in self.rows for index, column in self.shown_columns)
        return tuple(dict.fromkeys(note for note in notes if note))

    def mark(self, entry: Entry) -> str:
        """The letter of an entry's footnote; empty if it has none."""
        return self._letters[entry.note] if entry.note else ""

    @cached_property
    def _letters(self) -> dict[str, str]:
        return {note: letter(index) for index, note in enumerate(self.footnotes)}


def fixed(decimals: int) -> Callable[[float], str]:
    """Shows a number with that many decimals."""
    # z: what rounds to zero has no sign
    return lambda number: f"{number:z.{decimals}f}"


def significant(digits: int) -> Callable[[float], str]:
    """Shows a number with that many significant digits, or with all digits of its integer part; never an exponent."""

    def show(number: float) -> str:
        if number == 0:
            return "0"
        exponent = int(f"{number:.{digits - 1}e}".partition("e")[2])
        return f"{number:.{max(0, digits - 1 - exponent)}f}"

    return show


def decimals_within(low: float, high: float) -> int:
    """How many decimals a number may have whose interval this is, of some width: two digits of half its width.

    Further ones would be noise, as the interval shows.
    """
    half = (high - low) / 2
    return max(0, 1 - math.floor(math.log10(half))) if half < math.inf else 0


def letter(index: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    return (letter(index // 26 - 1) if index >= 26 else "") + chr(ord("a") + index % 26)


def text_of(column: Column, entry: Entry) -> str:
    """An entry as a person reads it, before any escaping."""
    if entry.value is None:
        return DASH
    if isinstance(entry.value, str) or column.shown is None:
        return str(entry.value)
    return _shown(column, entry)(entry.value * column.scale)


def within_of(column: Column, entry: Entry) -> str:
    """An entry's interval as a person reads it, `[0.55, 0.62]`; empty if it has none, or one without width."""
    if entry.within is None or entry.within[0] == entry.within[1]:
        return ""
    low, high = (_shown(column, entry)(limit * column.scale) for limit in entry.within)
    return f"[{low}, {high}]"


def _shown(column: Column, entry: Entry) -> Callable[[float], str]:
    """As the column says, but with no more decimals than the interval supports."""
    assert column.shown is not None
    if entry.within is None or entry.within[0] == entry.within[1] or not isinstance(entry.value, float | int):
        return column.shown
    most = len(column.shown(entry.value * column.scale).partition(".")[2])
    return fixed(min(most, decimals_within(*(limit * column.scale for limit in entry.within))))


def markdown(table: Table) -> str:
    """A GitHub table under a heading of level 3, with its notes below."""
    shown = table.shown_columns
    lines = [f"### {escape_markdown(table.title)}", ""]
    lines.append(_pipes([escape_markdown(column.heading) for _, column in shown]))
    lines.append(_pipes(["---:" if column.align == "right" else ":---" for _, column in shown]))
    for row in table.rows:
        cells = []
        for index, column in shown:
            entry = row.entries[index]
            cell = escape_markdown(text_of(column, entry))
            if entry.bold:
                cell = f"**{cell}**"
            if mark := table.mark(entry):
                cell += f"<sup>{mark}</sup>"
            if within := within_of(column, entry):
                cell += f"<br><sub>{escape_markdown(within)}</sub>"
            cells.append(cell)
        if row.instead:
            # Markdown cannot join cells, and of all columns the last of the names has room for words
            last = next(place for place, (_, column) in enumerate(shown) if column.shown is not None) - 1
            cells[last] += f": **{escape_markdown(row.instead)}**"
        lines.append(_pipes(cells))
    for warning in table.warnings:
        lines += ["", f"**Warning:** {escape_markdown(warning)}"]
    for index, note in enumerate(table.footnotes):
        lines += ["", f"<sup>{letter(index)}</sup> {escape_markdown(note)}"]
    for remark in table.remarks:
        lines += ["", escape_markdown(remark)]
    return "\n".join(lines) + "\n"


def csv_text(table: Table) -> str:
    """Comma-separated values (RFC 4180 quoting, but LF line ends).

    Numbers have full precision in the record's units; a null is empty, and says why in `<key>_missing`. Notes on what
    is not null stand in the last column, `note`. A text that a spreadsheet would take for a formula has an apostrophe
    before it: see `defused`.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    header: list[str] = []
    bounded = {index for row in table.rows for index, entry in enumerate(row.entries) if entry.within}
    for index, column in enumerate(table.columns):
        header += [column.key] if column.shown is None else [column.key, f"{column.key}_missing"]
        if index in bounded:
            header += [f"{column.key}_low", f"{column.key}_high"]
    writer.writerow([*header, "note"])
    for row in table.rows:
        cells: list[str] = []
        notes: list[str] = []
        for index, (column, entry) in enumerate(zip(table.columns, row.entries, strict=True)):
            cells.append(_exact(entry.value))
            if column.shown is not None:
                cells.append(defused((entry.note or row.instead or "") if entry.value is None else ""))
            if index in bounded:
                cells += [_exact(limit) for limit in entry.within or (None, None)]
            if entry.value is not None and entry.note:
                notes.append(entry.note)
        writer.writerow([*cells, defused("; ".join(dict.fromkeys(notes)))])
    return buffer.getvalue()


def latex(table: Table) -> str:
    r"""A floating table with a caption, for a document with the preamble that `bench.report.render.document` writes.

    Numbers stand in siunitx's S columns, aligned at their points; an interval is in a line of its own under its row.
    A table of more lines than a page has is continued in further ones.
    """
    lines = [rf"% Needs \usepackage{{booktabs, graphicx, siunitx}} and, for bold numbers, {SIUNITX_SETUP}."]
    pages = _paged([(row, _lines_of(table, row)) for row in table.rows])
    below = [rf"\textbf{{Warning:}} {escape_latex(warning)}" for warning in table.warnings]
    below += [rf"\textsuperscript{{{letter(i)}}}~{escape_latex(note)}" for i, note in enumerate(table.footnotes)]
    below += [escape_latex(remark) for remark in table.remarks]
    notes = _paged([(note, 1 + len(note) // NOTE_WIDTH) for note in below])
    # What belongs together stays so wherever there is room for it
    joined = len(notes) == 1 and sum(_lines_of(table, row) for row in pages[-1]) + _height(notes[0]) <= PAGE_LINES
    for number, rows in enumerate(pages):
        last = notes[0] if joined and number == len(pages) - 1 else []
        lines += _float_latex(table, number, [*_tabular_latex(table, rows), *_below_latex(last)])
    for number, each in enumerate([] if joined else filter(None, notes), start=len(pages)):
        lines += _float_latex(table, number, _below_latex(each))
    return "\n".join(lines) + "\n"


SIUNITX_SETUP = r"\sisetup{detect-weight = true, mode = text, group-minimum-digits = 9}"
"""What makes S columns draw bold numbers bold, and no gaps inside of numbers."""
PAGE_LINES = 34
"""How many lines of rows and notes a page has room for beside the head, the caption and the page's own edges."""
NOTE_WIDTH, WRAP_WIDTH = 110, 60
"""Characters on a line of a note, and of a column of text in lines."""


def _paged(items: Sequence[tuple[Item, int]]) -> list[list[Item]]:
    """Items over pages, given how many lines each takes; at least one page."""
    pages: list[list[Item]] = [[]]
    left = PAGE_LINES
    for item, lines in items:
        if pages[-1] and lines > left:
            pages.append([])
            left = PAGE_LINES
        pages[-1].append(item)
        left -= lines
    return pages


def _lines_of(table: Table, row: Row) -> int:
    bracketed = any(within_of(column, row.entries[index]) for index, column in table.shown_columns)
    wrapped = (
        1 + len(str(row.entries[index].value)) // WRAP_WIDTH
        for index, column in table.shown_columns
        if column.align == "wrap"
    )
    return max(2 if bracketed else 1, *wrapped, 1)


def _height(notes: Sequence[str]) -> int:
    return sum(1 + len(note) // NOTE_WIDTH for note in notes)


def _float_latex(table: Table, number: int, content: Sequence[str]) -> list[str]:
    title = escape_latex(table.title)
    caption = rf"\caption{{{title}}}" if number == 0 else rf"\emph{{{title}, continued}}\par"
    return [
        # Floats that wait for a page of their own are held back by all that follow them
        *([r"\clearpage"] if number else []),
        r"\begin{table}[htbp]",
        r"\centering",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{3pt}",
        caption,
        r"\smallskip",
        *content,
        r"\end{table}",
    ]


def _tabular_latex(table: Table, rows: Sequence[Row]) -> list[str]:
    shown = table.shown_columns
    lines = [
        r"\setbox0=\hbox{%",
        rf"\begin{{tabular}}{{@{{}}{''.join(_column_latex(table, index) for index, _ in shown)}@{{}}}}",
        r"\toprule",
        _ampersands([_heading_latex(column) for _, column in shown]),
        r"\midrule",
    ]
    for row in rows:
        cells = []
        for index, column in shown:
            entry = row.entries[index]
            if row.instead and column.shown is not None:
                continue
            cells.append(_entry_latex(column, entry, table.mark(entry)))
        if row.instead:
            rest = len(shown) - len(cells)
            cells.append(rf"\multicolumn{{{rest}}}{{l@{{}}}}{{\emph{{{escape_latex(row.instead)}}}}}")
        lines.append(_ampersands(cells))
        within = [within_of(column, row.entries[index]) for index, column in shown]
        if any(within):
            lines.append(_ampersands([rf"{{\scriptsize {escape_latex(one)}}}" if one else "" for one in within]))
    # What is wider than the text is made to fit
    fitted = r"\leavevmode\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\box0}\else\box0\fi"
    return [*lines, r"\bottomrule", r"\end{tabular}}%", fitted]


def _below_latex(notes: Sequence[str]) -> list[str]:
    if not notes:
        return []
    lines = [(r"\par " if index else "") + line for index, line in enumerate(notes)]
    return ["", r"\smallskip", r"\begin{minipage}{\linewidth}\raggedright", *lines, r"\end{minipage}"]


def _column_latex(table: Table, index: int) -> str:
    """The column's type: S with room for its longest number on both sides of the point, for a column of numbers."""
    column = table.columns[index]
    if column.shown is None:
        return {"left": "l", "right": "r", "wrap": r"p{0.6\linewidth}"}[column.align]
    shown = [text_of(column, row.entries[index]) for row in table.rows if row.entries[index].value is not None]
    numbers = [text for text in shown if _is_plain(text)]
    whole = max((len(number.lstrip("-").partition(".")[0]) for number in numbers), default=1)
    decimals = max((len(number.partition(".")[2]) for number in numbers), default=0)
    sign = "-" if any(number.startswith("-") for number in numbers) else ""
    marks = [table.mark(row.entries[index]) for row in table.rows if row.entries[index].value is not None]
    mark = max(marks, key=len, default="")
    room = rf", table-space-text-post={{\textsuperscript{{{mark}}}}}" if mark else ""
    return rf"S[table-format={sign}{whole}.{decimals}{room}]"


def _is_plain(text: str) -> bool:
    return bool(re.fullmatch(r"-?\d+(\.\d+)?", text))


def _entry_latex(column: Column, entry: Entry, mark: str) -> str:
    text = escape_latex(text_of(column, entry))
    raised = rf"\textsuperscript{{{mark}}}" if mark else ""
    if column.shown is None:
        return rf"\textbf{{{text}}}{raised}" if entry.bold else f"{text}{raised}"
    if not _is_plain(text):
        return f"{{{text}{raised}}}"
    bold = r"\bfseries " if entry.bold else ""
    return f"{bold}{text}" + (f" {{{raised}}}" if raised else "")


def unmarked(row: Row) -> Mapping[str, str]:
    """No attributes."""
    return {}


def html_text(table: Table, attributes: Callable[[Row], Mapping[str, str]] = unmarked) -> str:
    """A `<section>` in ASCII, so that it reads the same in a page of any encoding and alone.

    A cell with a number has it unrounded in `data-value`; `attributes` gives a row's own, by name.
    """
    shown = table.shown_columns
    lines = [f'<section class="table" id="{html.escape(table.name)}">', "<table>"]
    lines.append(f"<caption>{html.escape(table.title)}</caption>")
    heads = []
    for _, column in shown:
        unit = f"<br>({html.escape(column.unit)})" if column.unit else ""
        heads.append(f'<th scope="col" class="{column.align}">{html.escape(column.title)}{unit}</th>')
    lines.append(f"<thead><tr>{''.join(heads)}</tr></thead>")
    lines.append("<tbody>")
    for row in table.rows:
        cells = []
        for index, column in shown:
            entry = row.entries[index]
            if row.instead and column.shown is not None:
                continue
            mark = table.mark(entry)
            text = html.escape(text_of(column, entry))
            cell = (f"<strong>{text}</strong>" if entry.bold else text) + (f"<sup>{mark}</sup>" if mark else "")
            if within := within_of(column, entry):
                cell += f"<br><small>{html.escape(within)}</small>"
            value = "" if entry.value is None or column.shown is None else f' data-value="{_exact(entry.value)}"'
            cells.append(f'<td class="{column.align}"{value}>{cell}</td>')
        if row.instead:
            rest = len(shown) - len(cells)
            cells.append(f'<td class="instead" colspan="{rest}">{html.escape(row.instead)}</td>')
        own = "".join(f' {name}="{html.escape(value)}"' for name, value in attributes(row).items())
        lines.append(f"<tr{own}>{''.join(cells)}</tr>")
    lines += ["</tbody>", "</table>"]
    lines += [f'<p class="warning"><strong>Warning:</strong> {html.escape(warning)}</p>' for warning in table.warnings]
    for index, note in enumerate(table.footnotes):
        lines.append(f'<p class="note"><sup>{letter(index)}</sup> {html.escape(note)}</p>')
    lines += [f'<p class="note">{html.escape(remark)}</p>' for remark in table.remarks]
    return "\n".join([*lines, "</section>"]).encode("ascii", "xmlcharrefreplace").decode() + "\n"


RENDERERS: dict[str, Callable[[Table], str]] = {".md": markdown, ".csv": csv_text, ".tex": latex, ".html": html_text}
"""File suffix to the renderer that writes it."""


def escape_markdown(text: str) -> str:
    """`text` for GitHub's Markdown: nothing in it is markup, a link, an image, mathematics or the end of a cell."""
    escaped = re.sub(r"([\\`*\[\]|~$#])", r"\\\1", html.escape(text, quote=False))
    # GitHub makes links of addresses and persons without any markup
    escaped = escaped.replace("://", ":&#47;&#47;").replace("www.", "www&#46;").replace("@", "&#64;")
    # Inside a word an underscore is no emphasis, and names read better without backslashes
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", escaped).replace("\n", " ")


LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "\n": " ",
    DASH: "---",
    "…": r"\ldots{}",
}
"""More than the special characters: after `\\\\` a bracket or a star would be taken for its argument."""


def escape_latex(text: str) -> str:
    """`text` for any LaTeX engine and font: what is not ASCII and has no command stands as its code point, [U+4E2D]."""
    escaped = []
    for character, following in zip(text, f"{text[1:]} ", strict=True):
        if character == following and character in "-',":
            escaped.append(f"{character}{{}}")  # two in a row would be drawn as one other character
        elif character.isascii() or character in LATEX:
            escaped.append(LATEX.get(character, character))
        else:
            escaped.append(f"{{[}}U+{ord(character):04X}{{]}}")
    return "".join(escaped)


def defused(text: str) -> str:
    """`text` as no spreadsheet takes it for a formula: an apostrophe before what would start one.

    Spreadsheets show such a cell as text. A program takes the apostrophe off a text whose second character is one of
    `=+-@`, a tab or a carriage return; what is a number stays as it is. (OWASP, "CSV Injection")
    """
    return f"'{text}" if re.match(r"[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]", text) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _exact(value: str | float | None) -> str:
    if value is None or isinstance(value, str):
        return defused(value or "")
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(float(value))


def _pipes(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ampersands(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _heading_latex(column: Column) -> str:
    """Narrow and set in lines: ten columns have to fit on a page."""
    words = textwrap.wrap(column.title, 9, break_long_words=False) + ([f"({column.unit})"] if column.unit else [])
    side = "r" if column.align == "right" else "l"
    stacked = r"\\".join(escape_latex(word) for word in words)
    # In braces: what stands in a column of numbers and is none
    return (
        f"{{{stacked}}}"
        if len(words) == 1
        else rf"{{\begin{{tabular}}[b]{{@{{}}{side}@{{}}}}{stacked}\end{{tabular}}}}"
    )
