"""report.tex: a LaTeX document that inputs every table and figure of a report and compiles as it is."""

from bench.report.page.contents import Contents
from bench.report.render import templates
from bench.report.render.latex_table import width_pt

PORTRAIT_PT = 480.0
"""The widest table that is set upright; a wider one has a page of its own, turned."""


def report_tex(contents: Contents) -> str:
    """The document, for the folder that has `tables/` and `figures/`. The same contents give the same text."""
    tables = [(table, width_pt(table) > PORTRAIT_PT) for table in contents.tables]
    return templates.latex("report.tex", contents=contents, tables=tables)
