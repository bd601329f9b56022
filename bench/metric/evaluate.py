"""Any further metric of Hugging Face's `evaluate` library, by name or path."""

import hashlib
import inspect
import math
import re
from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import Any, Self

from pydantic import model_validator

from bench.hub import hub_answers
from bench.metric import Answer, Language, Metric, Scores
from bench.record import ScoreInfo
from bench.settings import Strings

_SEED = 1
"""For the metrics that resample. Not 0: evaluate would take a seed from numpy's global state."""


class Evaluate(Metric):
    """Scores of the metrics that `metrics` names, as those give them: not every one is a fraction.

    A metric that gives one number gives the score `<metric>`, one that gives several the scores `<metric>_<key>`; lists
    and texts among its results are left out. It gets all references of an answer if it takes several, else the first.

    Null, with a sentence in `settings`: a metric that is not on this machine and cannot be fetched, or does not load
    (`metric_not_available`); one that fails on these answers or gives no number (`metric_failed`); a number that is
    not finite (`not_finite`).

    Loading a metric runs its code, also that of a metric fetched from the hub: name only what you trust.
    """

    metrics: Strings
    """Names on the hub (`meteor`, `owner/metric`), scripts (`./my_metric.py`), folders with a script of their name."""

    @model_validator(mode="after")
    def _has_a_score_name_each(self) -> Self:
        names = [_score_name(metric) for metric in self.metrics]
        for metric, name in zip(self.metrics, names, strict=True):
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
                raise ValueError(f"metrics: must be names on the hub or paths of scripts or folders, got {metric!r}")
            if names.count(name) > 1:
                raise ValueError(f"metrics: each must have a name of its own, got {name!r} more than once")
        return self

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        found = [_score(metric, answers) for metric in self.metrics]
        return Scores(
            values={name: value for scores in found for name, value in scores.values.items()},
            missing={name: reason for scores in found for name, reason in scores.missing.items()},
            info={name: info for scores in found for name, info in scores.info.items()},
            settings={name: pinned for scores in found for name, pinned in scores.settings.items()},
        )


def _score_name(metric: str) -> str:
    return Path(metric).name.removesuffix(".py")


def _score(metric: str, answers: Sequence[Answer]) -> Scores:
    from evaluate import __version__

    name = _score_name(metric)
    # Whatever a metric of someone else's raises, the cell's other scores stand.
    try:
        module = _load(metric)
    except Exception as error:
        return _null(name, "metric_not_available", f"{metric} cannot be loaded ({_first_line(error)})")
    try:
        result = module.compute(
            predictions=[answer.prediction for answer in answers],
            references=[
                list(answer.references) if _takes_several(module) else answer.references[0] for answer in answers
            ],
        )
        numbers = {key: float(value) for key, value in result.items() if _is_number(value)}
    except Exception as error:
        return _null(name, "metric_failed", f"{metric} failed ({_first_line(error)})")
    if not numbers:
        return _null(name, "metric_failed", f"{metric} gave no number")

    named = {name if len(numbers) == 1 else f"{name}_{key}": value for key, value in numbers.items()}
    return Scores(
        values={score: value if math.isfinite(value) else None for score, value in named.items()},
        missing={score: "not_finite" for score, value in named.items() if not math.isfinite(value)},
        info={score: _undeclared(score) for score in named},
        settings=dict.fromkeys(named, f"evaluate:{__version__}|{metric}|code:sha256:{_code_digest(module)}"),
    )


def _load(metric: str) -> Any:
    """The metric, ready to compute: local, or fetched if the hub answers, or else as fetched earlier."""
    import evaluate
    from evaluate.utils.file_utils import DownloadConfig

    local = metric.endswith(".py") or Path(metric).is_dir()
    return evaluate.load(
        metric,
        download_config=DownloadConfig(local_files_only=not local and not hub_answers()),
        keep_in_memory=True,
        seed=_SEED,
    )


def _takes_several(module: Any) -> bool:
    """Whether one of the input formats of a metric has a list for an answer's references."""
    from datasets import Features, Value

    formats = [module.features] if isinstance(module.features, Features) else module.features
    return any(not isinstance(format.get("references"), Value) for format in formats)


def _code_digest(module: Any) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a metric's script."""
    return hashlib.sha256(Path(inspect.getfile(type(module))).read_bytes()).hexdigest()[:16]


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _null(name: str, reason: str, sentence: str) -> Scores:
    return Scores(
        values={name: None}, missing={name: reason}, info={name: _undeclared(name)}, settings={name: sentence}
    )


def _undeclared(name: str) -> ScoreInfo:
    """The library does not say what range its metrics have, or which direction is better."""
    return ScoreInfo(title=name, lowest=None, highest=None, better=None, pooling=None)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
