"""How a method looks: the same in every figure of a report, whatever else is in it."""

from collections.abc import Iterable
from dataclasses import dataclass

from bench.report.compare.comparisons import Comparison

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
"""Okabe and Ito's palette for the colour-blind, without black."""
HATCHES = ("", "///", "...", "\\\\\\", "xxx")
"""One fewer than would repeat with the colours: 35 methods before two bars look the same."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
"""Nine, which has no factor in common with seven: 63 methods before two points do."""


@dataclass(frozen=True)
class Look:
    """What a method is found again by."""

    colour: str
    hatch: str
    marker: str


def looks(found: Iterable[Comparison]) -> dict[str, Look]:
    """The look of each method of a study, given all of its groups."""
    methods = dict.fromkeys(setup.method for group in found for setup in group.setups)
    return {
        method: Look(COLOURS[at % len(COLOURS)], HATCHES[at % len(HATCHES)], MARKERS[at % len(MARKERS)])
        for at, method in enumerate(methods)
    }
