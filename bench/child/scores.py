"""Scores the answers of a cell with all of its metrics, and writes predictions.jsonl."""

import json
from collections.abc import Sequence
from pathlib import Path

from bench import store
from bench.cell import Cell
from bench.metric import Answer, Scores, together


def score(cell: Cell, answers: Sequence[Answer]) -> Scores:
    """The scores of all metrics of the cell.

    Answers of a model with random weights are scored as well, so that scoring costs the same, but the values are
    replaced by None.
    """
    language = cell.dataset.language
    scores = together((metric.name, metric.score(answers, language)) for metric in cell.metric.values())
    if cell.model.weights == "pretrained":
        return scores
    names = dict.fromkeys(scores.values)
    missing = dict.fromkeys(names, "random_weights")
    return scores.model_copy(update={"values": names, "examples": {}, "parts": {}, "missing": missing})


def persist(path: Path, answers: Sequence[Answer], scores: Scores) -> None:
    """Write one JSON line per answer, with its contribution to every score, so that scores can be resampled."""
    lines = []
    for at, answer in enumerate(answers):
        own = {name: values[at] for name, values in scores.examples.items()}
        parts = {name: values[at] for name, values in scores.parts.items()}
        lines.append(json.dumps(answer.model_dump() | {"scores": own, "parts": parts}, ensure_ascii=False))
    store.write_atomically(path, "\n".join(lines) + "\n")
