"""METEOR, from nltk, with a WordNet that is on this machine."""

import warnings
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from bench.errors import InputError
from bench.example import Example
from bench.metric import Answer, Language, Metric, Scores, fraction, means
from bench.metric.words import stated
from bench.record_sections import ScoreInfo

_NAME = "meteor"
_INFO = {_NAME: fraction("METEOR")}
_WORDNET = ("corpora/wordnet", "corpora/wordnet.zip/wordnet/")
_NEEDS = "METEOR needs WordNet; run `python -m nltk.downloader wordnet` once, or set NLTK_DATA to a copy"
_PARAMETERS = {"alpha": 0.9, "beta": 3.0, "gamma": 0.5}


class Meteor(Metric):
    """`meteor`: METEOR (Banerjee and Lavie 2005), the best over the references, averaged over answers.

    Words match if they are equal, have the same Porter stem, or share a WordNet synset. The numbers are nltk's, with
    the parameters and the Treebank tokenizer that `evaluate` uses. If abstaining is right, an empty answer scores 1 and
    any other 0; otherwise an empty answer scores 0.

    Nothing is downloaded. Without a WordNet where nltk looks, this is refused before training; one that is gone later
    leaves None (`wordnet_not_available`), as does Chinese, which WordNet does not have (`language_not_supported`).
    """

    def check(self, examples: Sequence[Example]) -> None:
        try:
            _wordnet()
        except LookupError as error:
            raise InputError(f"metric.meteor: {_NEEDS}") from error

    def score_info(self) -> dict[str, ScoreInfo]:
        return _INFO

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        if language != "en":
            return _no_score("language_not_supported", "METEOR's WordNet is English; use chrf for this language")
        try:
            wordnet = _wordnet()
        except LookupError:
            return _no_score("wordnet_not_available", _NEEDS)
        examples = tuple(_meteor(answer, wordnet) for answer in answers)
        parameters = "|".join(f"{name}:{value:g}" for name, value in _PARAMETERS.items())
        settings = f"nltk:{version('nltk')}|wordnet:{wordnet.get_version()}|tokenizer:treebank|{parameters}"
        return means(_INFO, {_NAME: examples}, settings)


def _meteor(answer: Answer, wordnet: Any) -> float:
    from nltk.tokenize import NLTKWordTokenizer
    from nltk.translate.meteor_score import meteor_score

    references = stated(answer.references)
    if not references:
        return float(not answer.prediction.strip())
    split = NLTKWordTokenizer().tokenize
    return float(meteor_score(list(map(split, references)), split(answer.prediction), wordnet=wordnet, **_PARAMETERS))


def _wordnet() -> Any:
    """Nltk's reader of the WordNet on this machine. Raises LookupError if there is none."""
    from nltk.corpus import WordNetCorpusReader
    from nltk.data import find

    for path in _WORDNET:
        try:
            folder = find(path)
        except LookupError:
            continue
        with warnings.catch_warnings():
            # Of the languages that come in another package.
            warnings.simplefilter("ignore")
            return WordNetCorpusReader(folder, omw_reader=None)
    raise LookupError


def _no_score(reason: str, sentence: str) -> Scores:
    return Scores(values={_NAME: None}, missing={_NAME: reason}, info=_INFO, settings={_NAME: sentence})
