"""Exact match by the official SQuAD script's rules."""

from collections.abc import Callable
from statistics import fmean

import pytest

from bench.metric import Answer
from bench.metric.exact_match import ExactMatch
from bench.metric.token_f1 import TokenF1

Answered = Callable[..., list[Answer]]
Texts = list[tuple[str, ...]]

METRIC = ExactMatch(name="exact_match")


@pytest.mark.parametrize(
    ("prediction", "references", "expected"),
    [
        ("The Eiffel Tower!", ["eiffel  tower"], 1.0),
        ("tower Eiffel", ["eiffel tower"], 0.0),
        ("in 1990", ["1990"], 0.0),
        ("fox", ["red", "the fox"], 1.0),
        ("", [""], 1.0),
        ("the", [""], 1.0),
        ("", ["red"], 0.0),
        ("red", [""], 0.0),
        ("", ["", "red"], 0.0),
    ],
)
def test_english(answered: Answered, prediction: str, references: list[str], expected: float) -> None:
    scores = METRIC.score(answered((prediction, *references)), "en")
    assert scores.examples == {"exact_match": (expected,)}


@pytest.mark.parametrize(
    ("prediction", "references", "expected"),
    [("北 京。", ["北京"], 1.0), ("３艘", ["3艘"], 1.0), ("3.5吨", ["35吨"], 0.0), ("京北", ["北京"], 0.0)],
)
def test_chinese(answered: Answered, prediction: str, references: list[str], expected: float) -> None:
    scores = METRIC.score(answered((prediction, *references)), "zh")
    assert scores.examples == {"exact_match": (expected,)}


def test_the_value_is_the_share_of_right_answers(answered: Answered) -> None:
    scores = METRIC.score(answered(("red", "red"), ("a red", "red"), ("green", "red"), ("", "")), "en")
    assert scores.model_dump() == {
        "values": {"exact_match": 0.75},
        "examples": {"exact_match": (1.0, 1.0, 0.0, 1.0)},
        "parts": {},
        "errors": {},
        "missing": {},
        "info": {
            "exact_match": {
                "title": "Exact match",
                "lowest": 0.0,
                "highest": 1.0,
                "better": "higher",
                "pooling": "mean",
            }
        },
        "settings": {},
    }


def test_an_exact_match_has_a_token_f1_of_one(answered: Answered, random_texts: Texts) -> None:
    answers = answered(*random_texts)
    scores = METRIC.score(answers, "en")
    f1 = TokenF1(name="token_f1").score(answers, "en").examples["token_f1"]
    assert {f1 for f1, match in zip(f1, scores.examples["exact_match"], strict=True) if match} == {1.0}
    assert scores.values == {"exact_match": fmean(scores.examples["exact_match"])}
