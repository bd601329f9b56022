"""All tables of a report."""

from collections.abc import Sequence
from dataclasses import replace

from bench.report.compare.comparisons import Comparison
from bench.report.compare.effects import Effect
from bench.report.compare.family import Family
from bench.report.compare.quantities import Quantity
from bench.report.compare.searches import searched
from bench.report.read.study import Study
from bench.report.render.table import Table
from bench.report.request import Request
from bench.report.tables.cells import cells_table, failures_table
from bench.report.tables.costs import cost_tables
from bench.report.tables.differences import effects_table
from bench.report.tables.measured import not_measured, without_empty_columns
from bench.report.tables.provenance import provenance_table
from bench.report.tables.published import published_scores, published_tables
from bench.report.tables.results import results_tables
from bench.report.tables.searches import search_tables
from bench.report.tables.settings import settings_tables


def tables(
    study: Study, comparisons: Sequence[Comparison], request: Request, family: Family, compared: Sequence[Effect]
) -> list[Table]:
    """The tables in reading order: results, effects, costs, searches, settings, cells, failures, provenance."""
    results = [_results(each, request, family) for each in comparisons]
    failures = failures_table(study)
    return [
        *(without_empty_columns(first) for first, *_ in results),
        *(without_empty_columns(other) for _, *others in results for other in others),
        *([effects_table(comparisons, compared, request.pairs)] if compared else []),
        *(published_tables(comparisons) if request.against else []),
        *_costs(comparisons),
        *search_tables([each for comparison in comparisons for each in searched(study, comparison)]),
        *settings_tables(comparisons),
        without_empty_columns(cells_table(comparisons, family)),
        *([failures] if failures else []),
        provenance_table(study.cells),
    ]


def _results(comparison: Comparison, request: Request, family: Family) -> list[Table]:
    if not request.against:
        return results_tables(comparison, request.reference, _scores(comparison, family))
    scores = published_scores(comparison)
    return results_tables(comparison, request.reference, scores, most_scores=len(scores))


def _scores(comparison: Comparison, family: Family) -> list[Quantity]:
    """The scores that the comparison has, the deciding one first."""
    return sorted(comparison.scores.values(), key=lambda score: score.name != family.decides)


def _costs(comparisons: Sequence[Comparison]) -> list[Table]:
    """The tables that have a number, of the comparisons that have a cell that ended ok.

    The first one has a sentence about each table that would have no number.
    """
    ended = [comparison for comparison in comparisons if comparison.ok]
    if not ended:
        return []
    made = cost_tables(ended)
    missing = [sentence for table in made if (sentence := not_measured(table))]
    first, *others = [without_empty_columns(table) for table in made if not not_measured(table)]
    return [replace(first, remarks=(*first.remarks, *missing)), *others]
