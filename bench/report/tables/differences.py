"""The table of effects: how each setup's scores differ from those of the reference."""

from collections.abc import Sequence

from bench.report.compare.comparisons import Comparison
from bench.report.compare.effects import Effect
from bench.report.numbers import fixed, p_value
from bench.report.render.table import Column, Row, Table, TableCell
from bench.report.tables.rows import behind, cautions


def effects_table(comparisons: Sequence[Comparison], compared: Sequence[Effect]) -> Table:
    """A row for each score of each setup."""
    several = len({effect.comparison for effect in compared}) > 1
    columns = (
        Column("group", "Model" if several else "", align="left"),
        Column("setup", "Method", align="left"),
        Column("reference", "Reference", align="left"),
        Column("score", "Score", align="left"),
        Column("difference", "Difference", format=fixed(4)),
        Column("p", "p", format=p_value),
        Column("p_adjusted", "p, adjusted", format=p_value),
        Column("test", "Test", align="left"),
    )
    remarks = (
        "Method minus reference, paired by example. In brackets: 95 % intervals over documents, and over seeds where "
        "there are several; one seed says nothing about other seeds. p is two-sided, and adjusted (Holm) for all tests "
        "of one model on one data set. By default these are on two scores: the one that decides which method is best, "
        "and the next configured one whose direction is known; --family chooses others. Permutation test: flips the "
        "signs of whole documents' differences; McNemar: counts the examples that only one of the two answered right; "
        "resampling: uses the draws of the interval.",
        *behind(comparisons),
    )
    rows = tuple(map(_row, compared))
    return Table("effects", "Differences from the reference", columns, rows, remarks, cautions(comparisons))


def _row(effect: Effect) -> Row:
    within = (effect.interval.low, effect.interval.high) if effect.interval else None
    untested = None if effect.p is not None else effect.reason
    return Row(
        (
            *map(TableCell, (effect.comparison, effect.setup, effect.reference, effect.score)),
            TableCell(effect.difference, effect.reason, within),
            TableCell(effect.p, untested),
            TableCell(effect.p_adjusted, untested),
            TableCell(effect.test),
        )
    )
