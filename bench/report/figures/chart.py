"""One figure as it is written: its bytes in both formats, and what all figures have in common."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import matplotlib.style
from matplotlib.figure import Figure

from bench.report.figures.face import FAMILY

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
    # As it is: rounded to pixels, some dashes are twice as bold as others
    "text.hinting": "none",
}
DPI = 150
GREY = "#444444"
"""Of what is said beside the data."""
FAINT = "#dddddd"
"""Of lines that only guide the eye."""


@dataclass(frozen=True)
class Chart:
    """One figure of the report."""

    name: str
    """Path of its files under `figures/`, without suffix."""
    title: str
    alt: str
    """What it shows, for who cannot see it."""
    png: bytes
    pdf: bytes


class Drawn(NamedTuple):
    """A figure that is to become a chart; it travels to another process for that."""

    name: str
    title: str
    alt: str
    figure: Figure


def chart(drawn: Drawn) -> Chart:
    """A drawn figure in both formats, the same bytes for the same figure."""
    name, title, alt, figure = drawn
    png, pdf = io.BytesIO(), io.BytesIO()
    with matplotlib.style.context(["default", STYLE]):
        # More compression takes longer, for files that are no smaller
        packed = {"compress_level": 1}
        # With the date and matplotlib's version, no two runs would give the same bytes
        figure.savefig(png, format="png", metadata={"Software": None}, pil_kwargs=packed)
        own = {"CreationDate": None, "Creator": None, "Producer": None}
        figure.savefig(pdf, format="pdf", metadata=own | {"Title": plain(title)})
    return Chart(name, title, alt, png.getvalue(), pdf.getvalue())


def pages(name: str, title: str, alt: str, figures: Sequence[Figure]) -> list[Drawn]:
    """The figures by name and title; where there are several, each says which of them it is."""
    if len(figures) == 1:
        return [Drawn(name, title, alt, figures[0])]
    told = [f"{number} of {len(figures)}" for number in range(1, len(figures) + 1)]
    return [
        Drawn(name if number == 1 else f"{name}-{number}", f"{title} ({of})", f"{alt} Page {of}.", figure)
        for number, (of, figure) in enumerate(zip(told, figures, strict=True), start=1)
    ]


def plain(text: str) -> str:
    """Text that the font has every character of."""
    return text.encode("ascii", "backslashreplace").decode()
