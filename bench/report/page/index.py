"""index.html: the whole report as one page, which opens from a disk, needs no other file and no network.

It can be read without JavaScript; three small scripts add sorting, filters and the predictions browser. What the page
may run and how it may look is fixed by hashes, so that nothing in a name, a message or an answer can do either.
"""

import base64
import hashlib
import html
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report.compare.picks import Picks
from bench.report.compare.setups import Group
from bench.report.figures.chart import Chart
from bench.report.figures.timeline import trace_name
from bench.report.read.load import Problem
from bench.report.render.render import Row, Table, html_text
from bench.report.words import counted, printable

ASSETS = Path(__file__).with_name("assets")
SCRIPTS = ("sort.js", "browser.js", "filter.js")
"""In the order in which they are run: the browser listens to the filter."""
FIGURE_BYTES = 9_000_000
"""How much of PNGs the page takes in; in it they are a third larger."""
SHOWN_WIDTH = 0.78
"""Of a figure's width in pixels: its letters are then a little smaller than the page's."""

Attributes = Mapping[str, str]
"""HTML attributes by name, unescaped."""


@dataclass(frozen=True)
class Contents:
    """All that is on the page."""

    study: str
    summary: str
    picks: Sequence[Picks]
    tables: Sequence[Table]
    charts: Sequence[Chart]
    traces: Sequence[Chart]
    untraced: str
    """Why not every cell has one; empty if all have."""
    predictions: str
    """The predictions browser, of `browser_html`."""
    problems: Sequence[Problem]
    groups: Sequence[Group]


@dataclass(frozen=True)
class Part:
    """One part of the page, with what it holds for the list of contents."""

    name: str
    title: str
    body: str
    links: tuple[tuple[str, str], ...] = ()
    """Id and title of what can be gone to inside it."""


def index_html(contents: Contents) -> str:
    """The page. The same contents give the same text."""
    style, scripts = _asset("page.css"), [_asset(name) for name in SCRIPTS]
    policy = "; ".join(
        (
            "default-src 'none'",
            "img-src data:",
            f"style-src {_hash(style)}",
            f"script-src {' '.join(map(_hash, scripts))}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    name = html.escape(printable(contents.study))
    parts = [part for part in _parts(contents) if part.body]
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        f"<title>Report of the study {name}</title>",
        f"<style>{style}</style>",
        "</head>",
        "<body>",
        '<div class="layout">',
        "<header>",
        f"<h1>Report of the study <bdi>{name}</bdi></h1>",
        f'<p class="lead">{html.escape(contents.summary)}</p>',
        "</header>",
        '<aside class="side">',
        _filters(contents.groups),
        _navigation(parts),
        "</aside>",
        "<main>",
    ]
    for part in parts:
        lines += [f'<section class="part" id="part-{part.name}">', f"<h2>{part.title}</h2>", part.body, "</section>"]
    lines += ["</main>", "</div>", *(f"<script>{script}</script>" for script in scripts), "</body>", "</html>"]
    return "\n".join(lines) + "\n"


def _parts(contents: Contents) -> list[Part]:
    subjects = _subjects(contents.groups)
    costs = [table for table in contents.tables if table.name.startswith("costs-")]
    cells = [table for table in contents.tables if table.name in ("cells", "failures")]
    provenance = [table for table in contents.tables if table.name == "provenance"]
    results = [table for table in contents.tables if table not in (*costs, *cells, *provenance)]
    return [
        Part("picks", "Which method, then?", "\n".join(map(_picks, contents.picks))),
        _tables("results", "Results", results, subjects),
        _figures(contents.charts),
        _tables("costs", "Costs", costs, subjects),
        Part("predictions", "Predictions", contents.predictions),
        _tables("cells", "Cells", cells, subjects),
        Part("traces", "Power and memory over time", _traces(contents, subjects)),
        Part("problems", "Not in this report", _problems(contents.problems)),
        _tables("provenance", "Provenance", provenance, subjects),
    ]


def _navigation(parts: Iterable[Part]) -> str:
    lines = ['<nav aria-label="Contents">', "<h2>Contents</h2>", "<ul>"]
    for part in parts:
        inner = "".join(
            f'<li><a href="#{html.escape(name)}">{html.escape(title)}</a></li>' for name, title in part.links
        )
        below = f"<ul>{inner}</ul>" if len(part.links) > 1 else ""
        lines.append(f'<li><a href="#part-{part.name}">{part.title}</a>{below}</li>')
    return "\n".join([*lines, "</ul>", "</nav>"])


def _filters(groups: Sequence[Group]) -> str:
    """A box to tick for each model and each method; the page's script shows it where there is something to choose."""
    models = dict.fromkeys(printable(group.model) for group in groups)
    methods = dict.fromkeys(printable(setup.method) for group in groups for setup in group.setups)
    sets = [(name, found) for name, found in (("model", models), ("method", methods)) if len(found) > 1]
    if not sets:
        return ""
    lines = ['<form id="filters" hidden>', "<h2>Show</h2>"]
    for name, found in sets:
        lines.append(f"<fieldset><legend>{name.capitalize()}s</legend>")
        for value in map(html.escape, found):
            box = f'<input type="checkbox" name="{name}" value="{value}" checked>'
            lines.append(f"<label>{box}<bdi>{value}</bdi></label>")
        lines.append("</fieldset>")
    note = "Figures of several models or methods show all of them."
    return "\n".join(
        [*lines, '<button type="button" hidden>Show all</button>', f'<p class="note">{note}</p>', "</form>"]
    )


def _picks(picks: Picks) -> str:
    lines = [f'<section class="pick" data-model="{html.escape(printable(picks.model))}">']
    lines += [f"<h3>{html.escape(printable(picks.title))}</h3>", "<dl>"]
    for pick in picks.picks:
        preference, answer, reason = pick.told(html.escape)
        lines.append(f"<dt>{preference}</dt><dd><strong>{answer}</strong> {reason}</dd>")
    return "\n".join([*lines, "</dl>", "</section>"])


def _subjects(groups: Iterable[Group]) -> dict[tuple[str, ...], Attributes]:
    """What rows and figures are about: by model and setup as tables name them, by a cell's folder and by its figure."""
    found: dict[tuple[str, ...], Attributes] = {}
    for group in groups:
        for setup in group.setups:
            own = {"data-model": printable(group.model), "data-method": printable(setup.method)}
            found[printable(group.model), setup.label] = own
            for cell in setup.cells:
                found[printable(cell["folder"]),] = found[trace_name(cell),] = own
    return found


def _row_attributes(table: Table, subjects: Mapping[tuple[str, ...], Attributes]) -> Callable[[Row], Attributes]:
    """What the rows of a table are about, where its columns say so."""
    at = {column.key: place for place, column in enumerate(table.columns)}
    keys = next((keys for keys in (("model", "method"), ("folder",)) if all(key in at for key in keys)), None)

    def attributes(row: Row) -> Attributes:
        return subjects.get(tuple(str(row.entries[at[key]].value) for key in keys), {}) if keys else {}

    return attributes


def _tables(name: str, title: str, tables: Sequence[Table], subjects: Mapping[tuple[str, ...], Attributes]) -> Part:
    body = "\n".join(html_text(table, _row_attributes(table, subjects)) for table in tables)
    return Part(name, title, body, tuple((table.name, table.title) for table in tables))


def _figures(charts: Sequence[Chart]) -> Part:
    links = tuple((_figure_id(chart), chart.title) for chart in charts)
    return Part("figures", "Figures", "\n".join(_figure(chart, chart.title, {}) for chart in charts), links)


def _traces(contents: Contents, subjects: Mapping[tuple[str, ...], Attributes]) -> str:
    """As many cells' figures as there is room for beside the others, in the order of the tables."""
    room_bytes = FIGURE_BYTES - sum(len(chart.png) for chart in contents.charts)
    shown = []
    for chart in contents.traces:
        room_bytes -= len(chart.png)
        if room_bytes < 0:
            break
        shown.append(_figure(chart, None, subjects.get((chart.name,), {})))
    if not contents.traces:
        return ""
    left = len(contents.traces) - len(shown)
    told = [contents.untraced] if contents.untraced else []
    if left:
        verb = "is" if left == 1 else "are"
        told.append(f"To keep this page small, {counted(left, 'figure')} more {verb} in figures/traces only.")
    notes = [f'<p class="note">{html.escape(note)}</p>' for note in told]
    return "\n".join([*notes, '<div class="gallery">', *shown, "</div>"])


def _figure(chart: Chart, caption: str | None, attributes: Attributes) -> str:
    width, height = png_size(chart.png)
    told = "".join(f' {name}="{html.escape(value)}"' for name, value in attributes.items())
    lines = [f'<figure id="{html.escape(_figure_id(chart))}"{told}>']
    if caption:
        lines.append(f"<figcaption>{html.escape(caption)}</figcaption>")
    data = base64.b64encode(chart.png).decode()
    size = f'width="{round(width * SHOWN_WIDTH)}" height="{round(height * SHOWN_WIDTH)}"'
    lines.append(f'<img alt="{html.escape(chart.alt)}" {size} loading="lazy" src="data:image/png;base64,{data}">')
    return "\n".join([*lines, "</figure>"])


def png_size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, which the file's first chunk says."""
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def _figure_id(chart: Chart) -> str:
    return f"figure-{chart.name}"


def _problems(problems: Sequence[Problem]) -> str:
    if not problems:
        return ""
    told = [(html.escape(printable(each.path)), html.escape(printable(each.sentence))) for each in problems]
    items = [f"<li><code>{path}</code> {sentence}</li>" for path, sentence in told]
    return "\n".join(['<ul class="problems">', *items, "</ul>"])


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
