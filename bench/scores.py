"""All metrics of a cell over its answers, and the file that keeps them example by example."""

import json
from collections.abc import Sequence
from pathlib import Path

from bench import store
from bench.cell import Cell
from bench.errors import InputError
from bench.metric import Answer, Scores


def score(cell: Cell, answers: Sequence[Answer]) -> Scores:
    """The scores of every metric of the cell together.

    Answers of random weights are scored too, so that the cost is the same, and then withheld: they measure nothing.

    Raises:
        InputError: two metrics give a score of the same name.
    """
    together = Scores(values={})
    for metric in cell.metric.values():
        found = metric.score(answers, cell.dataset.language)
        if twice := together.values.keys() & found.values.keys():
            raise InputError(
                f"metric: {metric.name} and another both give {', '.join(sorted(twice))}; drop one of them"
            )
        together = Scores(
            values=together.values | found.values,
            examples=together.examples | found.examples,
            missing=together.missing | found.missing,
            settings=together.settings | found.settings,
        )
    if cell.model.weights == "random":
        names = dict.fromkeys(together.values)
        return Scores(values=names, missing=dict.fromkeys(names, "random_weights"), settings=together.settings)
    return together


def persist(path: Path, answers: Sequence[Answer], scores: Scores) -> None:
    """Write one JSON line per answer: the answer, and its own part in every score that is a mean over answers."""
    lines = []
    for at, answer in enumerate(answers):
        own = {name: values[at] for name, values in scores.examples.items()}
        lines.append(json.dumps(answer.model_dump() | {"scores": own}, ensure_ascii=False))
    store.write_atomically(path, "\n".join(lines) + "\n")
