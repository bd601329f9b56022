"""ROUGE-1, -2 and -L, from rouge-score."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from bench.metric import Answer, Language, Metric, Scores, fraction, means
from bench.metric.words import chinese_words, stated

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer

_TITLES = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L"}
_NAMES = tuple(_TITLES)


class ChineseWords:
    """Splits Chinese text for rouge-score, whose own tokenizer drops everything but Latin letters and digits."""

    def tokenize(self, text: str) -> list[str]:
        return chinese_words(text)


_TOKENIZER = {"en": None, "zh": ChineseWords()}
_TOKENIZER_NAME = {"en": "rouge-score", "zh": "chinese_words"}


class Rouge(Metric):
    """`rouge1`, `rouge2`, `rougeL`: F-measures, the best over the references, averaged over answers (Lin 2004).

    The numbers are rouge-score's. A one-word answer has no bigram, so its `rouge2` is 0 even if it is correct: on short
    answers read `rouge1` and `rougeL`. rouge-score leaves open what an abstention scores: where it is the right answer,
    an empty answer scores 1 and any other 0; elsewhere an empty answer scores 0.
    """

    use_stemmer: bool
    """Compare Porter's stems in place of words; English only."""

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        from rouge_score.rouge_scorer import RougeScorer

        scorer = RougeScorer(list(_NAMES), use_stemmer=self.use_stemmer, tokenizer=_TOKENIZER[language])
        rows = [_f_measures(scorer, answer) for answer in answers]
        settings = (
            f"rouge-score:{version('rouge-score')}|f-measure|tokenizer:{_TOKENIZER_NAME[language]}"
            f"|stemmer:{'yes' if self.use_stemmer and language == 'en' else 'no'}"
        )
        info = {name: fraction(title) for name, title in _TITLES.items()}
        return means(info, {name: tuple(row[name] for row in rows) for name in _NAMES}, settings)


def _f_measures(scorer: "RougeScorer", answer: Answer) -> dict[str, float]:
    references = stated(answer.references)
    if not references:
        return dict.fromkeys(_NAMES, float(not answer.prediction.strip()))
    return {name: float(best.fmeasure) for name, best in scorer.score_multi(references, answer.prediction).items()}
