"""How answers become words: SQuAD's normalisation for English, one word per character for Chinese."""

import re
import string
import unicodedata
from collections.abc import Sequence

from bench.metric import Language

_ARTICLE = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)

_CJK = (
    "\u3005-\u3007"  # iteration mark, closing mark, ideographic zero
    "\u3040-\u30ff"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # ideographs of the basic plane
    "\U00020000-\U0003ffff"  # ideographs of the supplementary planes
)
_CHINESE_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")


def english_words(text: str) -> list[str]:
    """Words as in the official SQuAD script: lower case, no ASCII punctuation, no articles, split at white space.

    Rajpurkar et al. 2016, `normalize_answer` of evaluate-v1.1.py and evaluate-v2.0.py.
    """
    return _ARTICLE.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def chinese_words(text: str) -> list[str]:
    """Every Chinese character is a word; runs of other letters and digits are kept whole.

    Full-width letters and digits count as their ordinary forms (Unicode NFKC), and case is ignored. Punctuation
    separates words and is dropped. Articles are kept, since the "A" of "A股" is not one.
    """
    return _CHINESE_WORD.findall(unicodedata.normalize("NFKC", text).lower())


_WORDS = {"en": english_words, "zh": chinese_words}


def words(text: str, language: Language) -> list[str]:
    """The words of `text`, split by the rules of `language` alone, whatever script the text is in."""
    return _WORDS[language](text)


def compared_words(prediction: str, references: Sequence[str], language: Language) -> tuple[list[str], list[list[str]]]:
    """The words of an answer, and of every reference that has some, as in the official SQuAD v2 script.

    If all references are blank, abstaining is right: a single empty list, which an answer without words matches. If
    none has words and not all are blank, such as "+", an emoji or the letter "A", texts are compared as written.
    """
    accepted = [split for reference in references if (split := words(reference, language))]
    if accepted or not stated(references):
        return words(prediction, language), accepted or [[]]
    return _as_written(prediction), [_as_written(reference) for reference in stated(references)]


def _as_written(text: str) -> list[str]:
    """Lower case, split at white space; without ASCII punctuation, unless there is nothing else."""
    lowered = unicodedata.normalize("NFKC", text).lower()
    return lowered.translate(_PUNCTUATION).split() or lowered.split()


def stated(references: Sequence[str]) -> list[str]:
    """The references that are not blank, for metrics that split text themselves; empty if abstaining is right."""
    return [reference for reference in references if reference.strip()]
