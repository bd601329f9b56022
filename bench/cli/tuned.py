"""`tuned=STUDY`: the settings that a search chose, in place of those that are configured."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.cell import Cell
from bench.errors import InputError
from bench.job import Job
from bench.record_sections import Tuning
from bench.settings import Part
from bench.tuning import result
from bench.tuning.result import SearchResult
from bench.tuning.space import flat, put, spelled

Names = Mapping[str, str]
"""The names of a cell's `model`, `method` and `dataset`."""


def tuned(study: str, runs: Path, names: Names) -> SearchResult | None:
    """What the search of `study` chose for these names; None if they were not searched.

    Raises:
        InputError: the search is not complete, or none of its trials has a score.
    """
    path = result.path_of(runs, study, names)
    try:
        found = result.read(path)
    except FileNotFoundError:
        return None
    if not found.complete:
        n_ended = sum(trial.ended for trial in found.trials)
        raise InputError(
            f"tuned={study}: {n_ended} of {found.n_trials} trials of {found.title} have ended; type the command of the "
            "search again, and it goes on"
        )
    if found.chosen is None:
        raise InputError(
            f"tuned={study}: no trial of {found.title} has a score; look at their records in {path.parents[1]}"
        )
    return found


def put_into(method: dict[str, Any], found: SearchResult, typed: Collection[str]) -> Tuning:
    """Give `method` the settings that were found, but for those that were `typed`, by dotted path."""
    chosen = found.chosen or {}
    for path, value in chosen.items():
        if path not in typed:
            put(method, path, value)
    return found.tuning([path for path in chosen if path in typed])


def require_same(cell: Cell, found: SearchResult) -> None:
    """Raise InputError if what was searched has this cell's names, but is another model or other data."""
    for part, identity in identities(cell).items():
        if found.identities[part] != identity:
            raise InputError(
                f"tuned={found.study}: its search of {found.title} had other settings or files of the {part}; give "
                "those again, or search these with a study of their own"
            )


def identities(cell: Cell) -> dict[str, str]:
    """Hashes of a cell's model and data set, of its files by content, without limits on the number of examples."""
    parts: dict[str, Part] = {"model": cell.model, "dataset": cell.dataset}
    return {name: _hashed(part) for name, part in parts.items()}


def covered(paths: Collection[str], typed: Sequence[str]) -> set[str]:
    """Those settings of the method that were typed: `method.config` covers `config.r`."""
    return {path for path in paths if any(f"method.{path}.".startswith(f"{key}.") for key in typed if key != "method")}


def not_searched(study: str, runs: Path, names: Names) -> str:
    """Why there are no settings for a method that has a search space, in a sentence."""
    folder = result.path_of(runs, study, names).parent
    wanted = " ".join(f"{part}={names[part]}" for part in ("model", "method", "dataset"))
    titles = [found.title for found in result.read_all(folder)]
    has = f"it has {', '.join(titles)}" if titles else f"{folder} holds no results"
    return f"tuned={study}: there was no search for {wanted}; {has}; run `tunebench tune {wanted} study={study}`"


def remarks(jobs: Sequence[Job]) -> Iterator[str]:
    """A sentence for each setting that was typed in place of what a search chose."""
    for job in jobs:
        if job.tuning is None:
            continue
        settings = flat(job.cell.method.model_dump(mode="json"))
        for path in job.tuning.overridden:
            yield (
                f"method.{path}={spelled(settings.get(path))} was typed, and is used for {job.cell.method.name} in "
                f"place of what the search {job.tuning.study} chose."
            )


def unequal(jobs: Sequence[Job]) -> Iterator[str]:
    """A sentence for each model and data set whose methods were tuned with different budgets or scores.

    All methods count that were searched, since those of other commands may be compared with these.
    """
    tuned = {
        (job.tuning.study, job.runs, job.cell.model.name, job.cell.dataset.name)
        for job in jobs
        if job.tuning and not job.allow_mixed
    }
    for study, runs, model, dataset in sorted(tuned):
        budgets: dict[str, list[str]] = {}
        names = {"model": model, "method": "", "dataset": dataset}
        for found in result.read_all(result.path_of(Path(runs), study, names).parent):
            if (found.model, found.dataset) == (model, dataset):
                budgets.setdefault(f"{found.budget}, chosen by {found.metric}", []).append(found.method)
        if len(budgets) > 1:
            each = "; ".join(f"{', '.join(methods)}: {budget}" for budget, methods in budgets.items())
            yield (
                f"tuned={study}: the searches for {model} and {dataset} had different budgets ({each}); run them again "
                "with the same tune settings, or type --allow-mixed"
            )


def _hashed(part: Part) -> str:
    identity = {name: value for name, value in part.identity().items() if not name.endswith("_limit")}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
