"""What a report shows, whichever document it is written as."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from bench.report.compare.choice import Picks
from bench.report.compare.comparisons import Comparison
from bench.report.figures.chart import Chart
from bench.report.read.problem import Problem
from bench.report.render.table import Table


@dataclass(frozen=True)
class Contents:
    """Everything that a report shows."""

    study: str
    summary: str
    """How many cells there are, and how they ended."""
    picks: Sequence[Picks]
    tables: Sequence[Table]
    """In the order of the report."""
    charts: Sequence[Chart]
    traces: Sequence[Chart]
    """A figure of power and memory over time for each cell that has one."""
    untraced: str
    """Why some cells have none; empty if all have one."""
    predictions: Markup
    """The predictions browser, which `browser_html` makes."""
    problems: Sequence[Problem]
    comparisons: Sequence[Comparison]
    facts: Mapping[str, str] = field(default_factory=dict)
    """Lines of the header by title: `Model`, `Data set`, `Examples`, `Seeds`, `Commit`."""
    cautions: Sequence[str] = ()
    """What a reader must know before reading any number, such as how many examples were left out."""

    @property
    def lead(self) -> str:
        """The first lines under the title, with the word that the rest needs."""
        return f"{self.summary} A cell is one run: one combination of model, method, data set, settings and seed."
