"""Checks the data and models of a sweep before its first cell, in a process that can import torch."""

from collections.abc import Iterator, Sequence

from bench.cell import Cell
from bench.supervisor import server
from bench.supervisor.progress import console, warn
from bench.supervisor.supervise import show_one_gpu

SCORED = {"dataset", "metric"}
"""The parts of a cell that say what is scored, and how."""
MODEL = {"model", "method", "prompt", "generation", "latency"}
"""The parts of a cell that say which model is made, and which lengths must fit into its context."""


def faults(cells: Sequence[Cell]) -> list[str]:
    """One sentence for each fault that `cells` would fail with: in their data, metrics, models or methods.

    Each distinct data set with its metrics, and each distinct model with its method and lengths, is checked once. Data
    sets and models that would have to be downloaded are left to their cells. A check that crashes is reported and stops
    nothing.
    """
    if not cells:
        return []
    sentences: dict[str, None] = {}
    show_one_gpu()
    try:
        with console.status("checking data and models"):
            for sentence in _received(cells):
                sentences[sentence] = None
    except (EOFError, server.ServerFailed) as error:
        reason = str(error) or server.last_line() or "its process was killed"
        warn(f"The check of data and models crashed, and the cells run without it: {reason}")
    return [*sentences]


def _received(cells: Sequence[Cell]) -> Iterator[str]:
    scored = {cell.model_dump_json(include=SCORED): (cell.dataset, [*cell.scored_by]) for cell in cells}
    models: dict[str, Cell] = {}
    for cell in cells:
        models.setdefault(cell.model_dump_json(include=MODEL), cell)
    recipes = {cell.train.model_dump_json(): cell.train for cell in cells if cell.method.trains}
    parts = ([*scored.values()], [*models.values()], [*recipes.values()])
    child = server.fork("bench.child.check:main", parts, "check")
    try:
        while (sentence := child.events.recv()) is not None:
            yield sentence
    finally:
        child.process.kill()
        child.process.join()
        child.events.close()
