"""The training loss of one cell by step, thinned to what a figure can show."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

Floats = NDArray[np.float64]

POINTS = 200
"""At most: about the width of a figure's panel in dots."""


@dataclass(frozen=True)
class Losses:
    """Mean cross-entropy in nats per completion token, over stretches of equally many steps.

    Of the whole training, including the steps before a resume.
    """

    steps: Floats
    """The middle of each stretch, in rising order; at most `POINTS`."""
    losses: Floats
    """The mean over the stretch; NaN where it has no finite loss."""
    stretch: int
    """Steps in one stretch."""


class _Step(BaseModel):
    """The part of a journal's step that is read."""

    kind: Literal["step"]
    step: Annotated[int, Field(ge=0, lt=10**9)]
    loss: float | None


def read_losses(path: Path) -> Losses | None:
    """The losses in an events.jsonl; None if it has none.

    Lines that are cut off or broken are skipped. Steps that were
    repeated after a resume count with their later loss.

    Raises:
        OSError: the file cannot be read.
    """
    losses: dict[int, float] = {}
    last = 0
    with path.open("rb") as file:
        # Parsing only the lines that may be steps is much faster
        for line in (line for line in file if b'"step"' in line):
            try:
                event = _Step.model_validate_json(line)
            except ValidationError:
                continue
            if event.step <= last:
                losses = {before: loss for before, loss in losses.items() if before < event.step}
            losses[event.step] = float("nan") if event.loss is None else event.loss
            last = event.step
    return _thinned(losses) if losses else None


def _thinned(by_step: dict[int, float]) -> Losses:
    steps, losses = np.array(list(by_step)), np.array(list(by_step.values()))
    stretch = -(-int(steps[-1] - steps[0] + 1) // POINTS)
    bins = (steps - steps[0]) // stretch
    finite = np.isfinite(losses)
    counts = np.bincount(bins[finite], minlength=bins[-1] + 1)
    sums = np.bincount(bins[finite], weights=losses[finite], minlength=bins[-1] + 1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return Losses(steps[0] + stretch * np.arange(len(means)) + (stretch - 1) / 2, means, stretch)
