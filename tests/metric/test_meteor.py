"""METEOR by hand, with a WordNet of one synset, and without any."""

import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from bench.errors import InputError
from bench.metric import Answer
from bench.metric.meteor import Meteor

Answered = Callable[..., list[Answer]]

METRIC = Meteor(name="meteor")
HEADER = "  1 This software and database is WordNet 3.0 Copyright 2006 by Princeton University.\n"


@pytest.fixture
def wordnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A WordNet in its own format whose only synset is {car, auto}."""
    folder = tmp_path / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    for part in ("adj", "adv", "noun", "verb"):
        for name in (f"data.{part}", f"index.{part}"):
            (folder / name).write_text(HEADER)
        (folder / f"{part}.exc").write_text("")
    (folder / "index.sense").write_text("")
    (folder / "lexnames").write_text("00\tadj.all\t3\n01\tadj.pert\t3\n02\tadv.all\t4\n03\tnoun.Tops\t1\n")
    at = len(HEADER)
    (folder / "data.noun").write_text(f"{HEADER}{at:08} 03 n 02 car 0 auto 0 000 | a motor vehicle\n")
    (folder / "index.noun").write_text(f"{HEADER}auto n 1 0 1 0 {at:08}\ncar n 1 0 1 0 {at:08}\n")
    monkeypatch.setattr("nltk.data.path", [str(tmp_path)])


def meteor(matches: int, answer: int, reference: int, chunks: int) -> float:
    """Banerjee and Lavie 2005, with a harmonic mean that weighs recall nine times as much."""
    precision, recall = matches / answer, matches / reference
    return precision * recall / (0.9 * precision + 0.1 * recall) * (1 - 0.5 * (chunks / matches) ** 3)


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ("the red fox", "the red fox", meteor(3, 3, 3, 1)),
        ("the fox ran far", "the red fox ran", meteor(3, 4, 4, 2)),
        # By stem, and by synset.
        ("foxes running", "fox runs", meteor(2, 2, 2, 1)),
        ("an auto stopped", "a car stopped", meteor(2, 3, 3, 1)),
        ("blue", "red", 0.0),
        ("", "red", 0.0),
        ("", "", 1.0),
        ("red", "", 0.0),
    ],
)
@pytest.mark.usefixtures("wordnet")
def test_by_hand(answered: Answered, prediction: str, reference: str, expected: float) -> None:
    assert METRIC.score(answered((prediction, reference)), "en").examples == {"meteor": (pytest.approx(expected),)}


@pytest.mark.usefixtures("wordnet")
def test_the_best_reference_and_how_the_score_is_read(answered: Answered) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = METRIC.score(answered(("red fox", "blue bird", "red fox")), "en")
    assert scores.values == {"meteor": pytest.approx(meteor(2, 2, 2, 1))}
    assert scores.model_dump()["info"] == {
        "meteor": {"title": "METEOR", "lowest": 0.0, "highest": 1.0, "better": "higher", "pooling": "mean"}
    }
    assert scores.settings == {
        "meteor": f"nltk:{version('nltk')}|wordnet:3.0|tokenizer:treebank|alpha:0.9|beta:3|gamma:0.5"
    }


def test_without_wordnet_it_says_what_to_do(
    answered: Answered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nltk.data.path", [str(tmp_path)])
    scores = METRIC.score(answered(("red", "red")), "en")
    assert scores.values == {"meteor": None}
    assert scores.missing == {"meteor": "wordnet_not_available"}
    needs = "METEOR needs WordNet; run `python -m nltk.downloader wordnet` once, or set NLTK_DATA to a copy"
    assert scores.settings == {"meteor": needs}
    with pytest.raises(InputError) as refused:
        METRIC.check([])
    assert str(refused.value) == f"metric.meteor: {needs}"


@pytest.mark.usefixtures("wordnet")
def test_with_wordnet_nothing_is_refused() -> None:
    METRIC.check([])


def test_chinese_has_none(answered: Answered) -> None:
    scores = METRIC.score(answered(("军队", "军队")), "zh")
    assert (scores.values, scores.missing) == ({"meteor": None}, {"meteor": "language_not_supported"})
    assert scores.settings == {"meteor": "METEOR's WordNet is English; use chrf for this language"}
