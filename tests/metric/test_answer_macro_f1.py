"""The study's macro F1, by hand and against scikit-learn."""

from collections.abc import Callable

import pytest
from sklearn.metrics import f1_score

from bench.metric import Answer
from bench.metric.answer_macro_f1 import AnswerMacroF1

Answered = Callable[..., list[Answer]]
Texts = list[tuple[str, ...]]

METRIC = AnswerMacroF1(name="answer_macro_f1")


def test_by_hand(answered: Answered) -> None:
    # Truths: red, red, fox, nile. Predictions: red, green, fox, fox.
    # F1: red 2*1/(1+2) = 2/3, green 0, fox 2*1/(2+1) = 2/3, nile 0. Mean over four classes: 1/3.
    answers = answered(("Red.", "red"), ("green", "the red"), ("a fox", "bird", "fox"), ("fox", "Nile", "river"))
    assert METRIC.score(answers, "en").model_dump() == {
        "values": {"answer_macro_f1": pytest.approx(1 / 3)},
        "examples": {},
        "parts": {"answer_macro_f1": (("red", "red"), ("green", "red"), ("fox", "fox"), ("fox", "nile"))},
        "errors": {},
        "missing": {},
        "info": {
            "answer_macro_f1": {
                "title": "Macro F1",
                "lowest": 0.0,
                "highest": 1.0,
                "better": "higher",
                "pooling": "macro_f1",
            }
        },
        "settings": {},
    }


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([("red", "red"), ("fox", "fox")], 1.0),
        ([("red", "fox")], 0.0),
        # An abstention is a class like any other, and right where it is asked for.
        ([("", ""), ("red", "red")], 1.0),
        # Truths: abstain, red. Predictions: abstain twice. F1: abstain 2/3, red 0.
        ([("", ""), ("", "red")], 1 / 3),
    ],
)
def test_small_sets(answered: Answered, texts: list[tuple[str, ...]], expected: float) -> None:
    assert METRIC.score(answered(*texts), "en").values == {"answer_macro_f1": pytest.approx(expected)}


def test_chinese(answered: Answered) -> None:
    assert METRIC.score(answered(("北 京。", "北京"), ("上海", "北京")), "zh").values == {
        "answer_macro_f1": pytest.approx((2 / 3 + 0) / 2)
    }


def test_random_answers_against_scikit_learn(answered: Answered, random_texts: Texts) -> None:
    # One lower-case word a text needs no normalisation, so that the classes can be told without the project's own.
    def plain(text: str) -> str:
        return {"": "", "the": "", "fox,": "fox", "home.": "home", "(twice)": "twice"}.get(text, text.lower())

    pairs = []
    texts = [tuple(text.split(" ")[0] for text in row) for row in random_texts]
    for prediction, *references in texts:
        accepted, own = [plain(text) for text in references if plain(text)], plain(prediction)
        if not accepted and "the" in references:
            # The article alone is an answer, too
            accepted, own = ["the"], "the" if prediction == "the" else own
        accepted = accepted or [""]
        pairs.append((own, own if own in accepted else accepted[0]))
    predicted, true = zip(*pairs, strict=True)
    expected = f1_score(true, predicted, average="macro", zero_division=0)
    assert METRIC.score(answered(*texts), "en").values == {"answer_macro_f1": pytest.approx(expected, abs=1e-12)}
