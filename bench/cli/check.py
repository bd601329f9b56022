"""Checks the data and models of a sweep before its first cell, in a process that can import torch."""

from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import cast

from rich.markup import escape

from bench.cell import Cell
from bench.supervisor import server
from bench.supervisor.progress import console, warn

SCORED = {"dataset", "metric", "scored_on"}
"""The parts of a cell that say what is scored, and how."""
MODEL = {"model", "method", "prompt", "generation", "latency"}
"""The parts of a cell that say which model is made, and which lengths must fit into its context."""
CHECKING = "checking data and models"
SHOWN_AFTER_S = 1.0
"""What the check prints is shown if it takes longer than this, such as for a translation."""


def faults(cells: Sequence[Cell], spread: Sequence[Cell] = ()) -> list[str]:
    """One sentence for each fault that `cells` would fail with: in their data, metrics, models or methods.

    Each distinct data set with its metrics, each distinct model with its method and lengths, and both together are
    checked once. Data sets and models that would have to be downloaded are left to their cells. A check that crashes is
    reported and stops nothing.

    Args:
        cells: what is going to run.
        spread: those of them whose model is spread over several GPUs.
    """
    if not cells:
        return []
    sentences: dict[str, None] = {}
    try:
        with console.status(CHECKING) as status:
            for sentence in _received(cells, spread, status.update):
                sentences[sentence] = None
    except (EOFError, server.ServerFailed) as error:
        reason = str(error) or server.last_line() or "its process was killed"
        warn(f"The check of data and models crashed, and the cells run without it: {reason}")
    return [*sentences]


def _received(cells: Sequence[Cell], spread: Sequence[Cell], show: Callable[[str], None]) -> Iterator[str]:
    # Of cells with the same data, one that needs a tune split is checked, if there is one.
    scored = _distinct(sorted(cells, key=lambda cell: not cell.needs_tune), SCORED)
    models, prompts = _distinct(cells, MODEL), _distinct(cells, MODEL | {"dataset"})
    recipes = {cell.train.model_dump_json(): cell.train for cell in cells if cell.method.trains}
    parts = (scored, models, prompts, [*recipes.values()], [cell.model for cell in _distinct(spread, {"model"})])
    child = server.fork("bench.child.check:main", parts, "check")
    try:
        while (sentence := _next(child.events, show)) is not None:
            yield sentence
    finally:
        child.process.kill()
        child.process.join()
        child.events.close()


def _distinct(cells: Sequence[Cell], parts: set[str]) -> list[Cell]:
    """The first cell with each value of these parts."""
    first: dict[str, Cell] = {}
    for cell in cells:
        first.setdefault(cell.model_dump_json(include=parts), cell)
    return [*first.values()]


def _next(events: Connection, show: Callable[[str], None]) -> str | None:
    """The next sentence, or None at the end. Until it comes, the last line that the check has printed is shown."""
    while not events.poll(SHOWN_AFTER_S):
        if said := server.last_line():
            show(f"{CHECKING}: {escape(said)}")
    return cast(str | None, events.recv())
