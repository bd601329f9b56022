"""How a method looks: the same in every figure of a report."""

from collections.abc import Iterable
from dataclasses import dataclass

from bench.report.compare.comparisons import Comparison

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
"""Okabe and Ito's palette for colour-blind readers, without black."""
HATCHES = ("", "///", "...", "\\\\\\", "xxx")
"""Five, which has no factor in common with seven colours: only the 36th method has the bars of the first."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
"""Nine, for the same reason: only the 64th method has the points of the first."""


@dataclass(frozen=True)
class Look:
    """What readers recognise a method by."""

    colour: str
    hatch: str
    marker: str


def method_looks(comparisons: Iterable[Comparison]) -> dict[str, Look]:
    """The look of each method, given all comparisons of a study."""
    methods = dict.fromkeys(setup.method for comparison in comparisons for setup in comparison.setups)
    return {
        method: Look(COLOURS[at % len(COLOURS)], HATCHES[at % len(HATCHES)], MARKERS[at % len(MARKERS)])
        for at, method in enumerate(methods)
    }
