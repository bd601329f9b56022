"""The table of effects: how each setup's scores differ from those of the reference."""

from collections.abc import Sequence

from bench.report.compare.comparisons import Comparison
from bench.report.compare.effects import Effect
from bench.report.numbers import fixed, p_value
from bench.report.render.table import Column, Row, Table, TableCell
from bench.report.request import Pairs
from bench.report.tables.rows import behind, cautions, decided, looked_at

TITLES = {"reference": "Differences from the reference", "all": "Differences between all methods"}
MEANING = "Method minus reference, paired by document. In brackets: 95 % intervals over documents and seeds."


def effects_table(comparisons: Sequence[Comparison], compared: Sequence[Effect], pairs: Pairs) -> Table:
    """A row for each score of each setup, or of each pair of setups."""
    several = len({effect.comparison for effect in compared}) > 1
    columns = (
        Column("group", "Model" if several else "", align="left"),
        Column("setup", "Method", align="left"),
        Column("reference", "Reference", align="left"),
        Column("score", "Score", align="left"),
        Column("difference", "Difference", format=fixed(4)),
        Column("p", "p", format=p_value),
        Column("p_adjusted", "p, adjusted", format=p_value),
    )
    planned = () if looked_at(comparisons) else (_planned(pairs),)
    remarks = (MEANING, *planned, *looked_at(comparisons), *decided(comparisons), *behind(comparisons))
    rows = tuple(map(_row, compared))
    return Table("effects", TITLES[pairs], columns, rows, remarks, cautions(comparisons))


def _planned(pairs: Pairs) -> str:
    """What p means if the seeds do not depend on scores."""
    others = "" if pairs == "all" else "; --pairs all also compares the other methods with each other"
    return (
        "p is two-sided, from the same errors as the interval, and adjusted (Holm) for all rows of one model on one "
        f"data set in this table{others}. By default the scores are two: the one that decides which method is best, "
        "and the next configured one whose direction is known; --family chooses others. A method that was trained at "
        "fewer than three seeds is not tested: too little is known of how other seeds would differ."
    )


def _row(effect: Effect) -> Row:
    within = (effect.interval.low, effect.interval.high) if effect.interval else None
    untested = None if effect.p is not None else effect.reason
    return Row(
        (
            *map(TableCell, (effect.comparison, effect.setup, effect.reference, effect.score)),
            TableCell(effect.difference, effect.reason, within),
            TableCell(effect.p, untested),
            TableCell(effect.p_adjusted, untested),
        )
    )
