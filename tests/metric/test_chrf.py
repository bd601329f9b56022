"""Both chrFs against sacrebleu's functions, by hand, and where sacrebleu leaves the outcome open."""

from collections.abc import Callable
from importlib.metadata import version

import pytest
import sacrebleu

from bench.metric import Answer, Language
from bench.metric.chrf import ChrF

Answered = Callable[..., list[Answer]]
Texts = list[tuple[str, ...]]

METRIC = ChrF(name="chrf")


def f2(precisions: list[float], recalls: list[float]) -> float:
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return 5 * precision * recall / (4 * precision + recall)


def test_by_hand(answered: Answered) -> None:
    # "abc" against "abcd": 3 of 3 letters, 2 of 2 pairs, 1 of 1 triples are right, of 4, 3 and 2.
    scores = METRIC.score(answered(("ab c", "a bcd")), "en")
    expected = f2([1, 1, 1], [3 / 4, 2 / 3, 1 / 2])
    assert scores.values == {"chrf": pytest.approx(expected), "corpus_chrf": pytest.approx(expected)}
    # A reference's n-grams of order 4 count, too: it has one.
    assert scores.parts["corpus_chrf"] == ((3, 4, 3, 2, 3, 2, 1, 2, 1, 0, 1, 0, *[0] * 6),)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_chinese_by_hand(answered: Answered, language: Language) -> None:
    # 2 of 3 characters, 1 of 2 pairs, 0 of 1 triples, on both sides.
    scores = METRIC.score(answered(("解放日", "解放军")), language)
    expected = f2([2 / 3, 1 / 2, 0], [2 / 3, 1 / 2, 0])
    assert scores.values == {"chrf": pytest.approx(expected), "corpus_chrf": pytest.approx(expected)}


def test_how_the_scores_are_read(answered: Answered) -> None:
    scores = METRIC.score(answered(("red", "red")), "en")
    fraction = {"lowest": 0.0, "highest": 1.0, "better": "higher"}
    assert scores.model_dump()["info"] == {
        "chrf": fraction | {"title": "chrF", "pooling": "mean"},
        "corpus_chrf": fraction | {"title": "Corpus chrF", "pooling": "corpus_chrf"},
    }
    signature = f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{version('sacrebleu')}"
    assert scores.settings == {"chrf": signature, "corpus_chrf": signature}


@pytest.mark.parametrize(
    ("prediction", "references", "expected"),
    [("", [""], 1.0), (" \n", [""], 1.0), ("red", [""], 0.0), ("", ["red"], 0.0), ("red", ["", "red"], 1.0)],
)
def test_abstention(answered: Answered, prediction: str, references: list[str], expected: float) -> None:
    scores = METRIC.score(answered((prediction, *references), ("fox", "fox")), "en")
    assert scores.examples["chrf"] == (expected, 1.0)


def test_a_set_without_a_word_has_no_corpus_chrf(answered: Answered) -> None:
    scores = METRIC.score(answered(("", ""), ("red", "")), "en")
    assert scores.values == {"chrf": 0.5, "corpus_chrf": None}
    assert scores.missing == {"corpus_chrf": "no_words"}


def test_random_answers_against_sacrebleu(answered: Answered, random_texts: Texts) -> None:
    scores = METRIC.score(answered(*random_texts), "en")
    stated = [(prediction, [text for text in references if text]) for prediction, *references in random_texts]
    expected = [
        sacrebleu.sentence_chrf(prediction, accepted).score / 100 if accepted else float(not prediction)
        for prediction, accepted in stated
    ]
    assert scores.examples["chrf"] == pytest.approx(expected, abs=1e-12)
    longest = max(len(accepted) for _, accepted in stated)
    columns = [[accepted[k] if k < len(accepted) else None for _, accepted in stated] for k in range(longest)]
    columns[0] = [text or "" for text in columns[0]]
    corpus = sacrebleu.corpus_chrf([prediction for prediction, _ in stated], columns)
    assert scores.values["corpus_chrf"] == pytest.approx(corpus.score / 100)
