"""ROUGE against rouge-score, by hand, and where rouge-score leaves the outcome open."""

from collections.abc import Callable
from importlib.metadata import version
from statistics import fmean

import pytest
from rouge_score.rouge_scorer import RougeScorer

from bench.metric import Answer, Language
from bench.metric.rouge import Rouge

Answered = Callable[..., list[Answer]]
Texts = list[tuple[str, ...]]

NAMES = ("rouge1", "rouge2", "rougeL")
METRIC = Rouge(name="rouge", use_stemmer=False)


def test_by_hand(answered: Answered) -> None:
    # 4 words against 3. Shared: red, fox (F 4/7). Shared pairs: "red fox" (F 2*1/(3+2)). Longest in order: 2 (F 4/7).
    scores = METRIC.score(answered(("one red fox ran", "Red fox sat.")), "en")
    assert scores.model_dump() == {
        "values": {"rouge1": pytest.approx(4 / 7), "rouge2": pytest.approx(2 / 5), "rougeL": pytest.approx(4 / 7)},
        "examples": {
            "rouge1": (pytest.approx(4 / 7),),
            "rouge2": (pytest.approx(2 / 5),),
            "rougeL": (pytest.approx(4 / 7),),
        },
        "parts": {},
        "errors": {},
        "missing": {},
        "info": {
            "rouge1": {"title": "ROUGE-1", "lowest": 0.0, "highest": 1.0, "better": "higher", "pooling": "mean"},
            "rouge2": {"title": "ROUGE-2", "lowest": 0.0, "highest": 1.0, "better": "higher", "pooling": "mean"},
            "rougeL": {"title": "ROUGE-L", "lowest": 0.0, "highest": 1.0, "better": "higher", "pooling": "mean"},
        },
        "settings": dict.fromkeys(
            NAMES, f"rouge-score:{version('rouge-score')}|f-measure|tokenizer:rouge-score|stemmer:no"
        ),
    }


def test_the_best_reference_is_chosen_for_each_score(answered: Answered) -> None:
    # Against "fox red": 2 of 2 words, no pair, longest in order 1.
    # Against "red fox hunt club": 2 of 4 words, 1 of 3 pairs, longest in order 2.
    scores = METRIC.score(answered(("red fox", "fox red", "red fox hunt club")), "en")
    assert scores.values == {
        "rouge1": pytest.approx(1.0),
        "rouge2": pytest.approx(1 / 2),
        "rougeL": pytest.approx(2 / 3),
    }


def test_a_correct_one_word_answer_has_no_bigram(answered: Answered) -> None:
    scores = METRIC.score(answered(("Paris", "Paris")), "en")
    assert scores.values == {"rouge1": 1.0, "rouge2": 0.0, "rougeL": 1.0}


@pytest.mark.parametrize(
    ("prediction", "references", "expected"),
    [("", [""], 1.0), (" ", ["", " "], 1.0), ("red", [""], 0.0), ("", ["red"], 0.0), ("", ["", "red"], 0.0)],
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_abstention(
    answered: Answered, language: Language, prediction: str, references: list[str], expected: float
) -> None:
    assert METRIC.score(answered((prediction, *references)), language).values == dict.fromkeys(NAMES, expected)


def test_identical_chinese_text(answered: Answered) -> None:
    scores = METRIC.score(answered(("2021年，解放军演习。", "2021年，解放军演习。")), "zh")
    assert scores.values == {"rouge1": 1.0, "rouge2": 1.0, "rougeL": 1.0}
    assert scores.settings["rouge1"] == (
        f"rouge-score:{version('rouge-score')}|f-measure|tokenizer:chinese_words|stemmer:no"
    )


def test_chinese_by_hand(answered: Answered) -> None:
    # 5 characters against 5: 4 shared, 3 of 4 pairs shared, 4 in order.
    assert METRIC.score(answered(("解放军演练", "解放军演习")), "zh").values == {
        "rouge1": pytest.approx(4 / 5),
        "rouge2": pytest.approx(3 / 4),
        "rougeL": pytest.approx(4 / 5),
    }


def test_stems_can_be_compared(answered: Answered) -> None:
    scores = Rouge(name="rouge", use_stemmer=True).score(answered(("running foxes", "runs fox")), "en")
    assert scores.values == {"rouge1": 1.0, "rouge2": 1.0, "rougeL": 1.0}
    assert scores.settings["rougeL"].endswith("|stemmer:yes")


def test_random_answers_against_rouge_score(answered: Answered, random_texts: Texts) -> None:
    scores = METRIC.score(answered(*random_texts), "en")
    scorer = RougeScorer(list(NAMES), use_stemmer=False)
    for name in NAMES:
        expected = []
        for prediction, *references in random_texts:
            accepted = [text for text in references if text]
            found = [scorer.score(text, prediction)[name].fmeasure for text in accepted]
            expected.append(max(found, default=float(not prediction)))
        assert scores.examples[name] == pytest.approx(expected, abs=1e-12)
        assert scores.values[name] == fmean(scores.examples[name])
