"""Pages with a row for each setup, its label at the left, and a column of panels for each quantity."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.report.compare.comparisons import Comparison
from bench.report.figures.canvas import HEADING, Canvas
from bench.report.figures.texts import label

# All in inches
PAGE = 9.0
"""Height of a page."""
GAP = 0.12
"""Between panels."""
UNDER_HEADING = 0.05
BELOW = 0.42
"""Below a comparison's panels, for the titles of their axes."""
MIN_WIDTH = 5.5
"""Width of a page that has room for headings and the key."""


@dataclass(frozen=True)
class Sheet:
    """How the pages of one kind of figure are drawn."""

    panels: Sequence[tuple[float, float]]
    """For each panel of a comparison, its least width and the width of what is right of it, in inches."""
    draw: Callable[[Axes, Comparison, int], None]
    """Draws a comparison into the panel with this index. The setup at index 0 is at y = 0, which is the top."""
    key: Sequence[str]
    """The sentences at the foot of each page, which explain how to read it."""
    heading: Callable[[Comparison], str] = lambda comparison: comparison.title
    foot: float = 0.0
    """Height to leave free above the key, in inches."""

    def figures(self, comparisons: Sequence[Comparison]) -> list[Figure]:
        """As many pages as all setups of the comparisons need, laid out alike; none without a comparison."""
        if not comparisons:
            return []
        labels = [label(setup).split("\n") for comparison in comparisons for setup in comparison.setups]
        row = 0.08 + 0.16 * max(map(len, labels))
        left = 0.1 + 0.072 * max(len(line) for lines in labels for line in lines)
        pages = paged(comparisons, PAGE, row, HEADING.line + UNDER_HEADING + BELOW)
        return [self._page(page, left, row) for page in pages]

    def _page(self, page: Sequence[Comparison], left: float, row: float) -> Figure:
        width = left + sum(sum(panel) for panel in self.panels) + GAP * (len(self.panels) - 1) + 0.12
        canvas = Canvas(max(MIN_WIDTH, width), self.key, self.foot)
        boxes = self._boxes(left, widen=(canvas.width - width) / len(self.panels))
        for comparison in page:
            canvas.text(self.heading(comparison))
            canvas.skip(UNDER_HEADING)
            canvas.row(boxes, row * len(comparison.setups))
            canvas.skip(BELOW)
        figure, grid = canvas.build()
        for comparison, axes in zip(page, grid, strict=True):
            _label_rows(axes, comparison)
            for index, ax in enumerate(axes):
                self.draw(ax, comparison, index)
        return figure

    def _boxes(self, left: float, widen: float) -> list[tuple[float, float]]:
        """Left edge and width of each panel."""
        boxes = []
        for width, beside in self.panels:
            boxes.append((left, width + widen))
            left += width + widen + beside + GAP
        return boxes


def _label_rows(axes: Sequence[Axes], comparison: Comparison) -> None:
    for ax in axes:
        ax.set_ylim(len(comparison.setups) - 0.5, -0.5)
        ax.set_yticks([])
        ax.tick_params(axis="y", length=0)
        ax.yaxis.set_label_coords(0.0, 0.5)
    labels = [label(setup) for setup in comparison.setups]
    axes[0].set_yticks(range(len(labels)), labels, parse_math=False)


def paged(comparisons: Sequence[Comparison], height: float, row: float, extra: float) -> list[list[Comparison]]:
    """The comparisons, divided into pages. Only one that is too long for a page of its own is split.

    Args:
        comparisons: in their order.
        height: of a page.
        row: height of each setup.
        extra: height that each comparison takes besides its setups.
    """
    pages: list[list[Comparison]] = [[]]
    free = height
    for comparison in comparisons:
        setups = comparison.setups
        while setups:
            if pages[-1] and extra + row * len(setups) > free:
                pages.append([])
                free = height
            n_fitting = max(1, int((free - extra) / row + 1e-9))
            pages[-1].append(replace(comparison, setups=setups[:n_fitting]))
            free -= extra + row * len(setups[:n_fitting])
            setups = setups[n_fitting:]
    return pages
