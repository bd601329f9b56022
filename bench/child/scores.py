"""Scores the answers of a cell with all of its metrics, and writes predictions.jsonl."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import store
from bench.cell import Cell
from bench.metric import Answer, Scores


def score(cell: Cell, answers: Sequence[Answer]) -> Scores:
    """The scores of all metrics of the cell.

    If two metrics give a score of the same name, the later one becomes `<metric>.<score>`. Answers of a model with
    random weights are scored as well, so that scoring costs the same, but the values are replaced by None.
    """
    merged = Scores(values={}, info={})
    for metric in cell.metric.values():
        own = _with_unique_names(metric.name, metric.score(answers, cell.dataset.language), merged)
        merged = Scores.together([merged, own])
    if cell.model.weights == "random":
        names = dict.fromkeys(merged.values)
        return merged.model_copy(
            update={"values": names, "examples": {}, "parts": {}, "missing": dict.fromkeys(names, "random_weights")}
        )
    return merged


def _with_unique_names(metric: str, scores: Scores, before: Scores) -> Scores:
    """`scores` of `metric`, renamed where `before` already has a score of that name."""
    names: dict[str, str] = {}
    for name in scores.values:
        unique = name
        # Metrics can have the same name too, so one prefix may not be enough.
        while unique in before.values or unique in names.values():
            unique = f"{metric}.{unique}"
        names[name] = unique
    renamed: dict[str, dict[str, Any]] = {
        field: {names[name]: value for name, value in getattr(scores, field).items()} for field in Scores.model_fields
    }
    for name, unique in names.items():
        if name != unique:
            info = scores.info[name]
            renamed["info"][unique] = info.model_copy(update={"title": f"{info.title} ({unique})"})
    return Scores.model_validate(renamed)


def persist(path: Path, answers: Sequence[Answer], scores: Scores) -> None:
    """Write one JSON line per answer, with its contribution to every score, so that scores can be resampled."""
    lines = []
    for at, answer in enumerate(answers):
        own = {name: values[at] for name, values in scores.examples.items()}
        parts = {name: values[at] for name, values in scores.parts.items()}
        lines.append(json.dumps(answer.model_dump() | {"scores": own, "parts": parts}, ensure_ascii=False))
    store.write_atomically(path, "\n".join(lines) + "\n")
