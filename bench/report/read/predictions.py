"""What one cell answered, example by example, as arrays."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

Floats = NDArray[np.float64]
Count = Annotated[int, Field(ge=0, lt=2**53)]
"""Small enough for a float to hold without rounding."""
Read = TypeVar("Read", bound=BaseModel)


@dataclass(frozen=True)
class Predictions:
    """A cell's predictions.jsonl. All sequences are parallel: one entry for each of n test examples."""

    ids: tuple[str, ...]
    """The same in all cells, so that comparisons can be paired."""
    clusters: tuple[str, ...]
    answers: tuple[str, ...]
    scores: Mapping[str, Floats]
    """Score name to one number per example, NaN where there is none, for scores that are means of them."""
    parts: Mapping[str, tuple[Any, ...]]
    """Score name to what it is computed from, for scores that are not means."""
    likelihoods: tuple[tuple[float | None, int], ...] = ()
    """Negative log-likelihood of each first reference in nats (None if not finite), and its tokens."""


@dataclass(frozen=True)
class Asked:
    """The questions that all cells of one test set answered, parallel to their `Predictions`."""

    questions: tuple[str, ...]
    contexts: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]
    messages: tuple[tuple[tuple[str, str], ...], ...] = ()
    """Role and content of each message before the answer; empty for a single question. Nothing for older files."""

    @property
    def are_texts(self) -> bool:
        """Whether nothing is asked: each text to be continued stands in the place of its question, too."""
        pairs = zip(self.questions, self.references, strict=True)
        return bool(self.questions) and all(question == own[0] for question, own in pairs)


class _Line(BaseModel):
    """The fields of a line that are read; leaving out the others saves time."""

    model_config = ConfigDict(strict=True)

    id: str
    cluster: str
    prediction: str
    reference_nll_nats: FiniteFloat | None
    reference_tokens: Count
    scores: dict[str, FiniteFloat | None]
    parts: dict[str, tuple[str | Count, ...]] = {}
    """Not in the files of the first versions."""


class _Message(BaseModel):
    model_config = ConfigDict(strict=True)

    role: str
    content: str


class _Question(BaseModel):
    model_config = ConfigDict(strict=True)

    question: str
    context: str
    references: Annotated[tuple[str, ...], Field(min_length=1)]
    messages: tuple[_Message, ...] = ()


def read_predictions(path: Path) -> Predictions:
    """The answers of one cell.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not what a cell writes; the message says where.
    """
    lines = list(_lines(path, _Line))
    scores: dict[str, list[float | None]] = {name: [] for name in (lines[0].scores if lines else ())}
    parts: dict[str, list[Any]] = {name: [] for name in (lines[0].parts if lines else ())}
    for number, line in enumerate(lines, start=1):
        if line.scores.keys() != scores.keys() or line.parts.keys() != parts.keys():
            raise ValueError(f"has other scores at line {number} than at line 1")
        for name, value in line.scores.items():
            scores[name].append(value)
        for name, part in line.parts.items():
            parts[name].append(part)
    ids = tuple(line.id for line in lines)
    if len(set(ids)) < len(ids):
        raise ValueError("has an answer twice")
    return Predictions(
        ids=ids,
        clusters=tuple(line.cluster for line in lines),
        answers=tuple(line.prediction for line in lines),
        scores={name: np.array(values, dtype=float) for name, values in scores.items()},
        parts={name: tuple(values) for name, values in parts.items()},
        likelihoods=tuple((line.reference_nll_nats, line.reference_tokens) for line in lines),
    )


def read_asked(path: Path) -> Asked:
    """The questions in a predictions.jsonl. Raises as `read_predictions` does."""
    lines = list(_lines(path, _Question))
    return Asked(
        questions=tuple(line.question for line in lines),
        contexts=tuple(line.context for line in lines),
        references=tuple(line.references for line in lines),
        messages=tuple(tuple((message.role, message.content) for message in line.messages) for line in lines),
    )


def disagreement(answers: Predictions, n: int | None, scores: Mapping[str, float | None]) -> str | None:
    """Where answers contradict a record with `n` test examples and these `scores`; None if nowhere.

    Only scores that are means over examples are compared, and only where every example has a number.
    """
    if n is not None and n != len(answers.ids):
        return f"has {len(answers.ids)} answers, and its record says {n}"
    for name, values in answers.scores.items():
        recorded = scores.get(name)
        if recorded is None:
            return f"has the score {name}, and its record has not"
        mean = fmean(values) if len(values) else math.nan
        if math.isfinite(mean) and not math.isclose(mean, recorded, rel_tol=1e-9, abs_tol=1e-12):
            return f"has a mean {name} of {mean:.6g}, and its record says {recorded:.6g}"
    return None


def _lines(path: Path, of: type[Read]) -> Iterator[Read]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield of.model_validate_json(line)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                if first["type"] == "json_invalid":
                    raise ValueError(f"is cut off or broken JSON at line {number}") from error
                where = ".".join(map(str, first["loc"]))
                what = f"{where}: {first['msg']}" if where else first["msg"]
                raise ValueError(f"is not what a cell writes at line {number} ({what})") from error
