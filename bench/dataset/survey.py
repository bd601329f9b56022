"""Chooses examples of a source that may be larger than memory: it is read once to choose, and again to keep some."""

from collections.abc import Callable, Iterable

import numpy as np

from bench.dataset.quality import LeftOut, Placed
from bench.dataset.split import Hashed, Mask

Read = Callable[[LeftOut], Iterable[Placed]]
"""Reads a source from its start, and tells what it leaves out."""


class Survey:
    """What is known of all examples of a source, which are held in memory only if all of them are used."""

    def __init__(self, read: Read, left_out: LeftOut, seed: int, limit: int | None) -> None:
        self.hashed = Hashed(seed)
        held = []
        for item in read(left_out):
            self.hashed.add(item.example)
            if limit is None:
                held.append(item)
        self.steps = left_out.steps()
        self._again: Callable[[], Iterable[Placed]] = lambda: held if limit is None else read(left_out.emptied())

    @property
    def all(self) -> Mask:
        """True for each example, shape (n_examples,)."""
        return np.ones(len(self.hashed.documents), dtype=np.bool_)

    @property
    def none(self) -> Mask:
        """False for each example."""
        return np.zeros_like(self.all)

    def pick(self, *masks: Mask) -> list[list[Placed]]:
        """The examples of each mask, in the source's order."""
        picked: list[list[Placed]] = [[] for _ in masks]
        for item, *inside in zip(self._again(), *masks, strict=True):
            for own, is_inside in zip(picked, inside, strict=True):
                if is_inside:
                    own.append(item)
        return picked


def first(mask: Mask, n: int) -> Mask:
    """True at the first `n` places at which `mask` is true."""
    result = np.zeros_like(mask)
    result[np.flatnonzero(mask)[:n]] = True
    return result
