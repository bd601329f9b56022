"""Exact match: whether an answer is one of its references."""

from collections.abc import Sequence

from bench.metric import Answer, Language, Metric, Scores, fraction, means
from bench.metric.words import compared_words
from bench.record_sections import ScoreInfo

_INFO = {"exact_match": fraction("Exact match")}


class ExactMatch(Metric):
    """`exact_match`: share of answers that equal a reference word for word, after SQuAD's normalisation.

    As in the official SQuAD v2 script, an empty answer is right if abstaining is.
    """

    def score_info(self) -> dict[str, ScoreInfo]:
        return _INFO

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        examples = tuple(_is_exact(answer, language) for answer in answers)
        return means(_INFO, {"exact_match": examples})


def _is_exact(answer: Answer, language: Language) -> float:
    prediction, references = compared_words(answer.prediction, answer.references, language)
    return float(prediction in references)
