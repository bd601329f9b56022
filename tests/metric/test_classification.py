"""Accuracy and macro F1 over declared labels, by hand and against scikit-learn."""

import hashlib
import random
from collections.abc import Callable

import pytest
from pydantic import ValidationError
from sklearn.metrics import f1_score

from bench.errors import InputError
from bench.metric import Answer
from bench.metric.classification import Classification
from bench.report.statistics.formulas import macro_f1

Answered = Callable[..., list[Answer]]


def metric(*labels: object) -> Classification:
    return Classification.model_validate({"name": "classification", "labels": list(labels)})


def test_by_hand(answered: Answered) -> None:
    answers = answered(
        ("Positive.", "positive"), (" negative\n", "positive"), ("dunno", "negative"), ("NEGATIVE", "negative")
    )
    scores = metric("positive", "negative", "neutral").score(answers, "en")
    # positive: 1 hit, answered once, true twice: F1 2/3. negative: 1 hit, answered twice, true twice: F1 1/2. Nobody
    # says or means neutral.
    assert scores.model_dump() == {
        "values": {"accuracy": 0.5, "label_macro_f1": pytest.approx(7 / 12), "outside_labels": 0.25},
        "examples": {"accuracy": (1.0, 0.0, 0.0, 1.0), "outside_labels": (0.0, 0.0, 1.0, 0.0)},
        "parts": {
            "label_macro_f1": (
                ("positive", "positive"),
                ("negative", "positive"),
                ("negative",),
                ("negative", "negative"),
            )
        },
        "missing": {},
        "errors": {},
        "info": {
            "accuracy": {"title": "Accuracy", "lowest": 0.0, "highest": 1.0, "better": "higher", "pooling": "mean"},
            "label_macro_f1": {
                "title": "Label macro F1",
                "lowest": 0.0,
                "highest": 1.0,
                "better": "higher",
                "pooling": "macro_f1",
            },
            "outside_labels": {
                "title": "Outside labels",
                "lowest": 0.0,
                "highest": 1.0,
                "better": "lower",
                "pooling": "mean",
            },
        },
        "settings": dict.fromkeys(("accuracy", "label_macro_f1", "outside_labels"), "labels:negative,neutral,positive"),
    }


def test_any_reference_is_right(answered: Answered) -> None:
    scores = metric("a", "b", "c").score(answered(("b", "a", "b"), ("c", "a", "b")), "en")
    assert scores.examples["accuracy"] == (1.0, 0.0)
    assert scores.parts["label_macro_f1"] == (("b", "b"), ("c", "a"))


@pytest.mark.parametrize("seed", range(10))
def test_random_answers_against_scikit_learn(answered: Answered, seed: int) -> None:
    chance = random.Random(seed)
    labels = ["a", "b", "c", "d"]
    pairs = [(chance.choice([*labels, "what", ""]), chance.choice(labels[:3])) for _ in range(25)]
    scores = metric(*labels).score(answered(*pairs), "en")
    predicted, true = zip(*pairs, strict=True)
    expected = f1_score(true, predicted, labels=labels, average="macro", zero_division=float("nan"))
    assert scores.values["label_macro_f1"] == pytest.approx(expected)
    # The report computes the same from what is kept of each answer.
    parts, formula = macro_f1(scores.parts["label_macro_f1"])  # type: ignore[arg-type]
    assert formula(parts.sum(axis=0)[:, None])[0] == pytest.approx(expected)


def test_labels_need_no_quotes(answered: Answered) -> None:
    assert metric(1, 2, True).labels == ("1", "2", "True")
    assert metric(1, 2, True).score(answered(("true", "True"), ("2.", "2")), "en").values["accuracy"] == 1.0


def test_many_labels_are_known_by_a_hash(answered: Answered) -> None:
    labels = [f"l{at:02}" for at in range(11)]
    settings = metric(*labels).score(answered(("l01", "l01")), "en").settings["accuracy"]
    assert settings == f"labels:11|sha256:{hashlib.sha256(','.join(labels).encode()).hexdigest()[:16]}"


def test_labels_that_are_one(answered: Answered) -> None:
    with pytest.raises(ValidationError) as refused:
        metric("yes", "Yes!")
    (error,) = refused.value.errors()
    assert error["msg"] == ("Value error, labels: each must differ in more than case and punctuation, got 'yes' twice")


def test_labels_and_data_are_checked_before_training(answered: Answered) -> None:
    metric("yes", "no").check(answered(("", "Yes"), ("", "maybe", "no")))
    with pytest.raises(InputError) as none:
        metric().check([])
    with pytest.raises(InputError) as unknown:
        metric("yes", "no").check(answered(("", "yes"), ("", "maybe")))
    assert (str(none.value), str(unknown.value)) == (
        "metric.classification.labels: must name the labels, as in [positive,negative], got none",
        "metric.classification.labels: must have the label of every reference (yes, no), got 'maybe' in the data "
        "(example 1)",
    )
