"""Token F1 against values worked out by hand with the official SQuAD script's rules."""

# Chinese text is written with full-width characters.
# ruff: noqa: RUF001

from collections.abc import Callable
from statistics import fmean

import pytest

from bench.metric import Answer
from bench.metric.token_f1 import TokenF1
from bench.metric.words import words

Answered = Callable[..., list[Answer]]
Texts = list[tuple[str, ...]]

METRIC = TokenF1(name="token_f1")


@pytest.mark.parametrize(
    ("prediction", "references", "expected"),
    [
        ("The Eiffel Tower.", ["eiffel tower"], 1.0),
        # 2 of 3 predicted and 2 of 2 accepted words: P 2/3, R 1.
        ("tall eiffel tower", ["the Eiffel Tower"], 0.8),
        # Repeated words count as often as both sides have them: 1 shared, P 1/3, R 1/2.
        ("no no no", ["no way"], 0.4),
        ("red fox", ["blue bird", "red", "red hot fox"], 0.8),
        ("green", ["red"], 0.0),
        ("", [""], 1.0),
        ("the", [""], 1.0),
        ("", ["red"], 0.0),
        ("red", [""], 0.0),
        # The official script leaves out references without words where there are others.
        ("", ["", "red"], 0.0),
        ("red", ["", "red"], 1.0),
    ],
)
def test_english(answered: Answered, prediction: str, references: list[str], expected: float) -> None:
    scores = METRIC.score(answered((prediction, *references)), "en")
    assert scores.examples == {"token_f1": (pytest.approx(expected, abs=1e-12),)}


@pytest.mark.parametrize(
    ("prediction", "references", "expected"),
    [
        ("北京。", ["北京"], 1.0),
        ("北 京", ["北京"], 1.0),
        # 2 of 3 predicted and 2 of 4 accepted characters: P 2/3, R 1/2.
        ("北京城", ["中国北京"], 4 / 7),
        ("Ｆ16战机", ["f16 战机"], 1.0),
        ("上海", ["北京"], 0.0),
        ("", [""], 1.0),
    ],
)
def test_chinese(answered: Answered, prediction: str, references: list[str], expected: float) -> None:
    scores = METRIC.score(answered((prediction, *references)), "zh")
    assert scores.examples == {"token_f1": (pytest.approx(expected, abs=1e-12),)}


def test_the_value_is_the_mean_over_answers(answered: Answered) -> None:
    scores = METRIC.score(answered(("red fox", "red"), ("red", "red"), ("green", "red")), "en")
    assert scores.model_dump() == {
        "values": {"token_f1": pytest.approx((2 / 3 + 1 + 0) / 3)},
        "examples": {"token_f1": (pytest.approx(2 / 3), 1.0, 0.0)},
        "parts": {},
        "errors": {},
        "missing": {},
        "info": {
            "token_f1": {"title": "Token F1", "lowest": 0.0, "highest": 1.0, "better": "higher", "pooling": "mean"}
        },
        "settings": {},
    }


def test_random_answers_against_precision_and_recall(answered: Answered, random_texts: Texts) -> None:
    def f1(prediction: list[str], reference: list[str]) -> float:
        shared = sum(min(prediction.count(word), reference.count(word)) for word in set(prediction))
        if not shared:
            return float(prediction == reference)
        precision, recall = shared / len(prediction), shared / len(reference)
        return 2 * precision * recall / (precision + recall)

    expected = []
    for prediction, *references in random_texts:
        accepted = [found for text in references if (found := words(text, "en"))] or [[]]
        expected.append(max(f1(words(prediction, "en"), reference) for reference in accepted))
    scores = METRIC.score(answered(*random_texts), "en")
    assert scores.examples["token_f1"] == pytest.approx(expected, abs=1e-12)
    assert scores.values == {"token_f1": fmean(scores.examples["token_f1"])}
