"""What one cell answered, example by example, as arrays."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FOREIGN = (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError)
"""What comes of a line that no cell has written."""


@dataclass(frozen=True)
class Predictions:
    """A cell's predictions.jsonl. All sequences are parallel: one entry for each of n validation examples."""

    ids: tuple[str, ...]
    """Stable over cells: comparisons are paired on them."""
    clusters: tuple[str, ...]
    answers: tuple[str, ...]
    scores: Mapping[str, Floats]
    """Score name to one number per example, NaN for a null, for scores that are means of them."""
    parts: Mapping[str, tuple[Any, ...]]
    """Score name to what it is computed from, for scores that are no means."""


@dataclass(frozen=True)
class Asked:
    """What all cells of one validation set were asked, parallel to their `Predictions`."""

    questions: tuple[str, ...]
    contexts: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]


def read_predictions(path: Path) -> Predictions:
    """The answers of one cell.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not what a cell writes; the message says where.
    """
    lines = _lines(path)
    try:
        likelihoods = tuple((line["reference_nll_nats"], line["reference_tokens"]) for line in lines)
        scores, parts = (
            {name: [line[kind][name] for line in lines] for name in lines[0].get(kind, {})} if lines else {}
            for kind in ("scores", "parts")
        )
        return Predictions(
            ids=tuple(line["id"] for line in lines),
            clusters=tuple(line["cluster"] for line in lines),
            answers=tuple(line["prediction"] for line in lines),
            scores={name: np.array(values, dtype=float) for name, values in scores.items()},
            parts={name: tuple(values) for name, values in parts.items()} | {"perplexity": likelihoods},
        )
    except FOREIGN as error:
        raise ValueError(f"is not what a cell writes ({type(error).__name__}: {error})") from error


def read_asked(path: Path) -> Asked:
    """What the examples of a predictions.jsonl ask. Raises as `read_predictions` does."""
    lines = _lines(path)
    try:
        return Asked(
            questions=tuple(line["question"] for line in lines),
            contexts=tuple(line["context"] for line in lines),
            references=tuple(tuple(line["references"]) for line in lines),
        )
    except FOREIGN as error:
        raise ValueError(f"is not what a cell writes ({type(error).__name__}: {error})") from error


def _lines(path: Path) -> list[dict[str, Any]]:
    lines = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                lines.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise ValueError(f"is cut off or broken JSON at line {number}") from error
    return lines
