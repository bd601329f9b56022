"""Any further metric of Hugging Face's `evaluate` library, by name or path."""

import inspect
import math
import os
import re
from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import Any, Self

from pydantic import model_validator

from bench.content import digest, digests
from bench.errors import first_line
from bench.hub import hub_answers, local_folder
from bench.metric import Answer, Language, Metric, Scores, together
from bench.record import ScoreInfo
from bench.settings import Strings

_SEED = 1
"""For metrics that resample. With 0, evaluate would take a seed from numpy's global state."""
_RELATIVE_IMPORT = re.compile(r"^(?:from|import)\s+\.([^\s.]+)", re.MULTILINE)
"""How a metric's script imports a file beside it. As in evaluate, imports within that file do not count."""


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

    def identity(self) -> dict[str, Any]:
        """The settings, with local metrics by the content of their Python files."""
        return super().identity() | {"metrics": [_content(metric) for metric in self.metrics]}

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        return together((_score_name(metric), _score(metric, answers)) for metric in self.metrics)


def _score_name(metric: str) -> str:
    return Path(metric).name.removesuffix(".py")


def _score(metric: str, answers: Sequence[Answer]) -> Scores:
    from evaluate import __version__

    name = _score_name(metric)
    # A metric that fails, with whatever error, must not cost the cell its other scores; nor one that calls exit().
    try:
        module = _load(metric)
    except (Exception, SystemExit) as error:
        return _no_score(name, "metric_not_available", f"{metric} cannot be loaded ({first_line(error)})")
    try:
        result = module.compute(
            predictions=[answer.prediction for answer in answers],
            references=[
                list(answer.references) if _takes_several(module) else answer.references[0] for answer in answers
            ],
        )
        numbers = {key: float(value) for key, value in result.items() if _is_number(value)}
    except (Exception, SystemExit) as error:
        return _no_score(name, "metric_failed", f"{metric} failed ({first_line(error)})")
    if not numbers:
        return _no_score(name, "metric_failed", f"{metric} gave no number")

    named = {name if len(numbers) == 1 else f"{name}_{key}": value for key, value in numbers.items()}
    return Scores(
        values={score: value if math.isfinite(value) else None for score, value in named.items()},
        missing={score: "not_finite" for score, value in named.items() if not math.isfinite(value)},
        info={score: _undeclared(score) for score in named},
        settings=dict.fromkeys(named, f"evaluate:{__version__}|{metric}|code:sha256:{_code_digest(module)}"),
    )


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


def _no_score(name: str, reason: str, sentence: str) -> Scores:
    return Scores(
        values={name: None}, missing={name: reason}, info={name: _undeclared(name)}, settings={name: sentence}
    )


def _undeclared(name: str) -> ScoreInfo:
    """The library does not say what range its metrics have, or which direction is better."""
    return ScoreInfo(title=name, lowest=None, highest=None, better=None, pooling=None)
