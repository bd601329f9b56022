"""Any further metric of Hugging Face's `evaluate` library, by name or path."""

import inspect
import math
import os
import re
from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, Strict, model_serializer, model_validator

from bench.content import digest, digests
from bench.errors import first_line
from bench.hub import hub_answers, local_folder
from bench.metric import Answer, Language, Metric, Scores, together, unscored
from bench.record_sections import ScoreInfo
from bench.settings import Settings

_SEED = 1
"""For metrics that resample. With 0, evaluate would take a seed from numpy's global state."""
_RELATIVE_IMPORT = re.compile(r"^(?:from|import)\s+\.([^\s.]+)", re.MULTILINE)
"""How a metric's script imports a file beside it. As in evaluate, imports within that file do not count."""


class Named(Settings):
    """A metric of the library, and how its scores are read: the library does not say."""

    path: str = Field(min_length=1)
    """A name on the hub (`meteor`, `owner/metric`), a script (`./my_metric.py`), a folder with a script of its name."""
    title: str | None = Field(default=None, min_length=1)
    """Column heading; None for the score's name."""
    better: Literal["higher", "lower"] | None = None
    """Which direction is better. A score without one ranks nothing, and is not compared."""
    lowest: float | None = None
    """Smallest possible value; None if there is none or it is not known."""
    highest: float | None = None
    """Largest possible value; None if there is none or it is not known."""
    pooling: Literal["mean"] | None = None
    """`mean`: compute it for each answer alone, and average. Only then are there intervals and tests. None: compute it
    over the whole set at once, as the library does."""

    @model_serializer(mode="wrap")
    def _as_typed(self, fields: SerializerFunctionWrapHandler) -> Any:
        declared = {field: value for field, value in fields(self).items() if value is not None}
        return self.path if declared.keys() == {"path"} else declared

    def identity(self) -> Any:
        """The settings, with a local metric by the content of its Python files."""
        declared, content = self.model_dump(), _content(self.path)
        return content if isinstance(declared, str) else declared | {"path": content}

    @property
    def score_name(self) -> str:
        """What its score is called, or what the names of its scores begin with."""
        return Path(self.path).name.removesuffix(".py")

    def info(self, score: str) -> ScoreInfo:
        """How one of its scores is read."""
        title = self.title and self.title + score.removeprefix(self.score_name).replace("_", " ")
        return ScoreInfo(
            title=title or score, lowest=self.lowest, highest=self.highest, better=self.better, pooling=self.pooling
        )


def _named(value: Any) -> Any:
    known = list(Named.model_fields)
    if isinstance(value, dict) and (unknown := [field for field in value if field not in known]):
        raise ValueError(f"must have nothing but {', '.join(known)}, got {unknown[0]!r}")
    return {"path": value} if isinstance(value, str) else value


class Evaluate(Metric):
    """The scores of the metrics named in `metrics`, on the metrics' own scales: not all of them are fractions.

    A local metric is code: it runs in the cell's process with your rights. So does one that is downloaded from the
    hub. Name only metrics that you have read or trust.

    A metric that returns one number gives the score `<metric>`, one that returns several the scores `<metric>_<key>`;
    lists and texts among its results are left out. A metric that takes several references gets all of them, any other
    the first.

    None, with a sentence in `settings`, for a metric that cannot be found, downloaded or loaded
    (`metric_not_available`), one that fails on these answers or returns no number (`metric_failed`), and a number that
    is not finite (`not_finite`).
    """

    metrics: Annotated[tuple[Annotated[Named, BeforeValidator(_named)], ...], Strict(False)]
    """Such as `[rouge, ./my_metric.py, {path: bleu, title: BLEU, better: higher, lowest: 0, highest: 1}]`."""

    @model_validator(mode="after")
    def _has_a_score_name_each(self) -> Self:
        names = [metric.score_name for metric in self.metrics]
        for metric, name in zip(self.metrics, names, strict=True):
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
                raise ValueError(
                    f"metrics: must be names on the hub or paths of scripts or folders, got {metric.path!r}"
                )
            if names.count(name) > 1:
                raise ValueError(f"metrics: each must have a name of its own, got {name!r} more than once")
        return self

    def identity(self) -> dict[str, Any]:
        return super().identity() | {"metrics": [metric.identity() for metric in self.metrics]}

    def score_info(self) -> dict[str, ScoreInfo] | None:
        return None if self.metrics else {}

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        return together((metric.score_name, _score(metric, answers)) for metric in self.metrics)


def _score(metric: Named, answers: Sequence[Answer]) -> Scores:
    from evaluate import __version__

    name = metric.score_name
    # A metric that fails, with whatever error, must not cost the cell its other scores; nor one that calls exit().
    try:
        module = _load(metric.path)
    except (Exception, SystemExit) as error:
        return _no_score(metric, "metric_not_available", f"{metric.path} cannot be loaded ({first_line(error)})")
    sets = [[answer] for answer in answers] if metric.pooling == "mean" else [answers]
    try:
        rows = [_numbers(module, own) for own in sets]
    except (Exception, SystemExit) as error:
        return _no_score(metric, "metric_failed", f"{metric.path} failed ({first_line(error)})")
    if not (keys := dict.fromkeys(key for row in rows for key in row)):
        return _no_score(metric, "metric_failed", f"{metric.path} gave no number")

    named = {name if len(keys) == 1 else f"{name}_{key}": key for key in keys}
    columns = {score: tuple(row.get(key, math.nan) for row in rows) for score, key in named.items()}
    finite = {score: column for score, column in columns.items() if all(map(math.isfinite, column))}
    return Scores(
        values={score: fmean(finite[score]) if score in finite else None for score in columns},
        examples=finite if metric.pooling == "mean" else {},
        missing={score: "not_finite" for score in columns if score not in finite},
        info={score: metric.info(score) for score in columns},
        settings=dict.fromkeys(columns, f"evaluate:{__version__}|{metric.path}|code:sha256:{_code_digest(module)}"),
    )


def _numbers(module: Any, answers: Sequence[Answer]) -> dict[str, float]:
    """The numbers among a metric's results for `answers`."""
    several = _takes_several(module)
    result = module.compute(
        predictions=[answer.prediction for answer in answers],
        references=[list(answer.references) if several else answer.references[0] for answer in answers],
    )
    return {key: float(value) for key, value in result.items() if _is_number(value)}


def _is_local(metric: str) -> bool:
    return metric.endswith(".py") or metric.startswith((".", "/", "~")) or local_folder(metric) is not None


def _content(metric: str) -> Any:
    """A local metric's files with their digests; the name of a metric on the hub."""
    if not _is_local(metric):
        return metric
    if folder := local_folder(metric):
        return [folder.name, digests(folder, ["**/*.py"])]
    script = Path(os.path.expanduser(metric))
    own = [script.name, digest(metric)]
    names = set(_RELATIVE_IMPORT.findall(script.read_text("utf-8", "replace")))
    imported = sorted(file for name in names if (file := script.with_name(f"{name}.py")).is_file())
    return [own, *([file.name, digest(file)] for file in imported)]


def _load(metric: str) -> Any:
    """The metric, ready to compute: from this machine, or downloaded if the hub answers, or as downloaded earlier."""
    import evaluate
    from evaluate.utils.file_utils import DownloadConfig

    return evaluate.load(
        os.path.expanduser(metric),
        download_config=DownloadConfig(local_files_only=not _is_local(metric) and not hub_answers()),
        keep_in_memory=True,
        seed=_SEED,
    )


def _takes_several(module: Any) -> bool:
    """Whether one of the metric's input formats takes a list of references for each answer."""
    from datasets import Features, Value

    formats = [module.features] if isinstance(module.features, Features) else module.features
    return any(not isinstance(format.get("references"), Value) for format in formats)


def _code_digest(module: Any) -> str:
    """SHA-256 of a metric's script, its first 16 hex digits."""
    return digest(inspect.getfile(type(module)))[:16]


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _no_score(metric: Named, reason: str, sentence: str) -> Scores:
    scores = unscored(metric.score_name, reason, sentence)
    return scores.model_copy(update={"info": {metric.score_name: metric.info(metric.score_name)}})
