"""Classification: accuracy and macro F1 over a declared set of labels."""

import string
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from statistics import fmean
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, model_validator

from bench.errors import InputError
from bench.example import Example
from bench.metric import Answer, Language, Metric, Scores, fraction, means
from bench.record_sections import ScoreInfo
from bench.settings import Strings

MOST_LISTED = 10
"""Labels that a score's settings list one by one."""
_INFO = {
    "accuracy": fraction("Accuracy"),
    "label_macro_f1": fraction("Label macro F1").model_copy(update={"pooling": "macro_f1"}),
    "outside_labels": fraction("Outside labels").model_copy(update={"better": "lower"}),
}


def _texts(labels: Any) -> Any:
    """Labels such as 1 or true are typed without quotes."""
    return [str(label) if isinstance(label, bool | int) else label for label in labels]


class Classification(Metric):
    """`accuracy`, `label_macro_f1` and `outside_labels`, with the labels that the settings declare.

    An answer has the label that it equals, without regard to case and to white space and punctuation at its ends.
    `accuracy` is the share of answers whose label is a reference's, and `outside_labels` the share that have none.
    `label_macro_f1` is the mean of the labels' F1, over the labels that a reference or an answer has: an answer without
    a label counts as a miss of its reference's label. It equals scikit-learn's
    `f1_score(truth, prediction, labels=labels, average="macro", zero_division=nan)`.
    """

    labels: Annotated[Strings, BeforeValidator(_texts)]
    """All labels, such as [positive, negative]."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if twice := [label for label, n in Counter(map(_plain, self.labels)).items() if n > 1]:
            raise ValueError(f"labels: each must differ in more than case and punctuation, got {twice[0]!r} twice")
        return self

    def check(self, examples: Sequence[Example]) -> None:
        if not self.labels:
            raise InputError("metric.classification.labels: must name the labels, as in [positive,negative], got none")
        known = set(map(_plain, self.labels))
        for example in examples:
            if not known & set(map(_plain, example.references)):
                raise InputError(
                    f"metric.classification.labels: must have the label of every reference ({', '.join(self.labels)}), "
                    f"got {example.references[0]!r} in the data (example {example.id})"
                )

    def score_info(self) -> dict[str, ScoreInfo]:
        return _INFO

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        known = set(map(_plain, self.labels))
        pairs = [_classes(answer, known) for answer in answers]
        predicted = Counter(own for own, _ in pairs if own is not None)
        true = Counter(label for _, label in pairs)
        hit = Counter(own for own, label in pairs if own == label)
        f1 = {label: 2 * hit[label] / (predicted[label] + true[label]) for label in predicted | true}
        examples = {
            "accuracy": tuple(float(own == label) for own, label in pairs),
            "outside_labels": tuple(float(own is None) for own, _ in pairs),
        }
        scores = means(_INFO, examples)
        return scores.model_copy(
            update={
                "values": {name: (scores.values | {"label_macro_f1": fmean(f1.values())})[name] for name in _INFO},
                "parts": {"label_macro_f1": tuple((label,) if own is None else (own, label) for own, label in pairs)},
                "settings": dict.fromkeys(_INFO, _label_set(known)),
            }
        )


def _label_set(labels: set[str]) -> str:
    """The labels, or a hash of them if there are too many to read."""
    text = ",".join(sorted(labels))
    if len(labels) > MOST_LISTED:
        text = f"{len(labels)}|sha256:{sha256(text.encode()).hexdigest()[:16]}"
    return f"labels:{text}"


def _classes(answer: Answer, known: set[str]) -> tuple[str | None, str]:
    """The answer's label, None if it has none, and the true one: the answer's if a reference has it, or the first."""
    own = _plain(answer.prediction)
    true = list(map(_plain, answer.references))
    return own if own in known else None, own if own in true else true[0]


def _plain(text: str) -> str:
    return text.strip(string.whitespace + string.punctuation).casefold()
