"""A figure laid out in inches, from the top down: texts, rows of panels, and a key at the foot.

Matplotlib places things in fractions of a figure whose size must be known first. Here the size follows from what was
added, so that no module of a figure does that arithmetic.
"""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.report.figures.chart import DPI, GREY

MARGIN = 0.06
"""From the figure's edges to its texts, in inches."""
HEADING, NOTE = (10.0, 0.17), (7.0, 0.14)
"""Font size of a line of text in points, and its height in inches."""
AXIS_NAME = 0.28
"""From an axis at the bottom down to its name, in inches. Matplotlib would measure every tick label between them to
place it, which takes a tenth of a figure's time."""


class _Text(NamedTuple):
    lines: Sequence[str]
    size: float
    color: str
    top: float


class _Row(NamedTuple):
    boxes: Sequence[tuple[float, float]]
    top: float
    height: float


class Canvas:
    """Collects what a figure of `width` inches holds, and then makes it.

    Args:
        width: of the figure, in inches.
        key: lines at the foot that say how to read the figure.
        foot: height in inches that stays free above the key, for the names of the lowest axes and for legends.
    """

    def __init__(self, width: float, key: Sequence[str], foot: float) -> None:
        self.width = width
        self._key = key
        self._foot = foot
        self._down = MARGIN
        self._texts: list[_Text] = []
        self._rows: list[_Row] = []

    @property
    def height(self) -> float:
        """Of the figure, in inches, with what was added so far."""
        return self._down + self._foot + self.key_height

    @property
    def key_height(self) -> float:
        """From the figure's lower edge to the top of its key, in inches."""
        return MARGIN + NOTE[1] * len(self._key)

    def text(self, lines: Sequence[str], style: tuple[float, float] = HEADING, color: str = "black") -> None:
        """Add lines of plain text, `HEADING` or `NOTE`."""
        size, line = style
        self._texts.append(_Text(lines, size, color, self._down))
        self._down += line * len(lines)

    def skip(self, height: float) -> None:
        """Leave `height` inches free."""
        self._down += height

    def row(self, boxes: Sequence[tuple[float, float]], height: float) -> None:
        """Add panels side by side, each with its left edge and its width in inches."""
        self._rows.append(_Row(boxes, self._down, height))
        self._down += height

    def build(self) -> tuple[Figure, list[list[Axes]]]:
        """The figure, and the axes of each row. The names of axes have fixed places."""
        width, height = self.width, self.height
        figure = Figure(figsize=(width, height), dpi=DPI)
        for text in self._texts:
            figure.text(
                MARGIN / width,
                1 - text.top / height,
                "\n".join(text.lines),
                va="top",
                fontsize=text.size,
                color=text.color,
                parse_math=False,
            )
        at = (MARGIN / width, MARGIN / height)
        figure.text(*at, "\n".join(self._key), fontsize=NOTE[0], color=GREY, parse_math=False)
        return figure, [[self._panel(figure, row, *box) for box in row.boxes] for row in self._rows]

    def _panel(self, figure: Figure, row: _Row, left: float, panel_width: float) -> Axes:
        width, height = self.width, self.height
        below = height - row.top - row.height
        ax = figure.add_axes((left / width, below / height, panel_width / width, row.height / height))
        ax.xaxis.set_label_coords(0.5, -AXIS_NAME / row.height)
        return ax
