"""ROUGE-1, -2 and -L, from rouge-score."""

from collections.abc import Sequence
from importlib.metadata import version
from types import SimpleNamespace
from typing import TYPE_CHECKING

from bench.metric import Answer, Language, Metric, Scores, fraction, means
from bench.metric.words import chinese_words, stated
from bench.record_sections import ScoreInfo

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer

_INFO = {"rouge1": fraction("ROUGE-1"), "rouge2": fraction("ROUGE-2"), "rougeL": fraction("ROUGE-L")}
# rouge-score's own tokenizer drops everything but Latin letters and digits.
_TOKENIZER = {"en": None, "zh": SimpleNamespace(tokenize=chinese_words)}
_TOKENIZER_NAME = {"en": "rouge-score", "zh": "chinese_words"}


class Rouge(Metric):
    """`rouge1`, `rouge2`, `rougeL`: F-measures, the best over the references, averaged over answers (Lin 2004).

    The numbers are rouge-score's. A one-word answer has no bigram, so its `rouge2` is 0 even if it is correct: for
    short answers, `rouge1` and `rougeL` say more. If abstaining is right, which rouge-score does not cover, an empty
    answer scores 1 and any other 0; otherwise an empty answer scores 0.
    """

    use_stemmer: bool
    """Compare Porter stems instead of words; English only."""

    def score_info(self) -> dict[str, ScoreInfo]:
        return _INFO

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        rouge = scorer(list(_INFO), self.use_stemmer, language)
        rows = [_f_measures(rouge, answer) for answer in answers]
        examples = {name: tuple(row[name] for row in rows) for name in _INFO}
        return means(_INFO, examples, scoring(self.use_stemmer, language))


def scorer(names: list[str], use_stemmer: bool, language: Language) -> "RougeScorer":
    """rouge-score's scorer of these variants, with the words of `language`."""
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(names, use_stemmer=use_stemmer, tokenizer=_TOKENIZER[language])


def scoring(use_stemmer: bool, language: Language) -> str:
    """What fixes the meaning of that scorer's numbers."""
    return (
        f"rouge-score:{version('rouge-score')}|f-measure|tokenizer:{_TOKENIZER_NAME[language]}"
        f"|stemmer:{'yes' if use_stemmer and language == 'en' else 'no'}"
    )


def _f_measures(rouge: "RougeScorer", answer: Answer) -> dict[str, float]:
    references = stated(answer.references)
    if not references:
        return dict.fromkeys(_INFO, float(not answer.prediction.strip()))
    return {name: float(best.fmeasure) for name, best in rouge.score_multi(references, answer.prediction).items()}
