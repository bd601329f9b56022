"""What a report has of one figure: its bytes in both formats; and what all figures have in common."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import matplotlib.style
from matplotlib.figure import Figure

from bench.report.figures.face import FAMILY
from bench.report.figures.texts import plain

STYLE = {
    "font.family": FAMILY,
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "hatch.linewidth": 0.5,
    # Type 42 (TrueType): publishers refuse matplotlib's own Type 3
    "pdf.fonttype": 42,
    # Characters are not fitted to the pixel grid, which would make some dashes twice as bold as others
    "text.hinting": "none",
}
styled = matplotlib.style.context(["default", STYLE])
"""Decorates a function that makes or saves figures, so that the user's own matplotlib settings do not change them."""
DPI = 150
GREY = "#444444"
"""Colour of texts that explain the data."""
FAINT = "#dddddd"
"""Colour of grid lines."""


@dataclass(frozen=True)
class Chart:
    """One figure of the report, as it is written."""

    name: str
    """Path of its files under `figures/`, without suffix."""
    title: str
    alt: str
    """Describes the figure for readers who cannot see it."""
    png: bytes
    pdf: bytes


class Drawing(NamedTuple):
    """A figure that is still to be saved, which another process may do."""

    name: str
    title: str
    alt: str
    figure: Figure


@styled
def chart(drawing: Drawing) -> Chart:
    """A figure in both formats; the same figure always gives the same bytes."""
    name, title, alt, figure = drawing
    png, pdf = io.BytesIO(), io.BytesIO()
    # Stronger compression takes longer and hardly makes the files smaller
    figure.savefig(png, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": 1})
    # Dates and version numbers would make the bytes differ from run to run
    metadata = {"CreationDate": None, "Creator": None, "Producer": None, "Title": plain(title)}
    figure.savefig(pdf, format="pdf", metadata=metadata)
    return Chart(name, title, alt, png.getvalue(), pdf.getvalue())


def pages(name: str, title: str, alt: str, figures: Sequence[Figure]) -> list[Drawing]:
    """The pages of one figure. If there are several, each has its number in its name, title and description."""
    if len(figures) == 1:
        return [Drawing(name, title, alt, figures[0])]
    return [
        Drawing(
            name if number == 1 else f"{name}-{number}",
            f"{title} ({number} of {len(figures)})",
            f"{alt} Page {number} of {len(figures)}.",
            figure,
        )
        for number, figure in enumerate(figures, start=1)
    ]
