"""A page of rows: setups below each other, their labels at the left, a column of panels for each quantity."""

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.report.compare.comparisons import Comparison
from bench.report.figures.canvas import HEADING, Canvas
from bench.report.figures.chart import plain
from bench.report.figures.layout import cut, label, paged

# All in inches
PAGE = 9.0
GAP = 0.12
UNDER_TITLE = 0.05
"""Between a group's title and its panels."""
BELOW = 0.42
"""Below a group's panels, for the names of the axes."""
LEAST = 5.5
"""Of a page's width: headings and the key have to fit."""


def sheets(found: Sequence[Comparison]) -> list[list[Comparison]]:
    """The groups over as many pages as their setups need."""
    return paged(found, PAGE, pitch(found), HEADING[1] + UNDER_TITLE + BELOW)


def pitch(found: Sequence[Comparison]) -> float:
    """From one setup to the next, in inches: as much as the label with the most lines needs."""
    return 0.08 + 0.16 * max(label(setup).count("\n") + 1 for group in found for setup in group.setups)


def sheet(
    page: Sequence[Comparison],
    found: Sequence[Comparison],
    headings: Sequence[str],
    panels: Sequence[tuple[float, float]],
    key: Sequence[str],
    spare: float = 0.0,
) -> tuple[Figure, list[list[Axes]]]:
    """A figure with a row of panels for each group of a page; the setup at place 0 of an axis is at the top.

    Args:
        page: the groups, whole or in parts.
        found: all groups, so that every page is laid out alike.
        headings: one for each group of the page.
        panels: the least width of each panel, and the width of what is right of it, in inches.
        key: how to read it, said at the foot.
        spare: what is kept free above the key, in inches.
    """
    letters = max(len(line) for group in found for setup in group.setups for line in label(setup).split("\n"))
    left, row = 0.1 + 0.072 * letters, pitch(found)
    width = left + sum(sum(panel) for panel in panels) + GAP * (len(panels) - 1) + 0.12
    wider = max(0.0, LEAST - width) / len(panels)
    width = max(LEAST, width)
    lines = textwrap.wrap(" ".join(key), int((width - 0.1) / 0.059))
    boxes, at = [], left
    for panel, beside in panels:
        boxes.append((at, panel + wider))
        at += panel + wider + beside + GAP
    canvas = Canvas(width, lines, spare)
    for group, heading in zip(page, headings, strict=True):
        canvas.text([cut(plain(heading), int((width - 0.1) / 0.09))])
        canvas.skip(UNDER_TITLE)
        canvas.row(boxes, row * len(group.setups))
        canvas.skip(BELOW)
    figure, grid = canvas.build()
    for group, axes in zip(page, grid, strict=True):
        for ax in axes:
            ax.set_ylim(len(group.setups) - 0.5, -0.5)
            ax.set_yticks([])
            ax.tick_params(axis="y", length=0)
            ax.yaxis.set_label_coords(0.0, 0.5)
        axes[0].set_yticks(range(len(group.setups)), [label(setup) for setup in group.setups], parse_math=False)
    return figure, grid
