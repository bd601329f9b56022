"""How numbers are written: digits and intervals, before any escaping."""

import math
from collections.abc import Callable

Show = Callable[[float], str]
"""Turns a number into text."""
DASH = "—"
"""Stands in the place of a number that is missing."""


def fixed(decimals: int) -> Show:
    """Shows a number with that many decimals."""
    # z: no minus sign before a number that rounds to zero
    return lambda number: f"{number:z.{decimals}f}"


def significant(digits: int) -> Show:
    """Shows a number with that many significant digits, or with all digits of its integer part; never an exponent."""

    def show(number: float) -> str:
        if number == 0:
            return "0"
        exponent = int(f"{number:.{digits - 1}e}".partition("e")[2])
        return f"{number:.{max(0, digits - 1 - exponent)}f}"

    return show


def decimals_within(low: float, high: float) -> int:
    """How many decimals a number with this interval (`low` < `high`) deserves: two digits of half the width.

    Further decimals would be noise, as the interval shows.
    """
    half = (high - low) / 2
    return max(0, 1 - math.floor(math.log10(half))) if half < math.inf else 0


def supported(show: Show, number: float, within: tuple[float, float] | None) -> Show:
    """`show`, but with no more decimals than the interval `within` supports."""
    if within is None or within[0] == within[1]:
        return show
    most = len(show(number).partition(".")[2])
    return fixed(min(most, decimals_within(*within)))


def with_interval(show: Show, number: float, within: tuple[float, float] | None) -> str:
    """A number and its interval in one line: `0.58 [0.54, 0.62]`."""
    shown = supported(show, number, within)
    if within is None or within[0] == within[1]:
        return shown(number)
    return f"{shown(number)} [{shown(within[0])}, {shown(within[1])}]"


def p_value(p: float) -> str:
    """A p value with two significant digits, never 0: below a thousandth only that is said."""
    return "<0.001" if p < 0.001 else significant(2)(p)
