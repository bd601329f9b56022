"""BLEU, by answer and over the whole set, from sacrebleu."""

from collections.abc import Sequence
from itertools import zip_longest
from statistics import fmean
from typing import TYPE_CHECKING

from bench.metric import Answer, Language, Metric, Scores, fraction
from bench.metric.words import stated

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

_TOKENIZER = {"en": "13a", "zh": "zh"}


class Bleu(Metric):
    """`bleu`: sentence BLEU averaged over answers. `corpus_bleu`: BLEU of the whole set. Fractions, by sacrebleu.

    Sentence BLEU leaves out the n-gram orders that an answer is too short for (effective order), so that a correct
    one-word answer scores 1. Corpus BLEU does not: in a set of one-word answers it is 0, however good they are.

    Where the right answer is to abstain, an empty answer has a sentence BLEU of 1 and any other 0; an empty answer
    elsewhere has 0. To corpus BLEU an abstention adds no n-grams; it is null if the whole set has none (`no_words`).
    """

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        from sacrebleu.metrics.bleu import BLEU

        predictions = [answer.prediction for answer in answers]
        references = [stated(answer.references) for answer in answers]
        sentence = BLEU(tokenize=_TOKENIZER[language], effective_order=True)
        corpus = BLEU(tokenize=_TOKENIZER[language])

        examples = tuple(
            _sentence_bleu(sentence, prediction, accepted)
            for prediction, accepted in zip(predictions, references, strict=True)
        )
        # sacrebleu wants the n-th reference of every answer together, None where an answer has fewer.
        whole = corpus.corpus_score(predictions, list(zip_longest(*(accepted or [""] for accepted in references))))
        sentence.num_refs = corpus.num_refs
        return Scores(
            values={
                "bleu": fmean(examples),
                "corpus_bleu": _fraction(whole.score) if whole.sys_len + whole.ref_len else None,
            },
            examples={"bleu": examples},
            parts={"corpus_bleu": _counts(BLEU(tokenize=_TOKENIZER[language]), predictions, references)},
            missing={} if whole.sys_len + whole.ref_len else {"corpus_bleu": "no_words"},
            info={
                "bleu": fraction("BLEU"),
                "corpus_bleu": fraction("Corpus BLEU").model_copy(update={"pooling": "corpus_bleu"}),
            },
            settings={"bleu": str(sentence.get_signature()), "corpus_bleu": str(corpus.get_signature())},
        )


def _sentence_bleu(sentence: "BLEU", prediction: str, references: list[str]) -> float:
    if not references:
        return float(not prediction.strip())
    return _fraction(sentence.sentence_score(prediction, references).score)


def _counts(alone: "BLEU", predictions: list[str], references: list[list[str]]) -> tuple[tuple[int, ...], ...]:
    """Of each answer: tokens, tokens of its reference, matching n-grams of orders 1 to 4, and n-grams of those."""
    counts = []
    for prediction, accepted in zip(predictions, references, strict=True):
        found = alone.corpus_score([prediction], [[reference] for reference in accepted or [""]])
        counts.append((found.sys_len, found.ref_len, *found.counts, *found.totals))
    return tuple(counts)


def _fraction(percent: float) -> float:
    # exp(log(100)) is a rounding error above 100.
    return min(percent / 100, 1.0)
