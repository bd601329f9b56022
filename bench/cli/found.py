"""What the searches of `python -m bench.tune` found: their files, and what the terminal says at the end."""

import math
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from omegaconf import DictConfig, OmegaConf

from bench import store
from bench.cli import sweep
from bench.cli.compose import as_typed
from bench.cli.search import Search
from bench.cli.tuned import identities
from bench.errors import InputError
from bench.record import Record
from bench.record_sections import ScoreInfo
from bench.report.wording import listed
from bench.supervisor.progress import console, warn
from bench.tuning import result
from bench.tuning.result import FOLDER, SUFFIX, SearchResult, Trial
from bench.tuning.space import spelled

Better = Literal["higher", "lower"]
_OF_THE_SEARCH = re.compile(r"[+~]*(study|hydra/sweeper|hydra\.sweeper\.\w+|hydra\.mode)=")
"""What was typed for the search alone."""


def conclude(searches: Sequence[Search], study: str, runs: Path, next_command: str) -> None:
    """Write the file of each search, and print what was found and how to go on."""
    results = []
    for search in searches:
        try:
            results.append(found(search, study))
        except InputError as error:
            warn(str(error))
            return
    for each in results:
        path = result.path_of(runs, study, each.model_dump(include={"model", "method", "dataset"}))
        path.parent.mkdir(parents=True, exist_ok=True)
        store.write_atomically(path, each.text())
        console.print(said(each))
    if any(not each.complete for each in results):
        console.print("The search is not complete: type the same command again, and it goes on.")
        return
    if nothing := [each.title for each in results if each.chosen is None]:
        console.print(f"Nothing was chosen for {listed(nothing)}; the records in {runs}/{study}{SUFFIX} say why.")
        return
    console.print(f"What was chosen: {runs}/{study}{SUFFIX}/{FOLDER}/*.yaml. To use it:\n  {next_command}")


def next_command(config: DictConfig) -> str:
    """The command that runs what is found at three seeds, with what was typed for the search."""
    hydras = OmegaConf.to_container(config.hydra.overrides.hydra)
    typed = [str(each) for each in (*as_typed(config), *(hydras if isinstance(hydras, list) else []))]
    kept = [shlex.quote(each) for each in typed if not _OF_THE_SEARCH.match(each)]
    command = "tunebench" if Path(sys.argv[0]).name == "tunebench" else "python -m bench"
    return " ".join([command, "-m", *kept, f"seed=0,1,2 tuned={config.study} study={config.study}-final"])


def said(found: SearchResult) -> str:
    """One line on what a search found."""
    if not found.complete:
        return f"{found.title}: {sum(trial.ended for trial in found.trials)} of {found.n_trials} trials have ended"
    failed = f", {found.n_failed} of them without a score" if found.n_failed else ""
    if found.chosen is None:
        return f"{found.title}: none of {found.n_trials} trials has a score"
    settings = " ".join(f"{path}={spelled(value)}" for path, value in found.chosen.items())
    error = "" if found.score_error is None else f" (standard error {found.score_error:.2g})"
    ties = f"; trial {', '.join(map(str, found.tied))} scored the same, and the first is taken" if found.tied else ""
    return (
        f"{found.title}: {settings}, trial {found.trial} of {found.n_trials}{failed}, {found.metric} on tune "
        f"{found.score:.4g}{error}{ties}"
    )


def found(search: Search, study: str) -> SearchResult:
    """What a search found, by the records of its cells.

    Raises:
        InputError: a record cannot be read, or no trial has the score that is to decide.
    """
    planned = {tuple(cell.overrides): cell for cell in sweep.planned}
    cells = [planned[tuple(point)] for point in search.points]
    records = [store.read_record(cell.folder) for cell in cells]
    metric, info = _metric(search.tune.metric, [record for record in records if record])
    better: Better = (info and info.better) or "higher"
    trials = tuple(
        Trial(
            trial=number,
            settings=search.drawn(number),
            key=cell.key,
            status=record.status if record else "not run",
            score=_score(record, metric),
        )
        for number, (cell, record) in enumerate(zip(cells, records, strict=True))
    )
    best = _best(trials, better) if all(trial.ended for trial in trials) else []
    winner = best[0] if best else None
    data = next((record.data for record in records if record and record.data), None)
    tune = search.tune
    return SearchResult(
        study=study,
        **search.composed.names,
        identities=identities(cells[0].job.cell),
        chosen=winner.settings if winner else None,
        trial=winner.trial if winner else None,
        key=winner.key if winner else None,
        metric=metric,
        better=better,
        score=winner.score if winner else None,
        score_error=_standard_error(cells[winner.trial].folder, metric, info) if winner else None,
        tied=tuple(trial.trial for trial in best[1:]),
        n_trials=len(trials),
        n_failed=sum(trial.ended and trial.score is None for trial in trials),
        search=search.space.written(),
        seed=tune.seed,
        train_seed=tune.train_seed,
        train_limit=tune.train_limit,
        epochs=tune.epochs,
        tune_fingerprint=data.tune_fingerprint if data else None,
        trials=trials,
    )


def _metric(wanted: str | None, records: Sequence[Record]) -> tuple[str | None, ScoreInfo | None]:
    """The score that decides, and how to read it; None if no trial has one that ranks."""
    infos = {name: info for record in records for name, info in (record.score_info or {}).items()}
    had = {name for name in infos if any(_score(record, name) is not None for record in records)}
    ranking = [name for name, info in infos.items() if info.better and name in had]
    if wanted is not None and ranking and wanted not in ranking:
        raise InputError(
            f"tune.metric: no trial has a score {wanted!r} that ranks; choose one of {', '.join(ranking)} and type the "
            "command again, which runs no trial twice"
        )
    name = wanted or next(iter(ranking), None)
    return name, infos.get(name or "")


def _score(record: Record | None, metric: str | None) -> float | None:
    score = (record.scores or {}).get(metric or "") if record and record.status == "ok" else None
    return score if score is not None and math.isfinite(score) else None


def _best(trials: Sequence[Trial], better: Better) -> list[Trial]:
    """The trials with the best score, in their order."""
    scores = [trial.score for trial in trials if trial.score is not None]
    top = (min if better == "lower" else max)(scores, default=None)
    return [trial for trial in trials if trial.score is not None and trial.score == top]


def _standard_error(folder: Path, metric: str | None, info: ScoreInfo | None) -> float | None:
    """Of a cell's score over documents; None if its answers do not tell."""
    from bench.report.read.predictions import read_predictions
    from bench.report.statistics.formulas import NoSpread
    from bench.report.statistics.intervals import error_of
    from bench.report.statistics.spreads import spread_of

    try:
        answers = read_predictions(folder / "predictions.jsonl")
        return error_of(spread_of(str(metric), info and info.pooling, [answers])).sd
    except (OSError, ValueError, NoSpread):
        return None
