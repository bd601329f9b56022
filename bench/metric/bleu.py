"""BLEU, by answer and over the whole set, from sacrebleu."""

from collections.abc import Sequence
from functools import partial
from itertools import zip_longest
from statistics import fmean
from typing import TYPE_CHECKING

from bench.metric import Answer, Language, Metric, Scores, fraction
from bench.metric.words import stated
from bench.record_sections import ScoreInfo

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

_TOKENIZER = {"en": "13a", "zh": "zh"}
_INFO = {
    "bleu": fraction("BLEU"),
    "corpus_bleu": fraction("Corpus BLEU").model_copy(update={"pooling": "corpus_bleu"}),
}


class Bleu(Metric):
    """`bleu`: sentence BLEU averaged over answers. `corpus_bleu`: BLEU of the whole set. Fractions, by sacrebleu.

    Sentence BLEU leaves out the n-gram orders that an answer is too short for (effective order), so that a correct
    one-word answer scores 1. Corpus BLEU does not: it is 0 for a set of one-word answers, even if all are correct.

    If abstaining is right, an empty answer has a sentence BLEU of 1 and any other 0; otherwise an empty answer has 0.
    An abstention adds no n-grams to corpus BLEU, which is None if the whole set has none (`no_words`).
    """

    def score_info(self) -> dict[str, ScoreInfo]:
        return _INFO

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        from sacrebleu.metrics.bleu import BLEU

        sentence = BLEU(tokenize=_TOKENIZER[language], effective_order=True)
        corpus = BLEU(tokenize=_TOKENIZER[language])
        predictions = [answer.prediction for answer in answers]
        references = [stated(answer.references) for answer in answers]
        examples = tuple(map(partial(_sentence_bleu, sentence), predictions, references))
        # sacrebleu takes the first references of all answers, then the second ones, with None where there is none.
        whole = corpus.corpus_score(predictions, list(zip_longest(*(accepted or [""] for accepted in references))))
        has_words = whole.sys_len + whole.ref_len > 0
        # A signature says how many references the last texts had.
        sentence.num_refs = corpus.num_refs
        settings = {"bleu": str(sentence.get_signature()), "corpus_bleu": str(corpus.get_signature())}
        return Scores(
            values={"bleu": fmean(examples), "corpus_bleu": _fraction(whole.score) if has_words else None},
            examples={"bleu": examples},
            parts={"corpus_bleu": tuple(map(partial(_counts, corpus), predictions, references))},
            missing={} if has_words else {"corpus_bleu": "no_words"},
            info=_INFO,
            settings=settings,
        )


def _sentence_bleu(sentence: "BLEU", prediction: str, references: list[str]) -> float:
    if not references:
        return float(not prediction.strip())
    return _fraction(sentence.sentence_score(prediction, references).score)


def _counts(corpus: "BLEU", prediction: str, references: list[str]) -> tuple[int, ...]:
    """Tokens of the answer and of its reference, then matching n-grams of orders 1 to 4, then all n-grams of these."""
    score = corpus.corpus_score([prediction], [[reference] for reference in references or [""]])
    return (score.sys_len, score.ref_len, *score.counts, *score.totals)


def _fraction(percent: float) -> float:
    # sacrebleu's exp(log(100)) is slightly more than 100.
    return min(percent / 100, 1.0)
