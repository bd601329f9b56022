"""Token F1: how many of their words an answer and its reference share."""

from collections import Counter
from collections.abc import Sequence

from bench.metric import Answer, Language, Metric, Scores, fraction, means
from bench.metric.words import compared_words
from bench.record_sections import ScoreInfo

_INFO = {"token_f1": fraction("Token F1")}


class TokenF1(Metric):
    """`token_f1`: F1 over words after SQuAD's normalisation, the best over the references, averaged over answers.

    As in the official SQuAD v2 script, an empty answer scores 1 if abstaining is right, otherwise 0.
    """

    def score_info(self) -> dict[str, ScoreInfo]:
        return _INFO

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        examples = tuple(_best_f1(answer, language) for answer in answers)
        return means(_INFO, {"token_f1": examples})


def _best_f1(answer: Answer, language: Language) -> float:
    prediction, references = compared_words(answer.prediction, answer.references, language)
    return max(_f1(prediction, reference) for reference in references)


def _f1(prediction: list[str], reference: list[str]) -> float:
    if not prediction or not reference:
        return float(prediction == reference)
    shared = (Counter(prediction) & Counter(reference)).total()
    return 2 * shared / (len(prediction) + len(reference))
