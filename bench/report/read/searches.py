"""The searches that chose settings: what was searched, and the trials that were made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from bench.errors import InputError
from bench.report.read.cells import StoredCell, Unreadable, read_cell
from bench.report.read.problem import Problem
from bench.report.read.studies import TRIALS, visible
from bench.tuning.result import FOLDER, SearchResult, read


class SearchId(NamedTuple):
    """What a search is told from all others by."""

    study: str
    """Name of the search, without `-tune`."""
    model: str
    dataset: str
    method: str


@dataclass(frozen=True)
class Search:
    """The search for one method's settings on one model and data set."""

    space: Mapping[str, str]
    """What each setting was drawn from, by its path within the method, such as `log(1e-05, 0.01)`."""
    metric: str
    """Name of the score that trials are compared by, on the tune split; empty if no trial has a score."""
    better: Literal["higher", "lower"]
    n_trials: int
    """Trials that the search is to make."""
    budget: str
    """In words, what must be the same for methods to be compared, such as `12 trials of 1 epochs`."""
    trials: tuple[StoredCell, ...] = field(repr=False)
    """Those that have ended, in the order of the search."""
    winner: str | None
    """Key of the trial that was chosen; None before the search has ended."""


def read_searches(folder: Path) -> tuple[dict[SearchId, Search], list[Problem]]:
    """The searches whose trials are in a study's folder, and a sentence about each that cannot be read."""
    name = folder.name.removesuffix(TRIALS)
    try:
        paths = sorted(visible(folder / FOLDER))
    except OSError as error:
        return {}, [Problem(folder.name, f"cannot be read ({error.strerror}): check who may read it.")]
    if not paths:
        sentence = f"has no result of a search, so what {name} tried is not shown: put the folder beside the study."
        return {}, [Problem(folder.name, sentence)]
    problems = []
    results = []
    for path in paths:
        try:
            results.append(read(path))
        except (OSError, InputError):
            sentence = "cannot be read, so this search is not shown: type the command of the search again."
            problems.append(Problem(f"{folder.name}/{FOLDER}/{path.name}", sentence))
    cells = _cells(folder)
    return {_id(name, result): _search(result, cells) for result in results}, problems


def _cells(folder: Path) -> dict[str, StoredCell]:
    """The cells of a search that can be read, by key. A trial without a record counts as not ended."""
    cells = {}
    for entry in visible(folder):
        try:
            cell = read_cell(entry)
        except (OSError, Unreadable):
            continue
        cells[cell.record.key] = cell
    return cells


def _id(name: str, result: SearchResult) -> SearchId:
    return SearchId(name, result.model, result.dataset, result.method)


def _search(result: SearchResult, cells: Mapping[str, StoredCell]) -> Search:
    ended = [cells[trial.key] for trial in result.trials if trial.key in cells]
    return Search(
        space=result.search,
        metric=result.metric or "",
        better=result.better,
        n_trials=result.n_trials,
        budget=result.budget,
        trials=tuple(cell for cell in ended if cell.record.has_ended),
        winner=result.key,
    )
