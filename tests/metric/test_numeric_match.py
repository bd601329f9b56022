"""The numbers that answers end with, and what is compared with them."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from bench.errors import InputError
from bench.metric import Answer
from bench.metric.numeric_match import NumericMatch, last_number

Answered = Callable[..., list[Answer]]

METRIC = NumericMatch(name="numeric_match", tolerance=0.0)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("It takes 2 steps, so the answer is 42.", "42"),
        ("$1,234.50", "1234.50"),
        ("12,345,678", "12345678"),
        ("1,2,3", "3"),
        ("1,2345", "2345"),
        ("it was -3 degrees", "-3"),
        ("x=-2", "-2"),
        ("(-7)", "-7"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("\u22124", "-4"),
        ("5-3", "3"),
        ("3 - 2", "2"),
        ("1990-1995", "1995"),
        (".5", "0.5"),
        ("10%", "10"),
        ("1e3", "1000"),
        ("\uff11\uff12", "12"),
        ("3 apples\n#### 18", "18"),
    ],
)
def test_the_last_number(text: str, number: str) -> None:
    assert last_number(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "forty-two", "-", "a.b", "1e99999999999999999999"])
def test_a_text_without_a_number(text: str) -> None:
    assert last_number(text) is None


@pytest.mark.parametrize(
    ("prediction", "references", "expected"),
    [
        ("The answer is 1,000.00", ["3 + 997 = <<3+997=1000>>1000\n#### 1000"], 1.0),
        ("18 dollars, not 9", ["#### 18"], 0.0),
        ("-18", ["18"], 0.0),
        ("0.30", ["0.1 + 0.2 is 0.3"], 1.0),
        ("I do not know", ["7"], 0.0),
        ("5", ["4", "5"], 1.0),
        ("5", ["none", "5"], 1.0),
        ("1e9999999", ["5"], 0.0),
        ("12345678901234567891", ["12345678901234567890"], 0.0),
    ],
)
def test_numbers_are_compared_and_not_texts(
    answered: Answered, prediction: str, references: list[str], expected: float
) -> None:
    assert METRIC.score(answered((prediction, *references)), "en").examples == {"numeric_match": (expected,)}


def test_a_tolerance_includes_its_end(answered: Answered) -> None:
    scores = NumericMatch(name="numeric_match", tolerance=0.1).score(
        answered(("3.1", "3"), ("3.11", "3"), ("2.9", "3")), "en"
    )
    assert scores.examples == {"numeric_match": (1.0, 0.0, 1.0)}
    assert scores.model_dump()["info"] == {
        "numeric_match": {
            "title": "Numeric match",
            "lowest": 0.0,
            "highest": 1.0,
            "better": "higher",
            "pooling": "mean",
        }
    }
    assert scores.settings == {"numeric_match": "last number|tolerance:0.1"}


def test_a_reference_without_a_number_is_refused_before_training(answered: Answered) -> None:
    METRIC.check(answered(("", "7"), ("", "none", "#### 7")))
    with pytest.raises(InputError) as refused:
        METRIC.check(answered(("", "7"), ("", "seven")))
    assert str(refused.value) == (
        "metric.numeric_match: a reference must have a number, got 'seven' (example 1); "
        "choose another metric, or leave such examples out"
    )
