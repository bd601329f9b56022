"""Texts in figures: in the characters that the font has, and in lines that fit."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import FigureBase

from bench.report.compare.setups import Setup
from bench.report.figures.face import CHARACTERS
from bench.report.wording import STATUSES, listed

LABEL_WIDTH = 30
"""Characters of a setup's label on one line."""
MOST_NAMES = 4
"""Setups that a sentence names; of others it gives the number."""


def plain(text: str) -> str:
    """`text` with every character that the font lacks written as an escape."""
    return "".join(c if c in CHARACTERS else c.encode("ascii", "backslashreplace").decode() for c in text)


def wrapped(text: str, width: int, max_lines: int | None = None) -> list[str]:
    """`text` in the font's characters, in lines of at most `width`; three dots stand for what does not fit."""
    text = plain(text)
    if max_lines and len(text) > max_lines * width:
        # Cut here because textwrap would replace all of a word that is too long by the dots
        text = f"{text[: max_lines * width - 3]}..."
    return textwrap.wrap(text, width, max_lines=max_lines, placeholder="...")


def label(setup: Setup) -> str:
    """A setup's name in lines, and how its cells ended if none ended ok."""
    lines = wrapped(setup.label, LABEL_WIDTH, 3)
    return "\n".join(lines if setup.ok else continued(lines, endings(setup), LABEL_WIDTH))


def continued(lines: Sequence[str], text: str, width: int) -> list[str]:
    """Lines and a text after them: after a comma on the last line if it fits there, otherwise on lines of its own."""
    *before, last = lines
    whole = f"{last}, {text}"
    return [*before, whole] if len(whole) <= width else [*before, f"{last},", *wrapped(text, width)]


def endings(setup: Setup) -> str:
    """How the cells of a setup ended: `out of memory and failed`."""
    return listed(dict.fromkeys(STATUSES[cell.record.status] for cell in setup.cells))


def omissions(intro: str, reasons: Mapping[str, str]) -> list[str]:
    """A sentence for each reason why setups are left out, such as `Not drawn: a, b and 2 more (failed in train).`

    Args:
        intro: how each sentence begins.
        reasons: reasons by the setups' labels.
    """
    labels: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        labels.setdefault(reason, []).append(name)
    sentences = []
    for reason, names in labels.items():
        others = [f"{len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
        sentences.append(f"{intro}: {listed(names[:MOST_NAMES] + others)} ({reason}).")
    return sentences


def legend(figure: FigureBase, handles: Sequence[Artist], labels: Sequence[str], **layout: Any) -> None:
    """Add a legend in small type. Labels are shown as they are, even if they look like formulas."""
    added = figure.legend(handles, labels, frameon=False, fontsize=7, **layout)
    for text in added.get_texts():
        text.set_parse_math(False)
