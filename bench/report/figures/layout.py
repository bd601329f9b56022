"""How figures have room for what is in them: labels in lines, rows over pages."""

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

import numpy as np

from bench.report.compare.comparisons import Comparison
from bench.report.compare.setups import Setup
from bench.report.figures.chart import plain
from bench.report.wording import STATUSES, listed

LABEL_WIDTH = 26
"""Characters of a setup's label on one line."""


def label(setup: Setup, width: int = LABEL_WIDTH) -> str:
    """A setup's name in lines of at most `width` characters; one without a cell that ended ok says how they ended."""
    lines = textwrap.wrap(plain(setup.label), width, max_lines=3)
    if not setup.ok:
        lines += textwrap.wrap(listed(dict.fromkeys(STATUSES[cell.record.status] for cell in setup.cells)), width)
    return "\n".join(lines)


def cut(text: str, width: int) -> str:
    """`text`, or as much of it as fits into so many characters."""
    return text if len(text) <= width else f"{text[: width - 3]}..."


def paged(found: Sequence[Comparison], room: float, row: float, head: float) -> list[list[Comparison]]:
    """The groups over pages that have `room` each, where a setup takes `row` and a group `head` beside.

    Only a group that is too long for a page is divided.
    """
    filled: list[list[Comparison]] = [[]]
    left = room
    for group in found:
        setups = group.setups
        while setups:
            if filled[-1] and head + row * len(setups) > left:
                filled.append([])
                left = room
            fitting = max(1, int((left - head) / row + 1e-9))
            filled[-1].append(replace(group, setups=setups[:fitting]))
            left -= head + row * len(setups[:fitting])
            setups = setups[fitting:]
    return filled


class Box(NamedTuple):
    """A rectangle, in inches."""

    left: float
    bottom: float
    width: float
    height: float


STEP = 0.05
"""How finely places for labels are looked for, in inches."""


def place(
    anchors: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    room: tuple[float, float],
    avoid: Sequence[Sequence[Box]] = (),
) -> list[Box | None]:
    """Where labels go: each as near to its anchor as it can, and over no other.

    Args:
        anchors: the points that the labels belong to, in inches from the lower left.
        sizes: width and height of each label.
        room: width and height of what no label may leave.
        avoid: what no label is to be over. Where a label has no place then, the last of these sequences is given up for
            it, then the one before.

    Returns:
        For each label its place, or null where none is left; earlier labels choose first.
    """
    placed: list[Box | None] = []
    for anchor, size in zip(anchors, sizes, strict=True):
        others = [box for box in placed if box]
        tries = ([*others, *chain(*avoid[:kept])] for kept in range(len(avoid), -1, -1))
        placed.append(next((box for taken in tries if (box := _nearest(anchor, size, room, taken))), None))
    return placed


def _nearest(
    anchor: tuple[float, float], size: tuple[float, float], room: tuple[float, float], taken: Sequence[Box]
) -> Box | None:
    (x, y), (width, height) = anchor, size
    lefts = np.arange(0.0, room[0] - width + 1e-9, STEP)
    bottoms = np.arange(0.0, room[1] - height + 1e-9, STEP)
    left, bottom = (grid.ravel() for grid in np.meshgrid(lefts, bottoms))
    free = np.ones(len(left), dtype=bool)
    for box in taken:
        beside = (left >= box.left + box.width) | (left + width <= box.left)
        free &= beside | (bottom >= box.bottom + box.height) | (bottom + height <= box.bottom)
    if not free.any():
        return None
    # From the anchor to the label's nearest point; of places as near, the one whose middle is
    apart = np.hypot(x - np.clip(x, left, left + width), y - np.clip(y, bottom, bottom + height))
    centre = np.hypot(x - left - width / 2, y - bottom - height / 2)
    best = np.where(free, apart + 0.05 * centre, np.inf).argmin()
    return Box(float(left[best]), float(bottom[best]), width, height)
