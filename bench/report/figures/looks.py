"""How a method looks: the same in every figure of a report."""

from collections.abc import Iterable
from dataclasses import dataclass

from bench.report.compare.comparisons import Comparison

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
"""Okabe and Ito's palette for colour-blind readers, without black."""
HATCHES = ("", "///", "...", "\\\\\\", "xxx")
"""Tell bars apart in print without colours."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
"""Nine, which has no factor in common with seven colours: only the 64th method has the points of the first."""
MANY = len(COLOURS)
"""With more methods than this, all bars look alike: labels tell them apart, and repeated colours would mislead."""


@dataclass(frozen=True)
class Look:
    """What readers recognise a method by."""

    colour: str
    """Of lines and points."""
    marker: str
    bar: str
    """Colour of bars."""
    hatch: str
    """Of bars."""


def method_looks(comparisons: Iterable[Comparison]) -> dict[str, Look]:
    """The look of each method, given all comparisons of a study."""
    methods = dict.fromkeys(setup.method for comparison in comparisons for setup in comparison.setups)
    looks = {}
    for at, method in enumerate(methods):
        colour, marker = COLOURS[at % len(COLOURS)], MARKERS[at % len(MARKERS)]
        bar, hatch = (COLOURS[0], "") if len(methods) > MANY else (colour, HATCHES[at % len(HATCHES)])
        looks[method] = Look(colour, marker, bar, hatch)
    return looks
