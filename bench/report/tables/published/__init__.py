"""Published figures beside the measured ones; README.md says where they come from."""

import csv
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from bench.report.compare.comparisons import Comparison
from bench.report.compare.quantities import MEMORIES, PEAK_POWER, TRAINABLE, Quantity
from bench.report.compare.setups import Setup
from bench.report.numbers import fixed, significant
from bench.report.render.table import Column, Row, Table, TableCell
from bench.report.tables.rows import number_entry
from bench.report.wording import file_stem, printable


def _score(name: str, title: str) -> Quantity:
    """For comparisons that do not have the score; the others describe it themselves."""
    return Quantity(f"scores.{name}", title, lambda cell: None, show=fixed(4))


FIGURES = {
    "trainable_percent": TRAINABLE,
    "macro_f1": _score("answer_macro_f1", "Macro F1"),
    "bleu": _score("bleu", "BLEU"),
    "bertscore_f1": _score("bertscore_f1", "BERTScore"),
    "rouge1": _score("rouge1", "ROUGE-1"),
    "rouge2": _score("rouge2", "ROUGE-2"),
    "rougeL": _score("rougeL", "ROUGE-L"),
    "peak_power_w": PEAK_POWER,
    "peak_memory_gb": MEMORIES[0],
}
"""Column of the file to what it is beside."""
REMARK = (
    'Published: "A Comparative Study of Fine Tuning Technique on a Large Language Model" (Ahmad Hakimi bin Adnan): one '
    "seed, about 450 examples, no intervals; power and memory were read off a dashboard. Difference is measured less "
    "published. Another data set, prompt or machine alone can explain one."
)
MEANINGS = (
    "Scores are fractions: Macro F1 is the macro average over answer strings taken as classes, BLEU is sentence BLEU "
    "with effective order, averaged, BERTScore and ROUGE are averaged F1."
)


@cache
def published() -> dict[tuple[str, str], dict[str, str]]:
    """The rows of study.csv by model and method."""
    with Path(__file__).with_name("study.csv").open(newline="") as file:
        return {(row["model"], row["method"]): row for row in csv.DictReader(file)}


def published_scores(comparison: Comparison) -> list[Quantity]:
    """The study's scores in its order."""
    return [
        comparison.scores.get(figure.name, figure) for figure in FIGURES.values() if figure.key.startswith("scores.")
    ]


def published_tables(comparisons: Sequence[Comparison]) -> list[Table]:
    """A table for each published model: a row for each published figure of each of its setups."""
    return [table for comparison in comparisons if (table := _table(comparison)).rows]


def _table(comparison: Comparison) -> Table:
    columns = (
        Column("method", "Method", align="left"),
        Column("figure", "Figure", align="left"),
        Column("measured", "Measured", format=significant(4)),
        Column("published", "Published", format=significant(4)),
        Column("difference", "Difference", format=significant(3)),
    )
    rows = [
        _row(setup, comparison.scores.get(figure.name, figure), name, row)
        for setup in comparison.setups
        if (row := published().get((comparison.model, setup.method)))
        for name, figure in FIGURES.items()
        if row[name]
    ]
    title = f"{comparison.title}: measured beside published"
    return Table(file_stem("against", comparison.title), title, columns, tuple(rows), (REMARK, MEANINGS))


def _row(setup: Setup, quantity: Quantity, name: str, published_row: dict[str, str]) -> Row:
    """One figure, both numbers in the unit shown."""
    given = float(published_row[name])
    entry = number_entry(setup, quantity)
    scale = quantity.scale
    measured = entry.value * scale if isinstance(entry.value, float | int) else None
    within = (entry.interval[0] * scale, entry.interval[1] * scale) if entry.interval else None
    contradicted = name in published_row["note_on"].split()
    note = f"the study contradicts itself here: {printable(published_row['note'])}" if contradicted else None
    less = TableCell(None, "nothing measured") if measured is None else TableCell(measured - given)
    texts = (TableCell(setup.label), TableCell(quantity.heading))
    return Row((*texts, TableCell(measured, entry.note, within), TableCell(given, note), less))
