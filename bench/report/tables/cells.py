"""The tables that have a row per cell: all cells, and those that did not end ok."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from bench.report.compare.comparisons import Comparison
from bench.report.compare.family import Family, scores_of
from bench.report.compare.quantities import (
    CELL_SECONDS,
    STEP_SECONDS,
    THROUGHPUT,
    TRAIN_SECONDS,
    Quantity,
    score_error_quantity,
)
from bench.report.compare.setups import Setup
from bench.report.read.cells import StoredCell
from bench.report.read.study import Study
from bench.report.render.table import Column, Row, Table, TableCell
from bench.report.tables.provenance import driver_of, gpus_of
from bench.report.tables.rows import cautions, number_column, number_entry
from bench.report.wording import printable

NOT_OK = "the cell did not end ok"
MOST_SCORES = 3
"""More are in the CSV file."""
MACHINE: dict[str, tuple[str, Callable[[StoredCell], str]]] = {
    "host": ("Host", lambda cell: cell.record.environment.host),
    "gpu": ("GPU", lambda cell: gpus_of(cell)),
    "driver": ("Driver", lambda cell: driver_of(cell)),
}
"""Where a cell ran: always in the CSV file, and shown where cells differ."""


def cells_table(comparisons: Sequence[Comparison], family: Family) -> Table:
    """One row per cell, failed ones included."""
    scores = sorted(scores_of(comparisons).values(), key=lambda score: score.name != family.decides)
    with_errors = {name for each in comparisons for cell in each.ok for name in cell.record.score_errors}
    errors = [score_error_quantity(score.name) for score in scores if score.name in with_errors]
    costs = (TRAIN_SECONDS, STEP_SECONDS, THROUGHPUT, CELL_SECONDS)
    numbers, shown = (*scores, *errors, *costs), (*scores[:MOST_SCORES], *costs)
    names = (
        Column("folder", ""),
        Column("key", ""),
        Column("model", "Model" if len({each.model for each in comparisons}) > 1 else "", align="left"),
        Column("dataset", "Data set" if len({each.dataset for each in comparisons}) > 1 else "", align="left"),
        Column("method", "Method", align="left"),
        Column("seed", "Seed", align="left"),
        Column("status", "Status", align="left"),
    )
    rows = [
        _row(comparison, setup, cell, numbers)
        for comparison in comparisons
        for setup in comparison.setups
        for cell in setup.cells
    ]
    machines = [
        Column(fact, title if len({told(cell) for each in comparisons for cell in each.ok}) > 1 else "", align="left")
        for fact, (title, told) in MACHINE.items()
    ]
    columns = [number_column(each if each in shown else replace(each, title="")) for each in numbers]
    return Table(
        "cells", "All cells", (*names, *machines, *columns), tuple(rows), (), cautions(comparisons), section="cells"
    )


def _row(comparison: Comparison, setup: Setup, cell: StoredCell, numbers: Sequence[Quantity]) -> Row:
    names = (cell.folder, cell.record.key, comparison.model, comparison.dataset, setup.label, str(cell.seed))
    alone = Setup(setup.method, setup.label, (cell,))
    machine = (told(cell) for _, told in MACHINE.values())
    figures = [number_entry(alone, quantity) if cell.ok else TableCell(None, NOT_OK) for quantity in numbers]
    return Row((*(TableCell(printable(text)) for text in (*names, cell.ending, *machine)), *figures))


def failures_table(study: Study) -> Table | None:
    """The cells that did not end ok, and why; None if all did."""
    columns = (
        Column("folder", "Cell", align="left"),
        Column("ending", "Ending", align="left"),
        Column("error", "Error", align="wrap"),
    )
    rows = tuple(_failure(cell) for cell in study.cells if not cell.ok)
    return Table("failures", "Cells that did not end ok", columns, rows, section="cells") if rows else None


def _failure(cell: StoredCell) -> Row:
    error = cell.record.error
    message = f"{error.type}: {error.message}" if error else cell.reason("error")
    return Row(tuple(TableCell(printable(text)) for text in (cell.folder, cell.ending, message)))
