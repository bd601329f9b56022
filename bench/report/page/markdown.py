"""report.md: the whole report for a reader on GitHub, where figures are links to files."""

from bench.report.page.contents import Contents
from bench.report.render import templates


def report_md(contents: Contents) -> str:
    """The document. The same contents give the same text."""
    return templates.markdown("report.md", contents=contents)
