"""Macro F1 with every distinct answer as a class of its own, as the published study computes it."""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from bench.metric import Answer, Language, Metric, Scores, fraction
from bench.metric.words import compared_words
from bench.record_sections import ScoreInfo

_INFO = {"answer_macro_f1": fraction("Macro F1").model_copy(update={"pooling": "macro_f1"})}


class AnswerMacroF1(Metric):
    """`answer_macro_f1`: every answer string is a class, and the score is the mean of the classes' F1.

    An answer's class is its text after SQuAD's normalisation. The true class is the reference that the answer equals,
    or the first reference if it equals none. All these texts are classes; one that was never answered correctly has
    F1 0. The score equals scikit-learn's `f1_score(truth, prediction, average="macro", zero_division=0)`.

    It is computed over the whole set, not as a mean over examples, and is far lower than `token_f1`: a wrong answer
    adds a class with F1 0 and lowers the F1 of its reference's class.
    """

    def score_info(self) -> dict[str, ScoreInfo]:
        return _INFO

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        pairs = [_classes(answer, language) for answer in answers]
        predicted = Counter(prediction for prediction, _ in pairs)
        true = Counter(truth for _, truth in pairs)
        hit = Counter(prediction for prediction, truth in pairs if prediction == truth)
        f1 = {answer: 2 * hit[answer] / (predicted[answer] + true[answer]) for answer in predicted | true}
        return Scores(
            values={"answer_macro_f1": fmean(f1.values())},
            parts={"answer_macro_f1": tuple(pairs)},
            info=_INFO,
        )


def _classes(answer: Answer, language: Language) -> tuple[str, str]:
    own, accepted = compared_words(answer.prediction, answer.references, language)
    prediction, references = " ".join(own), [" ".join(reference) for reference in accepted]
    return prediction, prediction if prediction in references else references[0]
