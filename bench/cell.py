"""A cell: everything that determines one result, the key that identifies it, and the name of its folder."""

import hashlib
import json
from typing import Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from bench.dataset import Dataset
from bench.method import Method
from bench.metric import Metric, Scores, together
from bench.model import Model
from bench.prompt import Prompt
from bench.recipe import Recipe
from bench.record_sections import ScoreInfo
from bench.settings import Settings, Strings


class Generation(Settings):
    """How examples are answered: one greedy pass, batched by length."""

    batch: PositiveInt
    """Prompts that are answered together."""
    max_new_tokens: PositiveInt
    stop: Strings
    """An answer ends before the first of these strings, or at the end of the sequence."""

    @field_validator("stop")
    @classmethod
    def _line_breaks(cls, stop: tuple[str, ...]) -> tuple[str, ...]:
        if any(r"\n" in end for end in stop):
            raise ValueError(r"""\n is a backslash and an n here; for a line break, type $'generation.stop=["\n"]'""")
        return stop


class LatencyRuns(Settings):
    """How inference latency is measured: at batch 1 and at the batch of the generation."""

    warmup_runs: NonNegativeInt
    runs: PositiveInt
    output_tokens: int = Field(ge=2)
    """Tokens generated in every run, even if the model would stop earlier."""


class Cell(Settings):
    """One point of the grid: everything that determines its result, and nothing about where it runs."""

    model: Model
    method: Method
    dataset: Dataset
    prompt: Prompt
    train: Recipe
    generation: Generation
    latency: LatencyRuns
    metric: dict[str, Metric]
    seed: int = Field(ge=0, lt=2**32)
    scored_on: Literal["test", "tune"]
    """Which examples are answered and scored: those of the test split, to report, or of the tune split, to choose."""

    @model_validator(mode="after")
    def _asks_or_continues(self) -> Self:
        if self.dataset.asks and not self.prompt.asks:
            raise ValueError(
                f"prompt={self.prompt.name} is for plain text, and dataset={self.dataset.name} has questions; "
                "choose another prompt, such as prompt=squad"
            )
        if self.prompt.asks and not self.dataset.asks:
            raise ValueError(
                f"dataset={self.dataset.name} has plain text, and prompt={self.prompt.name} is for questions; "
                "choose prompt=plain"
            )
        if self.metric and not self.scored_by:
            raise ValueError(
                f"dataset={self.dataset.name} has plain text, which {', '.join(self.metric)} cannot score, since "
                "nothing is answered; choose metric=[perplexity]"
            )
        return self

    @model_validator(mode="after")
    def _room_for_an_answer(self) -> Self:
        if self.generation.max_new_tokens >= self.prompt.max_length:
            raise ValueError(
                f"generation.max_new_tokens: must be less than prompt.max_length ({self.prompt.max_length}), "
                f"got {self.generation.max_new_tokens}"
            )
        return self

    @model_validator(mode="after")
    def _recipe_for_the_method(self) -> Self:
        if self.method.trains:
            self.method.require_recipe(self.train)
        return self

    @model_validator(mode="after")
    def _scores_what_is_not_trained_on(self) -> Self:
        if self.scored_on == "tune" and self.train.include_tune and self.method.trains:
            raise ValueError(
                "scored_on=tune scores the examples that train.include_tune=true trains on; choose one of the two"
            )
        return self

    @property
    def needs_tune(self) -> bool:
        """Whether something is chosen or scored by the tune split."""
        return self.scored_on == "tune" or (self.method.trains and self.train.best_checkpoint)

    @property
    def scored_by(self) -> tuple[Metric, ...]:
        """The metrics that have something to score."""
        return tuple(metric for metric in self.metric.values() if self.prompt.asks or not metric.reads_answers)

    @property
    def score_info(self) -> dict[str, ScoreInfo] | None:
        """What each of its scores will mean, by name; None if one of its metrics only tells when it scores."""
        scores = []
        for metric in self.scored_by:
            if (info := metric.score_info()) is None:
                return None
            scores.append((metric.name, Scores(values={}, info=info)))
        return together(scores).info

    def key(self) -> str:
        """Hash (12 hex digits) of what determines the result; local files count by content, not by path.

        Raises:
            InputError: a local file that the cell names is missing.
        """
        return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()[:12]

    def folder_name(self) -> str:
        """Such as `tiny-lora-events-s0-1f3a5c7e9b2d`."""
        return f"{self.model.name}-{self.method.name}-{self.dataset.name}-s{self.seed}-{self.key()}"
