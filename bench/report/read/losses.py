"""The training loss of one cell, step by step, thinned to what a figure can show."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

POINTS = 200
"""About as many as a panel of a figure has dots in width, whatever the training's length."""
STEP = re.compile(
    rb'\{"kind":"step","at_s":[^,]*,"step":(\d{1,9}),"n_steps":[^,]*,"epoch":[^,]*,"loss":([-+.eE\d]{1,32}|null)[,}]'
)
"""A step as the journal writes it: to parse all of its JSON would take ten times as long."""


@dataclass(frozen=True)
class Losses:
    """Mean cross-entropy in nats per completion token, over stretches of steps that are equally long.

    Over the whole training, the steps before a resume included.
    """

    steps: Floats
    """The middle of each stretch, rising; at most `POINTS`."""
    losses: Floats
    """The mean over the stretch; NaN where it has no finite loss."""
    stretch: int
    """How many steps one has."""


def read_losses(path: Path) -> Losses | None:
    """The losses in an events.jsonl; null if it tells of none.

    Lines that are cut off or broken are passed over. Of steps taken again after a resume, the later ones count.

    Raises:
        OSError: the file cannot be read.
    """
    told: dict[int, float] = {}
    last = 0
    with path.open("rb") as file:
        for line in file:
            found = STEP.match(line)
            if found is None:
                continue
            step = int(found[1])
            if step <= last:
                told = {before: loss for before, loss in told.items() if before < step}
            try:
                told[step] = float("nan") if found[2] == b"null" else float(found[2])
            except ValueError:
                continue
            last = step
    return _thinned(told) if told else None


def _thinned(told: dict[int, float]) -> Losses:
    steps, losses = np.array(list(told)), np.array(list(told.values()))
    stretch = -(-int(steps[-1] - steps[0] + 1) // POINTS)
    bins = (steps - steps[0]) // stretch
    finite = np.isfinite(losses)
    counts = np.bincount(bins[finite], minlength=bins[-1] + 1)
    sums = np.bincount(bins[finite], weights=losses[finite], minlength=bins[-1] + 1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return Losses(steps[0] + stretch * np.arange(len(means)) + (stretch - 1) / 2, means, stretch)
