"""index.html: the whole report as one page, which opens from a disk and needs no other file and no network.

It can be read without JavaScript; three small scripts add sorting, filters and the predictions browser. Hashes in the
page's Content Security Policy allow its own scripts and style only, so that no text in it can run or restyle anything.
"""

import base64
import hashlib
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from markupsafe import Markup

from bench.report.compare.comparisons import Comparison
from bench.report.figures.chart import Chart
from bench.report.figures.timeline import trace_name
from bench.report.page.contents import Contents
from bench.report.render import templates
from bench.report.render.formats import html_table
from bench.report.render.table import Row, Table
from bench.report.wording import counted, printable

ASSETS = Path(__file__).with_name("assets")
SCRIPTS = ("sort.js", "browser.js", "filter.js")
"""In the order in which they run: the browser listens to the filter."""
FIGURE_BYTES = 9_000_000
"""Total size of the PNG files that the page includes; as base64 they take a third more."""
SHOWN_WIDTH = 0.78
"""Width of a figure on the page per pixel of its file: makes its letters a little smaller than the page's."""

Attributes = Mapping[str, str]
"""HTML attributes by name, not yet escaped."""
Subjects = Mapping[tuple[str, ...], Attributes]
"""Attributes that name the model and method of rows and figures, by what identifies these."""


@dataclass(frozen=True)
class PageSection:
    """One section of the page under a heading of its own."""

    name: str
    title: str
    body: Markup
    links: tuple[tuple[str, str], ...] = ()
    """Id and title of each table or figure in it, for the list of contents."""


def index_html(contents: Contents) -> str:
    """The page. The same contents give the same text."""
    style, scripts = _asset("page.css"), [_asset(name) for name in SCRIPTS]
    page = templates.html(
        "index.html",
        contents=contents,
        policy=_policy(style, scripts),
        style=style,
        scripts=scripts,
        filters=_filters(contents.comparisons),
        sections=[section for section in _sections(contents) if section.body],
    )
    return str(page)


def png_size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the file's first chunk."""
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def _asset(name: str) -> Markup:
    return Markup((ASSETS / name).read_text(encoding="utf-8"))


def _policy(style: str, scripts: Iterable[str]) -> Markup:
    """The Content Security Policy: nothing is loaded, and only the page's own style and scripts take effect."""
    allowed = " ".join(map(_hash, scripts))
    return Markup(
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {allowed}; base-uri 'none'; "
        "form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _sections(contents: Contents) -> list[PageSection]:
    subjects = _subjects(contents.comparisons)
    picks = templates.html("picks.html", all_picks=contents.picks)
    problems = templates.html("problems.html", problems=contents.problems) if contents.problems else Markup()
    return [
        PageSection("picks", "Which method?", picks),
        _tables("results", "Results", contents.tables, subjects),
        _figures(contents.charts),
        _tables("costs", "Costs", contents.tables, subjects),
        _tables("tuning", "Tuning", contents.tables, subjects),
        PageSection("predictions", "Predictions", contents.predictions),
        _tables("cells", "Cells", contents.tables, subjects),
        _traces(contents, subjects),
        PageSection("problems", "Not in this report", problems),
        _tables("provenance", "Provenance", contents.tables, subjects),
    ]


def _filters(comparisons: Sequence[Comparison]) -> list[tuple[str, list[str]]]:
    """The models and the methods to tick, where there is more than one; the page's script shows them."""
    models = dict.fromkeys(printable(each.model) for each in comparisons)
    methods = dict.fromkeys(printable(setup.method) for each in comparisons for setup in each.setups)
    return [(name, list(values)) for name, values in (("model", models), ("method", methods)) if len(values) > 1]


def _subjects(comparisons: Iterable[Comparison]) -> Subjects:
    """By model and setup as the tables name them, by a cell's folder, and by the name of its figure."""
    subjects: dict[tuple[str, ...], Attributes] = {}
    for each in comparisons:
        for setup in each.setups:
            own = {"data-model": printable(each.model), "data-method": printable(setup.method)}
            subjects[printable(each.model), setup.label] = own
            for cell in setup.cells:
                subjects[printable(cell.folder),] = subjects[trace_name(cell),] = own
    return subjects


def _tables(name: str, title: str, tables: Sequence[Table], subjects: Subjects) -> PageSection:
    own = [table for table in tables if table.section == name]
    body = Markup().join(html_table(table, _row_attributes(table, subjects)) for table in own)
    return PageSection(name, title, body, tuple((table.name, table.title) for table in own))


def _row_attributes(table: Table, subjects: Subjects) -> Callable[[Row], Attributes]:
    """Which model and method each row of a table is about, where its columns say so."""
    at = {column.key: index for index, column in enumerate(table.columns)}
    keys = next((keys for keys in (("model", "method"), ("folder",)) if all(key in at for key in keys)), ())

    def attributes(row: Row) -> Attributes:
        return subjects.get(tuple(str(row.cells[at[key]].value) for key in keys), {})

    return attributes


def _figures(charts: Sequence[Chart]) -> PageSection:
    body = _figures_html([(chart, {}) for chart in charts])
    return PageSection("figures", "Figures", body, tuple((f"figure-{chart.name}", chart.title) for chart in charts))


def _traces(contents: Contents, subjects: Subjects) -> PageSection:
    """The cells' figures in the order of the tables, as many as fit on the page beside the other figures."""
    room_bytes = FIGURE_BYTES - sum(len(chart.png) for chart in contents.charts)
    taken_bytes = accumulate(len(chart.png) for chart in contents.traces)
    shown = [chart for chart, taken in zip(contents.traces, taken_bytes, strict=True) if taken <= room_bytes]
    n_left = len(contents.traces) - len(shown)
    more = f"{counted(n_left, 'more figure')} {'is' if n_left == 1 else 'are'}"
    notes = [contents.untraced] if contents.untraced and contents.traces else []
    notes += [f"To keep this page small, {more} in figures/traces only."] if n_left else []
    body = _figures_html([(chart, subjects.get((chart.name,), {})) for chart in shown], notes, is_gallery=True)
    return PageSection("traces", "Power and memory over time", body)


def _figures_html(
    figures: Sequence[tuple[Chart, Attributes]], notes: Sequence[str] = (), is_gallery: bool = False
) -> Markup:
    return templates.html("figures.html", figures=figures, notes=notes, is_gallery=is_gallery, image=_image)


def _image(png: bytes) -> tuple[int, int, str]:
    """Width and height on the page, and the file in base64."""
    width, height = (round(SHOWN_WIDTH * size) for size in png_size(png))
    return width, height, base64.b64encode(png).decode()
