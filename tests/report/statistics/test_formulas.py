import math

import numpy as np
import pytest
import sacrebleu
from sklearn.metrics import f1_score

from bench.metric import Answer
from bench.metric.bleu import Bleu
from bench.report.read.predictions import Predictions
from bench.report.statistics.formulas import NoSpread, corpus_bleu, corpus_chrf, exp_ratio, macro_f1, parts_of

WORDS = ["the", "a", "red", "fox", "ran", "home", "away", "from", "rain"]


def answers_of(scores=None, parts=None, likelihoods=(), n=3):
    return Predictions(
        ids=tuple(map(str, range(n))),
        clusters=tuple(map(str, range(n))),
        answers=("",) * n,
        scores={name: np.array(values, dtype=float) for name, values in (scores or {}).items()},
        parts=parts or {},
        likelihoods=likelihoods,
    )


def whole(parts, formula):
    """The score of the corpus as it is."""
    return float(formula(np.asarray(parts.sum(axis=0), dtype=float)[:, np.newaxis])[0])


def told(draw, n, longest):
    return [" ".join(draw.choice(WORDS, draw.integers(0, longest + 1))) for _ in range(n)]


@pytest.mark.parametrize("longest", [1, 3, 12])
def test_corpus_bleu_is_sacrebleu_s_on_every_resampled_corpus(longest):
    draw = np.random.default_rng(longest)
    predictions = told(draw, 40, longest)
    references = [
        (given or "rain", other or "home") for given, other in zip(*(told(draw, 40, 12) for _ in "ab"), strict=True)
    ]
    # Some are right, so that there are matches of all orders
    predictions[:8] = [given for given, _ in references[:8]]
    answered = [
        Answer(
            id=str(at),
            cluster="c",
            question="q",
            context="",
            prediction=prediction,
            references=accepted,
            reference_nll_nats=1.0,
            reference_tokens=1,
        )
        for at, (prediction, accepted) in enumerate(zip(predictions, references, strict=True))
    ]
    found = Bleu(name="bleu").score(answered, "en")
    parts, formula = corpus_bleu(found.parts["corpus_bleu"])
    assert whole(parts, formula) == pytest.approx(found.values["corpus_bleu"], abs=1e-12)
    bleu = sacrebleu.BLEU(tokenize="13a")
    for _ in range(30):
        chosen = draw.integers(0, 40, size=draw.integers(1, 40))
        counts = np.bincount(chosen, minlength=40).astype(float)
        theirs = bleu.corpus_score(
            [predictions[at] for at in chosen], [[references[at][k] for at in chosen] for k in (0, 1)]
        )
        assert formula(parts.T @ counts[:, np.newaxis])[0] == pytest.approx(theirs.score / 100, abs=1e-12)


def test_corpus_bleu_without_a_match_or_a_word_is_nothing():
    parts, formula = corpus_bleu([(3, 3, 0, 0, 0, 0, 3, 2, 1, 0), (0, 0, *[0] * 8)])
    assert whole(parts, formula) == 0.0
    assert formula(np.zeros((10, 1))).tolist() == [0.0]


# Of 60, most are never hit, and many are missed in one example alone
@pytest.mark.parametrize("n_classes", [6, 60])
def test_macro_f1_is_scikit_learn_s_on_every_resampled_corpus(n_classes):
    draw = np.random.default_rng(0)
    pairs = [(f"c{predicted}", f"c{true}") for predicted, true in draw.integers(0, n_classes, size=(50, 2))]
    pairs[:3] = [("c0", "c0"), ("c1", "c1"), ("c1", "c0")]
    parts, formula = macro_f1(pairs)
    for chosen in [np.arange(50), *(draw.integers(0, 50, size=30) for _ in range(30))]:
        predicted, true = zip(*(pairs[at] for at in chosen), strict=True)
        counts = np.bincount(chosen, minlength=50).astype(float)
        # Classes that occur in the corpus drawn, and no others
        theirs = f1_score(true, predicted, average="macro", zero_division=0)
        assert formula(parts.T @ counts[:, np.newaxis])[0] == pytest.approx(theirs)


def test_macro_f1_by_hand():
    # a: hit once, predicted twice, true once: 2/3. b: missed: 0
    assert whole(*macro_f1([("a", "a"), ("a", "b")])) == pytest.approx(1 / 3)


def test_an_answer_without_a_class_misses_its_true_one():
    # a: hit once, true twice, predicted once: 2/3. What was answered in the second case is no class.
    assert whole(*macro_f1([("a", "a"), ("a",)])) == pytest.approx(2 / 3)
    # b is never hit.
    assert whole(*macro_f1([("a", "a"), ("b",)])) == pytest.approx(1 / 2)


def test_corpus_chrf_is_sacrebleu_s_on_every_resampled_corpus():
    draw = np.random.default_rng(0)
    predictions, references = told(draw, 40, 3), [text or "rain" for text in told(draw, 40, 3)]
    chrf = sacrebleu.CHRF()
    parts, formula = corpus_chrf(chrf._extract_corpus_statistics(predictions, [references]))
    for chosen in [np.arange(40), *(draw.integers(0, 40, size=draw.integers(1, 5)) for _ in range(30))]:
        counts = np.bincount(chosen, minlength=40).astype(float)
        theirs = chrf.corpus_score([predictions[at] for at in chosen], [[references[at] for at in chosen]])
        assert formula(parts.T @ counts[:, np.newaxis])[0] == pytest.approx(theirs.score / 100, abs=1e-12)


def test_corpus_chrf_without_a_match_or_a_letter_is_nothing():
    parts, formula = corpus_chrf([(2, 2, 0, *[0] * 15), (0,) * 18])
    assert whole(parts, formula) == 0.0
    assert formula(np.zeros((18, 1))).tolist() == [0.0]


def test_perplexity_by_hand():
    parts, formula = exp_ratio([(2.0, 1), (4.0, 3)])
    assert whole(parts, formula) == pytest.approx(math.exp(6 / 4))
    # The first twice, the second not at all
    assert formula(parts.T @ np.array([[2.0], [0.0]]))[0] == pytest.approx(math.exp(2))


def test_a_mean_is_its_sum_over_its_count():
    parts, formula = parts_of("token_f1", "mean", answers_of({"token_f1": [0.0, 0.5, 1.0]}))
    assert formula(parts.T @ np.array([[2.0], [0.0], [1.0]]))[0] == pytest.approx(1 / 3)


def test_repeated_metrics_keep_their_formula():
    parts, formula = parts_of(
        "chinese.answer_macro_f1", "macro_f1", answers_of(parts={"chinese.answer_macro_f1": (("a", "a"),) * 3})
    )
    assert whole(parts, formula) == 1.0


@pytest.mark.parametrize(
    ("score", "pooling", "answers", "why"),
    [
        ("f", "mean", answers_of({"f": [0.0, math.nan, 1.0]}), "not every example has a number"),
        ("perplexity", "exp_ratio", answers_of(likelihoods=((1.0, 2), (None, 2))), "not every example has a number"),
        (
            "corpus_bleu",
            "corpus_bleu",
            answers_of(),
            "it is computed over all examples at once, and what each contributes was not kept",
        ),
        (
            "other",
            None,
            answers_of(),
            "it is computed over all examples at once, and what each contributes was not kept",
        ),
    ],
)
def test_what_cannot_be_resampled_says_why(score, pooling, answers, why):
    with pytest.raises(NoSpread) as error:
        parts_of(score, pooling, answers)
    assert str(error.value) == why


def test_classes_are_counted_once_each():
    pairs = [("a", "b"), ("b", "b"), ("c", "c")]
    parts, _ = macro_f1(pairs)
    # Of b and c, which are hit, then of all
    assert parts.sum(axis=0).tolist() == [1, 1, 3, 2, 1]
