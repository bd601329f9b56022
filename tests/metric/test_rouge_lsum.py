"""ROUGE-Lsum against rouge-score, by hand, and how texts are split into sentences."""

# Chinese text is written with full-width characters.

from collections.abc import Callable
from importlib.metadata import version

import pytest
from rouge_score.rouge_scorer import RougeScorer

from bench.metric import Answer, Language
from bench.metric.rouge import Rouge
from bench.metric.rouge_lsum import RougeLsum, by_line

Answered = Callable[..., list[Answer]]
Texts = list[tuple[str, ...]]

METRIC = RougeLsum(name="rouge_lsum", use_stemmer=False)


def test_the_order_of_sentences_does_not_matter(answered: Answered) -> None:
    answers = answered(("The fox ran. A dog sat.", "A dog sat. The fox ran."))
    assert METRIC.score(answers, "en").values == {"rougeLsum": 1.0}
    # As one sentence, only one half is in order.
    assert Rouge(name="rouge", use_stemmer=False).score(answers, "en").values["rougeL"] == 0.5


def test_by_hand(answered: Answered) -> None:
    # "the fox" of 3 words is found in one sentence, "sat" of 2 in the other: 3 of 5 words; the answer has 4.
    scores = METRIC.score(answered(("the fox. cats sat.", "the fox ran. dogs sat.")), "en")
    assert scores.values == {"rougeLsum": pytest.approx(2 * (3 / 4) * (3 / 5) / (3 / 4 + 3 / 5))}
    assert scores.model_dump()["info"] == {
        "rougeLsum": {"title": "ROUGE-Lsum", "lowest": 0.0, "highest": 1.0, "better": "higher", "pooling": "mean"}
    }
    assert scores.settings == {
        "rougeLsum": f"rouge-score:{version('rouge-score')}|f-measure|tokenizer:rouge-score|stemmer:no"
        "|sentences:line breaks and .!?"
    }


def test_chinese_by_hand(answered: Answered) -> None:
    # Both sentences are there in the other order, of the second 4 of 5 characters.
    scores = METRIC.score(answered(("解放军演练。中国海军！", "中国海军。解放军演习。")), "zh")
    assert scores.values == {"rougeLsum": pytest.approx(8 / 9)}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("One. Two!  Three? Four", "One.\nTwo!\nThree?\nFour"),
        ("One\n\n two \nthree", "One\ntwo\nthree"),
        ("Version 2.5 of example.com", "Version 2.5 of example.com"),
        ("第一。第二！第三？第四", "第一。\n第二！\n第三？\n第四"),
        ("  ", ""),
    ],
)
def test_where_sentences_end(text: str, lines: str) -> None:
    assert by_line(text) == lines


@pytest.mark.parametrize(
    ("prediction", "references", "expected"),
    [("", [""], 1.0), ("red", [""], 0.0), ("", ["red"], 0.0), ("", ["", "red"], 0.0)],
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_abstention(
    answered: Answered, language: Language, prediction: str, references: list[str], expected: float
) -> None:
    assert METRIC.score(answered((prediction, *references)), language).values == {"rougeLsum": expected}


def test_stems_can_be_compared(answered: Answered) -> None:
    stems = RougeLsum(name="rouge_lsum", use_stemmer=True)
    assert stems.score(answered(("running foxes", "runs fox")), "en").values == {"rougeLsum": 1.0}


def test_random_answers_against_rouge_score(answered: Answered, random_texts: Texts) -> None:
    scores = METRIC.score(answered(*random_texts), "en")
    scorer = RougeScorer(["rougeLsum"])
    # In these texts a full stop before a blank ends a sentence, and nothing else does.
    expected = [
        max(
            (
                scorer.score(text.replace(". ", ".\n"), prediction.replace(". ", ".\n"))["rougeLsum"].fmeasure
                for text in references
                if text
            ),
            default=float(not prediction),
        )
        for prediction, *references in random_texts
    ]
    assert scores.examples["rougeLsum"] == pytest.approx(expected, abs=1e-12)
