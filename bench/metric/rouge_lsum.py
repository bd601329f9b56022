"""ROUGE-Lsum, for answers of several sentences, from rouge-score."""

import re
from collections.abc import Sequence

from bench.metric import Answer, Language, Metric, Scores, fraction, means
from bench.metric.rouge import scorer, scoring
from bench.metric.words import stated
from bench.record_sections import ScoreInfo

_NAME = "rougeLsum"
_INFO = {_NAME: fraction("ROUGE-Lsum")}
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])\s*|\s*\n\s*")


class RougeLsum(Metric):
    """`rougeLsum`: summary-level ROUGE-L, the best over the references, averaged over answers (Lin 2004, section 3.2).

    Each sentence of a reference is matched with all sentences of the answer together, so their order does not matter.
    A sentence ends at a line break, at a full stop, exclamation or question mark before white space, and at their
    Chinese forms: an abbreviation such as "e.g. this" ends one, too. The numbers are rouge-score's. Abstentions and
    empty answers are scored as in `rouge`.
    """

    use_stemmer: bool
    """Compare Porter stems instead of words; English only."""

    def score_info(self) -> dict[str, ScoreInfo]:
        return _INFO

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        rouge = scorer([_NAME], self.use_stemmer, language)

        def best(answer: Answer) -> float:
            if not (references := stated(answer.references)):
                return float(not answer.prediction.strip())
            scores = rouge.score_multi(list(map(by_line, references)), by_line(answer.prediction))
            return float(scores[_NAME].fmeasure)

        settings = f"{scoring(self.use_stemmer, language)}|sentences:line breaks and .!?"
        return means(_INFO, {_NAME: tuple(map(best, answers))}, settings)


def by_line(text: str) -> str:
    """The sentences of `text`, one a line, as rouge-score expects them."""
    return "\n".join(sentence for sentence in _SENTENCE_END.split(text.strip()) if sentence)
