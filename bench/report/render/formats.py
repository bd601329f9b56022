"""The formats that every table is written in."""

from collections.abc import Callable, Mapping

from markupsafe import Markup

from bench.report.render import templates
from bench.report.render.csv_table import csv_table
from bench.report.render.latex_table import latex_table
from bench.report.render.table import Row, Table


def markdown_table(table: Table) -> templates.Markdown:
    """A GitHub table under a heading of level 3, with its notes below."""
    return templates.markdown("table.md", table=table)


def _no_attributes(row: Row) -> Mapping[str, str]:
    return {}


def html_table(table: Table, attributes: Callable[[Row], Mapping[str, str]] = _no_attributes) -> Markup:
    """A `<section>` in ASCII, which reads the same in a page of any encoding and as a file of its own.

    A cell with a number has the unrounded number in `data-value`; `attributes` gives attributes of a row, by name.
    """
    text = templates.html("table.html", table=table, attributes=attributes)
    return Markup(text.encode("ascii", "xmlcharrefreplace").decode())


FORMATS: dict[str, Callable[[Table], str]] = {
    ".md": markdown_table,
    ".csv": csv_table,
    ".tex": latex_table,
    ".html": html_table,
}
"""File suffix to the function that writes it."""
