"""A study's report as files: one page to read, the same as Markdown, and every table and figure on its own."""

import base64
import html
from collections import Counter
from pathlib import Path

from bench.report.figures import Chart, charts
from bench.report.load import Study
from bench.report.render import RENDERERS, Table, escape_markdown, html_text, markdown
from bench.report.tables import tables
from bench.report.timeline import left_out, traces
from bench.report.words import STATUSES, counted, listed, printable

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
section.table { margin: 2rem 0; overflow-x: auto; }
table { border-collapse: collapse; border-top: 2px solid #1a1a1a; border-bottom: 2px solid #1a1a1a; }
caption { text-align: left; font-weight: 600; padding-bottom: .4rem; }
th, td { padding: .25rem .6rem; text-align: left; vertical-align: top; }
th { border-bottom: 1px solid #1a1a1a; vertical-align: bottom; }
sup { line-height: 0; }
th.right, td.right { text-align: right; font-variant-numeric: tabular-nums; }
th.left, td.left { white-space: nowrap; } td.wrap { max-width: 45rem; overflow-wrap: anywhere; }
td.instead { font-style: italic; }
p.note { font-size: .85rem; color: #444; margin: .3rem 0; } p.warning { color: #8a1f11; margin: .5rem 0; }
img { max-width: 100%; height: auto; } figure { margin: 1.5rem 0; }
""".strip()

KINDS = ("tables", "figures", "figures/traces")
"""Folders of a report."""
OVER_TIME = "Power and memory over time"

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Nothing is ever to run or to be fetched in the page, whatever a name or a message says."""


def write_report(study: Study, folder: Path) -> None:
    """Write the report of a study with at least one cell into `folder`, in place of an earlier one.

    Raises:
        OSError: the folder cannot be made or written.
    """
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
    shown, drawn, traced = tables(study), charts(study), traces(study)
    files: dict[str, bytes] = {}
    for table in shown:
        for suffix, render in RENDERERS.items():
            files[f"tables/{table.name}{suffix}"] = render(table).encode()
    for chart in (*drawn, *traced):
        files[f"figures/{chart.name}.png"] = chart.png
        files[f"figures/{chart.name}.pdf"] = chart.pdf
    files["report.md"] = markdown_report(study, shown, drawn, traced).encode()
    files["index.html"] = html_report(study, shown, drawn, traced).encode()
    for kind in KINDS:
        for stale in (folder / kind).iterdir():
            # Only what an earlier report can have left: a table of a model that is in the study no more
            if stale.suffix in (*RENDERERS, ".png", ".pdf") and f"{kind}/{stale.name}" not in files:
                stale.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def markdown_report(study: Study, shown: list[Table], drawn: list[Chart], traced: list[Chart]) -> str:
    """The whole report for a reader on GitHub; figures are linked."""
    parts = [f"# Report of the study {escape_markdown(printable(study.name))}\n", f"{_summary(study)}\n"]
    parts += [markdown(table) for table in shown if table.name != "provenance"]
    parts += [f"### {chart.title}\n\n{_linked(chart)}" for chart in drawn]
    if traced:
        parts.append(f"### {OVER_TIME}\n")
        if note := left_out(study):
            parts.append(f"{note}\n")
        parts += map(_linked, traced)
    if study.problems:
        told = [f"- {escape_markdown(printable(f'{each.path} {each.sentence}'))}" for each in study.problems]
        parts.append("### Not in this report\n\n" + "\n".join(told) + "\n")
    parts += [markdown(table) for table in shown if table.name == "provenance"]
    return "\n".join(parts)


def html_report(study: Study, shown: list[Table], drawn: list[Chart], traced: list[Chart]) -> str:
    """The whole report as one page that needs no other file and no network."""
    name = html.escape(printable(study.name))
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        f"<title>Report of the study {name}</title>",
        f"<style>\n{STYLE}\n</style>",
        "</head>",
        "<body>",
        f"<h1>Report of the study {name}</h1>",
        f"<p>{_summary(study)}</p>",
    ]
    parts += [html_text(table) for table in shown if table.name != "provenance"]
    for chart in drawn:
        parts += [f"<h2>{html.escape(chart.title)}</h2>", _embedded(chart)]
    if traced:
        parts.append(f"<h2>{OVER_TIME}</h2>")
        if note := left_out(study):
            parts.append(f'<p class="note">{html.escape(note)}</p>')
        parts += map(_embedded, traced)
    if study.problems:
        told = [(html.escape(printable(each.path)), html.escape(printable(each.sentence))) for each in study.problems]
        items = [f"<li><code>{path}</code> {sentence}</li>" for path, sentence in told]
        parts += ["<h2>Not in this report</h2>", "<ul>", *items, "</ul>"]
    parts += [html_text(table) for table in shown if table.name == "provenance"]
    return "\n".join([*parts, "</body>", "</html>"]) + "\n"


def _linked(chart: Chart) -> str:
    return f"![{escape_markdown(chart.alt)}](figures/{chart.name}.png)\n"


def _embedded(chart: Chart) -> str:
    data = base64.b64encode(chart.png).decode()
    return f'<figure><img alt="{html.escape(chart.alt)}" src="data:image/png;base64,{data}"></figure>'


def _summary(study: Study) -> str:
    counts = Counter(study.cells["status"])
    endings = listed(f"{counts[status]} {words}" for status, words in STATUSES.items() if counts[status])
    return f"{counted(len(study.cells), 'cell')}: {endings}."
