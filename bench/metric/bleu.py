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
    one-word answer scores 1. Corpus BLEU does not: it is 0 for a set of one-word answers, even if all are correct.

    Where the right answer is to abstain, an empty answer has a sentence BLEU of 1 and any other 0; elsewhere an empty
    answer has 0. An abstention adds no n-grams to corpus BLEU, which is None if the whole set has none (`no_words`).
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
        # sacrebleu takes the first references of all answers, then the second ones, with None where there is none.
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
    """For each answer: its tokens, its reference's tokens, matching n-grams of orders 1 to 4, all n-grams of those."""
    counts = []
    for prediction, accepted in zip(predictions, references, strict=True):
        score = alone.corpus_score([prediction], [[reference] for reference in accepted or [""]])
        counts.append((score.sys_len, score.ref_len, *score.counts, *score.totals))
    return tuple(counts)


def _fraction(percent: float) -> float:
    # sacrebleu's exp(log(100)) is slightly more than 100.
    return min(percent / 100, 1.0)
