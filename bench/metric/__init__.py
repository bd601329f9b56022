"""Metrics: one module each, a frozen model of its settings with one verb, `score`."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from bench.example import Example
from bench.record import ScoreInfo
from bench.settings import Part

Language = Literal["en", "zh"]


class Answer(BaseModel):
    """What a model answered to one validation example, and how likely it found the reference."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    cluster: str
    question: str
    context: str
    prediction: str
    references: tuple[str, ...]
    reference_nll_nats: float | None
    """Summed negative log-likelihood of the first reference's tokens, end of sequence included; null if not finite."""
    reference_tokens: int
    """How many tokens that sum is over."""

    @classmethod
    def of(cls, example: Example, prediction: str, nll_nats: float, tokens: int) -> Self:
        """The answer `prediction` to `example`, whose first reference has the likelihood given."""
        return cls(
            id=example.id,
            cluster=example.cluster,
            question=example.question,
            context=example.context,
            prediction=prediction,
            references=example.references,
            reference_nll_nats=nll_nats if math.isfinite(nll_nats) else None,
            reference_tokens=tokens,
        )


class Scores(BaseModel):
    """What one metric gives. Every number is a fraction (0 to 1) unless its name says otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    values: dict[str, float | None]
    """Score name to the number over all answers."""
    examples: dict[str, tuple[float | None, ...]] = {}
    """Score name to one number per answer, in the order given; only for scores that are means of such numbers."""
    parts: dict[str, tuple[tuple[str | int, ...], ...]] = {}
    """Score name to what it is computed from, per answer in the order given; only for scores that are no means."""
    missing: dict[str, str] = {}
    """Score name to the reason, for every null in `values`."""
    info: dict[str, ScoreInfo]
    """Score name to how it is read, for every name in `values`."""
    settings: dict[str, str] = {}
    """Score name to what pins its meaning, such as sacrebleu's signature or BERTScore's model, layer and rescaling."""


def fraction(title: str) -> ScoreInfo:
    """A score between 0 and 1 of which more is better, the mean of one number per example."""
    return ScoreInfo(title=title, lowest=0.0, highest=1.0, better="higher", pooling="mean")


class Metric(Part):
    """How good a set of answers is."""

    @abstractmethod
    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        """Scores of all `answers` (at least one). What cannot be computed is null with a reason, never a number."""
