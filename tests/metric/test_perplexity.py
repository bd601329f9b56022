"""Perplexity by hand, and when there is none."""

import math

import pytest

from bench.metric import Answer
from bench.metric.perplexity import Perplexity

METRIC = Perplexity(name="perplexity")
INFO = {
    "perplexity": {
        "title": "Perplexity",
        "lowest": 1.0,
        "highest": None,
        "better": "lower",
        "pooling": "exp_ratio",
    }
}
SETTINGS = {"perplexity": "nats per token of the first reference, end of sequence included"}


def likely(*nll_nats_and_tokens: tuple[float | None, int]) -> list[Answer]:
    return [
        Answer(
            id=str(number),
            cluster="document",
            question="Who?",
            context="Somebody.",
            prediction="",
            references=("red",),
            reference_nll_nats=nll_nats,
            reference_tokens=tokens,
        )
        for number, (nll_nats, tokens) in enumerate(nll_nats_and_tokens)
    ]


def test_a_uniform_choice_among_eight_has_perplexity_eight() -> None:
    scores = METRIC.score(likely((3 * math.log(8), 3), (5 * math.log(8), 5)), "en")
    assert scores.values == {"perplexity": pytest.approx(8.0)}


def test_every_token_counts_the_same() -> None:
    # 6 nats over 4 tokens, not the mean of e^4 and e^(2/3).
    assert METRIC.score(likely((4.0, 1), (2.0, 3)), "en").model_dump() == {
        "values": {"perplexity": pytest.approx(math.exp(1.5))},
        "examples": {},
        "parts": {},
        "errors": {},
        "missing": {},
        "info": INFO,
        "settings": SETTINGS,
    }


@pytest.mark.parametrize("nlls", [((1.0, 1), (None, 4)), ((None, 2),), ((5000.0, 1),)])
def test_a_likelihood_that_is_not_finite_gives_no_number(nlls: tuple[tuple[float | None, int], ...]) -> None:
    assert METRIC.score(likely(*nlls), "en").model_dump() == {
        "values": {"perplexity": None},
        "examples": {},
        "parts": {},
        "errors": {},
        "missing": {"perplexity": "not_finite"},
        "info": INFO,
        "settings": SETTINGS,
    }
