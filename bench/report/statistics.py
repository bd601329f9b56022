"""Intervals and tests. Pure functions over arrays: no files, no clocks."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Interval:
    """Where a figure may lie."""

    low: float
    high: float
    kind: Literal["confidence", "range"] = "confidence"
    """A 95 % confidence interval, or the smallest and the largest of fewer than five seeds."""
