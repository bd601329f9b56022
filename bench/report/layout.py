"""How figures have room for what is in them: labels in lines, rows over pages."""

import textwrap
from collections.abc import Sequence
from dataclasses import replace

from bench.report.chart import plain
from bench.report.setups import Group, Setup
from bench.report.words import STATUSES, listed

LABEL_WIDTH = 26
"""Characters of a setup's label on one line."""


def label(setup: Setup, width: int = LABEL_WIDTH) -> str:
    """A setup's name in lines of at most `width` characters; one without a cell that ended ok says how they ended."""
    lines = textwrap.wrap(plain(setup.label), width, max_lines=3)
    if not setup.ok:
        lines += textwrap.wrap(listed(dict.fromkeys(STATUSES[cell["status"]] for cell in setup.cells)), width)
    return "\n".join(lines)


def paged(found: Sequence[Group], room: float, row: float, head: float) -> list[list[Group]]:
    """The groups over pages that have `room` each, where a setup takes `row` and a group `head` beside.

    Only a group that is too long for a page is divided.
    """
    filled: list[list[Group]] = [[]]
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
