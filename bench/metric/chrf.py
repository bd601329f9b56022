"""chrF, by answer and over the whole set, from sacrebleu."""

from collections.abc import Sequence
from functools import partial
from itertools import zip_longest
from statistics import fmean
from typing import TYPE_CHECKING

from bench.metric import Answer, Language, Metric, Scores, fraction
from bench.metric.words import stated
from bench.record_sections import ScoreInfo

if TYPE_CHECKING:
    from sacrebleu.metrics.chrf import CHRF

_INFO = {
    "chrf": fraction("chrF"),
    "corpus_chrf": fraction("Corpus chrF").model_copy(update={"pooling": "corpus_chrf"}),
}


class ChrF(Metric):
    """`chrf`: sentence chrF averaged over answers. `corpus_chrf`: chrF of the whole set (Popović 2015). Fractions.

    The numbers are sacrebleu's chrF2: F2 of character n-grams of orders 1 to 6 without white space, with the best of
    the references. Characters need no word boundaries, so Chinese is scored like any other language.

    If abstaining is right, an empty answer has a sentence chrF of 1 and any other 0; otherwise an empty answer has 0.
    A question where abstaining is right adds nothing to corpus chrF, which is None if there is no other (`no_words`).
    """

    def score_info(self) -> dict[str, ScoreInfo]:
        return _INFO

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        from sacrebleu.metrics.chrf import CHRF

        chrf = CHRF()
        predictions = [answer.prediction for answer in answers]
        references = [stated(answer.references) for answer in answers]
        examples = tuple(map(partial(_sentence_chrf, chrf), predictions, references))
        parts = tuple(map(partial(_counts, chrf), predictions, references))
        # sacrebleu takes the first references of all answers, then the second ones, with None where there is none.
        whole = chrf.corpus_score(predictions, list(zip_longest(*(accepted or [""] for accepted in references))))
        has_words = any(any(counts) for counts in parts)
        return Scores(
            values={"chrf": fmean(examples), "corpus_chrf": _fraction(whole.score) if has_words else None},
            examples={"chrf": examples},
            parts={"corpus_chrf": parts},
            missing={} if has_words else {"corpus_chrf": "no_words"},
            info=_INFO,
            settings=dict.fromkeys(_INFO, str(chrf.get_signature())),
        )


def _sentence_chrf(chrf: "CHRF", prediction: str, references: list[str]) -> float:
    if not references:
        return float(not prediction.strip())
    return _fraction(chrf.sentence_score(prediction, references).score)


def _counts(chrf: "CHRF", prediction: str, references: list[str]) -> tuple[int, ...]:
    """For each order: n-grams of the answer, of its best reference, and those in both."""
    (counts,) = chrf._extract_corpus_statistics([prediction], [[reference] for reference in references or [""]])
    return tuple(counts)


def _fraction(percent: float) -> float:
    return min(percent / 100, 1.0)
