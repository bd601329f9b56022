"""Answers to score, written out and at random."""

import random
from collections.abc import Callable

import pytest

from bench.metric import Answer

Answered = Callable[..., list[Answer]]


@pytest.fixture
def answered() -> Answered:
    """Builds answers from tuples of a prediction and its references."""

    def build(*texts: tuple[str, ...]) -> list[Answer]:
        return [
            Answer(
                id=str(number),
                cluster="document",
                question="Who?",
                context="Somebody.",
                prediction=prediction,
                references=references,
                reference_nll_nats=1.0,
                reference_tokens=1,
            )
            for number, (prediction, *references) in enumerate(texts)
        ]

    return build


@pytest.fixture(params=range(20))
def random_texts(request: pytest.FixtureRequest) -> list[tuple[str, ...]]:
    """Predictions with one to three references each, over few words; a good part is right, and some are empty."""
    chance = random.Random(request.param)
    vocabulary = ["the", "Red", "red", "fox,", "fox", "ran", "home.", "1990", "(twice)"]

    def text() -> str:
        return " ".join(chance.choices(vocabulary, k=chance.randrange(7)))

    rows: list[tuple[str, ...]] = []
    for _ in range(30):
        references = [text() for _ in range(chance.randint(1, 3))]
        rows.append((chance.choice([chance.choice(references), text(), text()]), *references))
    return rows
