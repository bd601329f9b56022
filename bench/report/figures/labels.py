"""Labels of points, placed beside them so that they cover nothing."""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from bench.report.figures.chart import DPI, GREY

Pair = tuple[float, float]
"""A point, or a width and a height."""
Line = tuple[Pair, Pair]
"""Both ends of a horizontal or vertical line."""


class Box(NamedTuple):
    """A rectangle, in inches."""

    left: float
    bottom: float
    width: float
    height: float


STEP = 0.05
"""Distance between the places that are tried for a label, in inches."""
POINT = 0.06
"""Half of a marker's width, in inches."""
BACKING = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.3}
"""Behind a label, so that it can be read even where no place without lines was left."""


def label_points(ax: Axes, labels: Sequence[tuple[str, Pair]], points: Sequence[Pair], lines: Sequence[Line]) -> None:
    """Write labels beside their points, as many as there is room for.

    Labels never cover each other. They cover lines, or even points, only if there is no other place. If a label is not
    next to its point, a thin line connects them.

    Args:
        ax: a panel of a figure that has a canvas, with its final limits.
        labels: text and point of each; earlier ones get the better places.
        points: all points that are drawn.
        lines: all lines that are drawn.
    """

    def inches(point: Pair) -> Pair:
        x, y = (ax.transData.transform(point) - ax.bbox.p0) / DPI
        return float(x), float(y)

    texts = [
        ax.text(0, 0, text, fontsize=6.5, transform=ax.transAxes, parse_math=False, zorder=5, bbox=BACKING)
        for text, _ in labels
    ]
    extents = [text.get_window_extent() for text in texts]
    sizes = [(extent.width / DPI + 0.03, extent.height / DPI + 0.02) for extent in extents]
    anchors = [inches(point) for _, point in labels]
    marks = [Box(x - POINT, y - POINT, 2 * POINT, 2 * POINT) for x, y in map(inches, points)]
    strokes = [_covered(inches(start), inches(end)) for start, end in lines]
    room = float(ax.bbox.width) / DPI, float(ax.bbox.height) / DPI
    for text, anchor, box in zip(texts, anchors, place_labels(anchors, sizes, room, (marks, strokes)), strict=True):
        if box is None:
            text.remove()
            continue
        text.set(x=(box.left + 0.015) / room[0], y=(box.bottom + box.height / 2) / room[1], va="center")
        _lead(ax, box, anchor, room)


def _covered(start: Pair, end: Pair) -> Box:
    """What a horizontal or vertical line covers."""
    (x, y), (end_x, end_y) = start, end
    return Box(min(x, end_x) - 0.01, min(y, end_y) - 0.01, abs(x - end_x) + 0.02, abs(y - end_y) + 0.02)


def _lead(ax: Axes, box: Box, anchor: Pair, room: Pair) -> None:
    """Draw a line from a label to its point, unless they are next to each other."""
    x, y = anchor
    near_x = min(max(x, box.left), box.left + box.width)
    near_y = min(max(y, box.bottom), box.bottom + box.height)
    if abs(near_x - x) + abs(near_y - y) > 2 * POINT:
        ends = [x / room[0], near_x / room[0]], [y / room[1], near_y / room[1]]
        ax.plot(*ends, transform=ax.transAxes, color=GREY, linewidth=0.4, gid="leader", zorder=2)


def place_labels(
    anchors: Sequence[Pair], sizes: Sequence[Pair], room: Pair, avoid: Sequence[Sequence[Box]] = ()
) -> list[Box | None]:
    """Where labels go: each as near to its anchor as possible, and over no other label.

    Args:
        anchors: the points that the labels belong to, in inches from the lower left corner.
        sizes: width and height of each label.
        room: width and height of the panel; labels stay inside.
        avoid: groups of boxes that labels should not cover. A label that has no place then may cover the last group,
            and if it still has none, the group before it, and so on.

    Returns:
        The place of each label; None if none is left. Earlier labels choose first.
    """
    placed: list[Box | None] = []
    for anchor, size in zip(anchors, sizes, strict=True):
        labels = [box for box in placed if box]
        attempts = ([*labels, *chain(*avoid[:kept])] for kept in range(len(avoid), -1, -1))
        placed.append(next((box for taken in attempts if (box := _nearest(anchor, size, room, taken))), None))
    return placed


def _nearest(anchor: Pair, size: Pair, room: Pair, taken: Sequence[Box]) -> Box | None:
    """The place for a label that is nearest to its anchor and over none of the boxes."""
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
    # Distance from the anchor to the label's nearest point; if several are equally near, to its centre
    distance = np.hypot(x - np.clip(x, left, left + width), y - np.clip(y, bottom, bottom + height))
    to_centre = np.hypot(x - left - width / 2, y - bottom - height / 2)
    best = np.where(free, distance + 0.05 * to_centre, np.inf).argmin()
    return Box(float(left[best]), float(bottom[best]), width, height)
