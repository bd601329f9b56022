"""Both BLEUs against sacrebleu's functions, and where sacrebleu leaves the outcome open."""

import math
from collections.abc import Callable
from importlib.metadata import version
from statistics import fmean

import pytest
import sacrebleu

from bench.metric import Answer
from bench.metric.bleu import Bleu

Answered = Callable[..., list[Answer]]
Texts = list[tuple[str, ...]]

METRIC = Bleu(name="bleu")


def test_a_correct_one_word_answer(answered: Answered) -> None:
    scores = METRIC.score(answered(("Paris", "Paris")), "en")
    assert scores.values == {"bleu": 1.0, "corpus_bleu": 0.0}


def test_by_hand(answered: Answered) -> None:
    # 5 words against 5 words. n-gram precisions 4/5, 3/4, 2/3, 1/2: a fourth root of 1/5, and no brevity penalty.
    scores = METRIC.score(answered(("the red fox ran away", "the red fox ran home")), "en")
    assert scores.values == {"bleu": pytest.approx(0.2**0.25), "corpus_bleu": pytest.approx(0.2**0.25)}


def test_the_counts_that_corpus_bleu_is_computed_from(answered: Answered) -> None:
    # 5 words against 5, four of them right; then 2 words of which "red fox" is in no reference as a pair.
    scores = METRIC.score(
        answered(("the red fox ran away", "the red fox ran home"), ("fox red", "a red fox", "red")), "en"
    )
    assert scores.parts == {"corpus_bleu": ((5, 5, 4, 3, 2, 1, 5, 4, 3, 2), (2, 1, 2, 0, 0, 0, 2, 1, 0, 0))}


def test_how_the_scores_are_read(answered: Answered) -> None:
    info = METRIC.score(answered(("red", "red")), "en").model_dump()["info"]
    fraction = {"lowest": 0.0, "highest": 1.0, "better": "higher"}
    assert info == {
        "bleu": fraction | {"title": "BLEU", "pooling": "mean"},
        "corpus_bleu": fraction | {"title": "Corpus BLEU", "pooling": "corpus_bleu"},
    }


def test_brevity_by_hand(answered: Answered) -> None:
    # All of 2 words are right, of 4 accepted: precisions 1 and 1 (effective order 2), penalty exp(1 - 4/2).
    scores = METRIC.score(answered(("red fox", "red fox ran home")), "en")
    assert scores.values["bleu"] == pytest.approx(math.exp(-1))


def test_answers_with_different_numbers_of_references(answered: Answered) -> None:
    texts = [
        ("the red fox ran", "a red fox ran", "the red fox sat"),
        ("the blue bird flew off", "the blue bird flew away"),
    ]
    scores = METRIC.score(answered(*texts), "en")
    corpus = sacrebleu.corpus_bleu(
        [prediction for prediction, *_ in texts],
        [["a red fox ran", "the blue bird flew away"], ["the red fox sat", None]],
    )
    assert scores.values["corpus_bleu"] == pytest.approx(corpus.score / 100)
    assert scores.settings == {
        "bleu": f"nrefs:var|case:mixed|eff:yes|tok:13a|smooth:exp|version:{version('sacrebleu')}",
        "corpus_bleu": f"nrefs:var|case:mixed|eff:no|tok:13a|smooth:exp|version:{version('sacrebleu')}",
    }


@pytest.mark.parametrize(
    ("prediction", "references", "expected"),
    [
        ("", [""], 1.0),
        (" \n", [""], 1.0),
        ("red", [""], 0.0),
        ("", ["red"], 0.0),
        ("", ["", "red"], 0.0),
        ("red", ["", "red"], 1.0),
    ],
)
def test_abstention(answered: Answered, prediction: str, references: list[str], expected: float) -> None:
    scores = METRIC.score(answered((prediction, *references), ("the red fox ran", "the red fox ran")), "en")
    assert scores.examples == {"bleu": (expected, 1.0)}


def test_a_right_abstention_leaves_corpus_bleu_as_it_is(answered: Answered) -> None:
    texts = ("the red fox ran away", "the red fox ran home")
    assert METRIC.score(answered(texts, ("", "")), "en").values["corpus_bleu"] == pytest.approx(0.2**0.25)


def test_a_corpus_without_words_has_no_bleu(answered: Answered) -> None:
    scores = METRIC.score(answered(("", ""), ("", "")), "en")
    assert scores.values == {"bleu": 1.0, "corpus_bleu": None}
    assert scores.missing == {"corpus_bleu": "no_words"}
    assert scores.settings["bleu"].startswith("nrefs:1|case:mixed|eff:yes|")


def test_chinese_is_split_into_characters(answered: Answered) -> None:
    # 5 characters against 5: precisions 4/5, 3/4, 2/3, 1/2.
    scores = METRIC.score(answered(("解放军演练", "解放军演习")), "zh")
    assert scores.values == {"bleu": pytest.approx(0.2**0.25), "corpus_bleu": pytest.approx(0.2**0.25)}
    assert scores.settings["corpus_bleu"] == (
        f"nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|version:{version('sacrebleu')}"
    )


def test_random_answers_against_sacrebleu(answered: Answered, random_texts: Texts) -> None:
    scores = METRIC.score(answered(*random_texts), "en")
    sentences = []
    for prediction, *references in random_texts:
        accepted = [text for text in references if text]
        if accepted:
            sentences.append(sacrebleu.sentence_bleu(prediction, accepted, use_effective_order=True).score / 100)
        else:
            sentences.append(float(not prediction))
    assert scores.examples["bleu"] == pytest.approx(sentences, abs=1e-12)
    assert scores.values["bleu"] == fmean(scores.examples["bleu"])

    stated = [[text for text in references if text] or [""] for _, *references in random_texts]
    streams = [[texts[at] if at < len(texts) else None for texts in stated] for at in range(3)]
    corpus = sacrebleu.corpus_bleu([prediction for prediction, *_ in random_texts], streams)
    assert scores.values["corpus_bleu"] == pytest.approx(corpus.score / 100, abs=1e-12)
