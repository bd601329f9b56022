"""Numeric match: whether the last number of an answer is the reference's, as GSM8K is scored."""

import re
import unicodedata
from collections.abc import Sequence
from decimal import Context, Decimal

from pydantic import NonNegativeFloat

from bench.errors import InputError
from bench.example import Example
from bench.metric import Answer, Language, Metric, Scores, fraction, means
from bench.record_sections import ScoreInfo

_NAME = "numeric_match"
_INFO = {_NAME: fraction("Numeric match")}
_NUMBER = re.compile(
    r"""(?:(?<![\w.)])-[$€£]?)?                           # a minus, unless it subtracts
        (?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)
        (?:[eE][+-]?\d+)?""",
    re.VERBOSE,
)
_QUIET = Context(traps=[])
"""Gives infinity or NaN where a number such as 1e9999999 is too large for a decimal, instead of an error."""
_FINAL = "####"
"""What GSM8K puts between the steps of a solution and its result."""


class NumericMatch(Metric):
    """`numeric_match`: share of answers whose last number equals a reference's number (Cobbe et al. 2021, GSM8K).

    A reference's number is the last one after `####` if it has that, otherwise its last one. Numbers have an optional
    sign, decimals after a point and commas between thousands: `$1,234.50` is 1234.5, `5-3` ends with 3. They are
    compared as decimals, not as floats. An answer without a number is wrong.
    """

    tolerance: NonNegativeFloat
    """How far an answer's number may be from the reference's, in its unit."""

    def check(self, examples: Sequence[Example]) -> None:
        for example in examples:
            if not any(_number(reference) is not None for reference in example.references):
                raise InputError(
                    f"metric.numeric_match: a reference must have a number, got {example.references[0]!r} "
                    f"(example {example.id}); choose another metric, or leave such examples out"
                )

    def score_info(self) -> dict[str, ScoreInfo]:
        return _INFO

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        examples = tuple(float(self._is_right(answer)) for answer in answers)
        settings = f"last number|tolerance:{self.tolerance:g}"
        return means(_INFO, {_NAME: examples}, settings)

    def _is_right(self, answer: Answer) -> bool:
        given = last_number(answer.prediction)
        accepted = [number for reference in answer.references if (number := _number(reference)) is not None]
        tolerance = Decimal(str(self.tolerance))
        return given is not None and any(abs(_QUIET.subtract(given, number)) <= tolerance for number in accepted)


def last_number(text: str) -> Decimal | None:
    """The last number in `text`; None if there is none, or if it is too large for a decimal.

    Full-width digits and the minus sign U+2212 count as the ordinary ones.
    """
    plain = unicodedata.normalize("NFKC", text).replace("\u2212", "-")
    numbers = _NUMBER.findall(plain)
    number = Decimal(re.sub("[,$€£]", "", numbers[-1]), _QUIET) if numbers else None
    return number if number is not None and number.is_finite() else None


def _number(reference: str) -> Decimal | None:
    return last_number(reference.rpartition(_FINAL)[2])
