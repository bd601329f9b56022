"""All metrics of a cell over its answers, and the file that keeps them example by example."""

import json
from collections.abc import Sequence
from pathlib import Path

from bench import store
from bench.cell import Cell
from bench.metric import Answer, Scores
from bench.record import ScoreInfo


def score(cell: Cell, answers: Sequence[Answer]) -> Scores:
    """The scores of every metric of the cell together.

    Of two scores with one name the later one is called `<metric>.<score>`. Answers of random weights are scored too, so
    that the cost is the same, and then withheld: they measure nothing.
    """
    together = Scores(values={}, info={})
    for metric in cell.metric.values():
        found = _apart(metric.name, metric.score(answers, cell.dataset.language), together)
        together = Scores(
            values=together.values | found.values,
            examples=together.examples | found.examples,
            parts=together.parts | found.parts,
            missing=together.missing | found.missing,
            info=together.info | found.info,
            settings=together.settings | found.settings,
        )
    if cell.model.weights == "random":
        names = dict.fromkeys(together.values)
        return together.model_copy(
            update={"values": names, "examples": {}, "parts": {}, "missing": dict.fromkeys(names, "random_weights")}
        )
    return together


def _apart(metric: str, found: Scores, before: Scores) -> Scores:
    """`found`, with the names changed that are taken."""
    names: dict[str, str] = {}
    for name in found.values:
        free = name
        # More than once where two metrics have one name, too.
        while free in before.values or free in names.values():
            free = f"{metric}.{free}"
        names[name] = free
    return Scores(
        values={names[name]: value for name, value in found.values.items()},
        examples={names[name]: values for name, values in found.examples.items()},
        parts={names[name]: parts for name, parts in found.parts.items()},
        missing={names[name]: reason for name, reason in found.missing.items()},
        info={names[name]: _told_apart(info, name, names[name]) for name, info in found.info.items()},
        settings={names[name]: setting for name, setting in found.settings.items()},
    )


def _told_apart(info: ScoreInfo, name: str, unique: str) -> ScoreInfo:
    """A score that had to be renamed says so in its title."""
    return info if name == unique else info.model_copy(update={"title": f"{info.title} ({unique})"})


def persist(path: Path, answers: Sequence[Answer], scores: Scores) -> None:
    """Write one JSON line per answer: the answer, and its part in every score, so that scores can be resampled."""
    lines = []
    for at, answer in enumerate(answers):
        own = {name: values[at] for name, values in scores.examples.items()}
        parts = {name: values[at] for name, values in scores.parts.items()}
        lines.append(json.dumps(answer.model_dump() | {"scores": own, "parts": parts}, ensure_ascii=False))
    store.write_atomically(path, "\n".join(lines) + "\n")
