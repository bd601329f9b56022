"""All tables of a report."""

from collections.abc import Sequence

from bench.report.compare.comparisons import Comparison
from bench.report.compare.effects import Effect
from bench.report.read.study import Study
from bench.report.render.table import Table
from bench.report.request import Request
from bench.report.tables.cells import cells_table, failures_table
from bench.report.tables.costs import cost_tables
from bench.report.tables.differences import effects_table
from bench.report.tables.provenance import provenance_table
from bench.report.tables.published import published_scores, published_tables
from bench.report.tables.results import results_table, scores_table


def tables(study: Study, found: Sequence[Comparison], request: Request, compared: Sequence[Effect]) -> list[Table]:
    """The tables in reading order: results, effects, costs, cells, failures, provenance."""
    failures = failures_table(study)
    return [
        *(results_table(each, request.reference, published_scores(each)) for each in found),
        *(scores_table(each) for each in found),
        *([effects_table(found, compared)] if compared else []),
        *(published_tables(found) if request.against else []),
        *cost_tables(found),
        cells_table(
            found,
            [
                s
                for n, s in (found[0].scores if found else {}).items()
                if n in ("token_f1", "exact_match", "perplexity")
            ],
        ),
        *([failures] if failures else []),
        provenance_table(study.cells),
    ]
