"""Axes: how far they reach, their unit, and what an empty panel shows instead."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from matplotlib.axes import Axes

from bench.report.compare.quantities import Quantity
from bench.report.compare.setups import Estimate, Setup
from bench.report.figures.chart import GREY
from bench.report.figures.texts import wrapped
from bench.report.numbers import DASH
from bench.report.statistics.intervals import Interval

CROSS = "\N{MULTIPLICATION SIGN}"
"""Stands for a setup without a cell that ended ok."""
NOT_OK = f"{CROSS} marks setups of which no cell ended ok."
INTERVALS = {"confidence": "are 95 % confidence intervals", "range": "reach from the smallest to the largest seed"}
"""What keys say of the lines of each kind of interval."""


class TimeUnit(NamedTuple):
    """A unit of time on an axis."""

    symbol: str
    seconds: float


def time_unit(longest_s: float) -> TimeUnit:
    """The unit for an axis of times up to `longest_s`."""
    if longest_s <= 600:
        return TimeUnit("s", 1.0)
    return TimeUnit("min", 60.0) if longest_s <= 4 * 3600 else TimeUnit("h", 3600.0)


def shown(estimate: Estimate, quantity: Quantity) -> Estimate:
    """An estimate in the unit that its quantity is shown in."""
    mean, bounds, scale = estimate.mean, estimate.interval, quantity.scale
    return replace(
        estimate,
        mean=None if mean is None else mean * scale,
        by_seed=tuple(number * scale for number in estimate.by_seed),
        interval=bounds and Interval(bounds.low * scale, bounds.high * scale, bounds.kind),
    )


def axis_range(values: Iterable[float], margin: float, most: float = math.inf) -> tuple[str, tuple[float, float]]:
    """The scale and the limits of an axis for `values`, of which there is at least one.

    Args:
        values: what is drawn along the axis.
        margin: free space at both ends, as a share of the range of values.
        most: if the largest value is more than this many times the smallest, the scale is logarithmic.
    """
    values = list(values)
    low, high = min(values), max(values)
    if low > 0 and high > most * low:
        factor = (high / low) ** margin
        return "log", (low / factor, high * factor)
    # All values may be equal
    free = margin * (high - low) or 0.1 * abs(high) or 0.1
    return "linear", (low - free, high + free)


def missing_mark(setup: Setup) -> str:
    """What stands in the place of a number that a setup does not have."""
    return DASH if setup.ok else CROSS


def mark_missing(ax: Axes, y: float, setup: Setup) -> None:
    """Write that mark at the left of a panel."""
    ax.text(0.02, y, missing_mark(setup), transform=ax.get_yaxis_transform(), va="center", color=GREY)


def explain(ax: Axes, sentence: str, width: int, max_lines: int = 5) -> None:
    """Write into an empty panel why it is empty, in lines of `width` characters."""
    middle = {"ha": "center", "va": "center", "transform": ax.transAxes}
    ax.text(0.5, 0.5, "\n".join(wrapped(sentence, width, max_lines)), middle, color=GREY, fontsize=7, parse_math=False)


def hide_numbers(ax: Axes) -> None:
    """Leave nothing of an empty panel's axes but their titles."""
    ax.tick_params(axis="x", length=0, labelbottom=False)
    ax.spines[["left", "bottom"]].set_visible(False)
