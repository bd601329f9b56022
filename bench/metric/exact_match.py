"""Exact match: whether an answer is one of its references."""

from collections.abc import Sequence
from statistics import fmean

from bench.metric import Answer, Language, Metric, Scores, fraction
from bench.metric.words import accepted_words, words


class ExactMatch(Metric):
    """`exact_match`: share of answers whose words are those of a reference, after SQuAD's normalisation.

    As in the official SQuAD v2 script, an empty answer is right where the right answer is to abstain.
    """

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        examples = tuple(
            float(words(answer.prediction, language) in accepted_words(answer.references, language))
            for answer in answers
        )
        return Scores(
            values={"exact_match": fmean(examples)},
            examples={"exact_match": examples},
            info={"exact_match": fraction("Exact match")},
        )
