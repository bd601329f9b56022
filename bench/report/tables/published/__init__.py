"""Published figures beside the measured ones; README.md says where they come from."""

import csv
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from bench.report.compare.setups import Group, Setup
from bench.report.numbers import significant
from bench.report.render.table import Column, Row, Table, TableCell
from bench.report.tables.rows import number_entry
from bench.report.words import file_stem, printable

COLUMNS = {
    "trainable_percent": ("parameters.trainable_percent", "Trainable (%)", 1.0),
    "macro_f1": ("scores.answer_macro_f1", "Macro F1", 1.0),
    "bleu": ("scores.bleu", "BLEU", 1.0),
    "bertscore_f1": ("scores.bertscore_f1", "BERTScore", 1.0),
    "rouge1": ("scores.rouge1", "ROUGE-1", 1.0),
    "rouge2": ("scores.rouge2", "ROUGE-2", 1.0),
    "rougeL": ("scores.rougeL", "ROUGE-L", 1.0),
    "peak_power_w": ("power.peak_sampled_power_w", "Peak power (W)", 1.0),
    "peak_memory_gb": ("memory.device_peak_bytes", "Peak GPU memory (GB)", 1e-9),
}
"""Column of the file to the record's path, a title with its unit, and the factor from the record's unit to that one."""

REMARK = (
    'Published: "A Comparative Study of Fine Tuning Technique on a Large Language Model" (Ahmad Hakimi bin Adnan): one '
    "seed, about 450 examples, no intervals; power and memory were read off a dashboard. Difference is measured less "
    "published. Another data set, prompt or machine alone can explain one."
)


@cache
def published() -> dict[tuple[str, str], dict[str, str]]:
    """The rows of study.csv by model and method."""
    with Path(__file__).with_name("study.csv").open(newline="") as file:
        return {(row["model"], row["method"]): row for row in csv.DictReader(file)}


def published_tables(found: Sequence[Group]) -> list[Table]:
    """A table for each group whose model was published: a row for each figure of each setup of a published method."""
    return [
        _table(group) for group in found if any((group.model, setup.method) in published() for setup in group.setups)
    ]


def _table(group: Group) -> Table:
    columns = (
        Column("method", "Method", align="left"),
        Column("figure", "Figure", align="left"),
        Column("measured", "Measured", format=significant(4)),
        Column("published", "Published", format=significant(4)),
        Column("difference", "Difference", format=significant(3)),
    )
    rows = [
        row
        for setup in group.setups
        if (group.model, setup.method) in published()
        for row in _rows(setup, published()[group.model, setup.method])
    ]
    title = f"{group.title}: measured beside published"
    return Table(file_stem("against", group.title), title, columns, tuple(rows), (REMARK,))


def _rows(setup: Setup, told: dict[str, str]) -> list[Row]:
    rows = []
    for name, (path, title, factor) in COLUMNS.items():
        if not told[name]:
            continue
        given = float(told[name])
        entry = number_entry(setup, path)
        measured = entry.value * factor if isinstance(entry.value, float | int) else None
        within = (entry.interval[0] * factor, entry.interval[1] * factor) if entry.interval else None
        noted = name in told["note_on"].split()
        known = TableCell(given, f"the study contradicts itself here: {printable(told['note'])}" if noted else None)
        less = TableCell(None, "nothing measured") if measured is None else TableCell(measured - given)
        rows.append(
            Row((TableCell(setup.label), TableCell(title), TableCell(measured, entry.note, within), known, less))
        )
    return rows
