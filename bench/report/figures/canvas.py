"""A page laid out in inches, from the top down: texts, rows of panels, and a key at the foot.

Matplotlib places everything in fractions of a figure whose size must be known first. Here the size follows from what
was added, so that no other module has to do that arithmetic.
"""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.report.figures.chart import DPI, GREY
from bench.report.figures.texts import wrapped

MARGIN = 0.06
"""Between the figure's edges and its texts, in inches."""
AXIS_TITLE = 0.28
"""From a horizontal axis down to its title, in inches. To place it, matplotlib would measure every tick label, which
takes a tenth of the time that a figure takes."""


class TextStyle(NamedTuple):
    """A kind of text in a figure."""

    points: float
    """Font size."""
    line: float
    """Height of a line, in inches."""
    letter: float
    """Average width of a character, in inches."""
    color: str


HEADING = TextStyle(10.0, 0.17, 0.086, "black")
NOTE = TextStyle(7.0, 0.14, 0.0565, GREY)


class Canvas:
    """Collects the parts of a figure, and then builds it.

    Args:
        width: of the figure, in inches.
        key: sentences at the foot that explain how to read the figure.
        foot: height in inches to leave free above the key, for the titles of the lowest axes and for legends.
    """

    def __init__(self, width: float, key: Sequence[str], foot: float) -> None:
        self.width = width
        self._key = self._wrap(" ".join(key), NOTE, max_lines=None)
        self._foot = foot
        self._top = MARGIN
        self._texts: list[tuple[float, list[str], TextStyle]] = []
        self._rows: list[tuple[float, float, Sequence[tuple[float, float]]]] = []

    @property
    def height(self) -> float:
        """Height in inches of the figure with the parts added so far."""
        return self._top + self._foot + self.key_height

    @property
    def key_height(self) -> float:
        """From the figure's lower edge to the top of its key, in inches."""
        return MARGIN + NOTE.line * len(self._key)

    def text(self, text: str, style: TextStyle = HEADING, max_lines: int = 1) -> None:
        """Add a text across the page, in as many lines as it needs up to `max_lines`; the rest is cut off."""
        lines = self._wrap(text, style, max_lines)
        self._texts.append((self._top, lines, style))
        self._top += style.line * len(lines)

    def skip(self, height: float) -> None:
        """Leave `height` inches free."""
        self._top += height

    def row(self, boxes: Sequence[tuple[float, float]], height: float) -> None:
        """Add panels side by side, each given by its left edge and its width in inches."""
        self._rows.append((self._top, height, boxes))
        self._top += height

    def build(self) -> tuple[Figure, list[list[Axes]]]:
        """The figure, and the axes of each row."""
        figure = Figure(figsize=(self.width, self.height), dpi=DPI)
        # Lets texts be measured before the figure is drawn
        FigureCanvasAgg(figure)
        for top, lines, style in self._texts:
            self._write(figure, lines, style, 1 - top / self.height, "top")
        self._write(figure, self._key, NOTE, MARGIN / self.height, "bottom")
        return figure, [[self._panel(figure, top, height, *box) for box in boxes] for top, height, boxes in self._rows]

    def _wrap(self, text: str, style: TextStyle, max_lines: int | None) -> list[str]:
        return wrapped(text, int((self.width - 2 * MARGIN) / style.letter), max_lines)

    def _write(self, figure: Figure, lines: Sequence[str], style: TextStyle, y: float, va: str) -> None:
        text = {"va": va, "fontsize": style.points, "color": style.color}
        figure.text(MARGIN / self.width, y, "\n".join(lines), text, parse_math=False)

    def _panel(self, figure: Figure, top: float, height: float, left: float, width: float) -> Axes:
        bottom = 1 - (top + height) / self.height
        ax = figure.add_axes((left / self.width, bottom, width / self.width, height / self.height))
        ax.xaxis.set_label_coords(0.5, -AXIS_TITLE / height)
        return ax
