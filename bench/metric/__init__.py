"""Metrics: one module for each, a frozen model of its settings with one verb, `score`."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from bench.example import Example
from bench.record_sections import ScoreInfo
from bench.settings import Part

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Language = Literal["en", "zh"]


class Answer(Example):
    """A test example with a model's answer, and how likely the reference is under the model."""

    prediction: str
    reference_nll_nats: float | None
    """Summed negative log-likelihood of the first reference's tokens, end of sequence included; None if not finite."""
    reference_tokens: int
    """The number of tokens in that sum."""


class Scores(BaseModel):
    """The result of one metric. Every number is a fraction (0 to 1) unless `info` says otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    values: dict[str, float | None]
    """Score name to the number over all answers."""
    examples: dict[str, tuple[float | None, ...]] = {}
    """Score name to one number per answer, in the answers' order; only for scores that are means of such numbers."""
    parts: dict[str, tuple[tuple[str | int, ...], ...]] = {}
    """Score name to what each answer contributes, in the answers' order; only for scores that are not means."""
    errors: dict[str, float] = {}
    """Score name to its standard error, for scores over examples of the metric's own instead of the answers."""
    missing: dict[str, str] = {}
    """Score name to the reason, for every None in `values`."""
    info: dict[str, ScoreInfo]
    """Score name to its title, range and direction, for every name in `values`."""
    settings: dict[str, str] = {}
    """Score name to what fixes its meaning, such as sacrebleu's signature or BERTScore's model, layer and rescaling."""


def together(several: Iterable[tuple[str, Scores]]) -> Scores:
    """The scores of several metrics, given with the metrics' names, as one.

    Of two scores with the same name, the later one becomes `<metric>.<score>`.
    """
    merged: dict[str, dict[str, Any]] = {field: {} for field in Scores.model_fields}
    for metric, scores in several:
        for name, info in scores.info.items():
            unique = name
            # Metrics can have the same name too, so one prefix may not be enough.
            while unique in merged["info"]:
                unique = f"{metric}.{unique}"
            for field, content in merged.items():
                if name in (own := getattr(scores, field)):
                    content[unique] = own[name]
            if unique != name:
                merged["info"][unique] = info.model_copy(update={"title": f"{info.title} ({unique})"})
    return Scores(**merged)


def means(info: dict[str, ScoreInfo], examples: dict[str, tuple[float, ...]], settings: str | None = None) -> Scores:
    """Scores that are the means of one number per answer; `settings` says what fixes the meaning of all of them."""
    return Scores(
        values={name: fmean(numbers) for name, numbers in examples.items()},
        examples=dict(examples),
        info=info,
        settings={} if settings is None else dict.fromkeys(examples, settings),
    )


def fraction(title: str) -> ScoreInfo:
    """A score between 0 and 1, higher is better, the mean of one number per example."""
    return ScoreInfo(title=title, lowest=0.0, highest=1.0, better="higher", pooling="mean")


class Metric(Part):
    """How good a set of answers is. A metric implements `score`; the defaults of the rest usually do."""

    reads_answers: ClassVar[bool] = True
    """Whether it needs what the model answered. Others score plain text, too, where nothing is asked."""

    def check(self, examples: Sequence[Example]) -> None:
        """Refuse, before anything is trained, what `score` could not work with; the default refuses nothing.

        Args:
            examples: the examples to be scored; empty if they still have to be downloaded.

        Raises:
            InputError: what must be changed.
        """

    def score_info(self) -> dict[str, ScoreInfo] | None:
        """What each of its scores means, by name; None, the default, if only `score` tells."""
        return None

    @abstractmethod
    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        """Scores of all `answers` (at least one). A score that cannot be computed is None with a reason.

        Any error that is raised costs this metric's scores, not the cell.
        """

    def score_model(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        answers: Sequence[Answer],
        language: Language,
    ) -> Scores:
        """As `score`, for a metric that asks the model itself; the default reads the answers alone.

        It must leave the model as it is: latency is measured next, and then the weights are saved.
        """
        return self.score(answers, language)


def unscored(name: str, reason: str, sentence: str) -> Scores:
    """One score that is None, with the reason and what to tell the user."""
    info = ScoreInfo(title=name, lowest=None, highest=None, better=None, pooling=None)
    return Scores(values={name: None}, missing={name: reason}, info={name: info}, settings={name: sentence})
