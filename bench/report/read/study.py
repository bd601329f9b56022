"""Everything that the cells of one study left behind, and a sentence about everything that could not be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.report.parallel import begin
from bench.report.read.cells import StoredCell, Unreadable, read_cell
from bench.report.read.losses import Losses, read_losses
from bench.report.read.plan import PLAN, Plan, read_plan
from bench.report.read.predictions import Asked, Predictions, disagreement, read_asked, read_predictions
from bench.report.read.problem import Problem
from bench.report.read.searches import Search, SearchId, read_searches
from bench.report.read.studies import TRACES, TRIALS, find_studies, natural, visible
from bench.report.read.traces import one_of_each_setup_first, read_traces
from bench.telemetry.trace import Trace
from bench.tuning.result import FOLDER

MANY = 200
"""Below this many files, starting other processes takes longer than reading."""
ANSWERS = "predictions.jsonl"
NO_CELLS = ("multirun.yaml", PLAN, FOLDER)
"""What Hydra, bench.decide and a search leave beside the cells of a study."""


@dataclass(frozen=True)
class Study:
    """One study: its cells, and by the cells' folders what lies beside their records."""

    name: str
    cells: tuple[StoredCell, ...]
    """Ordered by model, then method (those that train nothing first), then setup and seed."""
    traces: Mapping[str, Trace]
    """Power and memory over time, of the cells that are shown over time and have samples."""
    predictions: Mapping[str, Predictions]
    """Answers of the cells with scores, where they agree with the record."""
    asked: Mapping[str, Asked]
    """The questions, parallel to the answers, where a cell that answered the same examples wrote them down."""
    problems: tuple[Problem, ...]
    plan: Plan | None = None
    """When its scores were looked at, if seeds were added by that."""
    losses: Mapping[str, Losses] = field(default_factory=dict)
    """Training losses, of the cells whose events.jsonl has any."""
    searches: Mapping[SearchId, Search] = field(default_factory=dict)
    """The searches that chose this study's settings; of the study of a search, its own."""
    searched_in: tuple[str, ...] = ()
    """Names of the studies that these searches were read from, or would have been."""
    n_untraced: int = 0
    """Cells that are not shown over time, because a figure of each would be too many."""


def read_studies(runs: Path, name: str | None = None) -> list[Study]:
    """Every study under `runs`, or the one called `name`, in the order of their names; raises as `find_studies`."""
    return [read_study(folder) for folder in find_studies(runs, name)]


def read_study(folder: Path, n_traces: int = TRACES) -> Study:
    """The study in `folder`, with traces of at most `n_traces` cells, the first seed of every setup before others.

    What is broken, missing or not part of a study is listed among the problems.
    """
    runs = folder.parent
    cells, problems = _read_cells(folder)
    cells, repeated = _latest(cells)
    cells = _ordered(_told_apart(cells))
    plan = read_plan(folder)
    unplanned = [plan] if isinstance(plan, Problem) else []
    traced = one_of_each_setup_first(cells, n_traces)
    traces, untraced = read_traces(runs, traced)
    predictions, unanswered = _predictions(runs, cells)
    searched_in = _searched_in(folder, cells)
    searches, unsearched = _searches(runs, searched_in)
    return Study(
        name=folder.name,
        cells=tuple(cells),
        traces=traces,
        predictions=predictions,
        asked=_asked(runs, cells, predictions),
        problems=(*problems, *repeated, *untraced, *unanswered, *unsearched, *unplanned),
        plan=plan if isinstance(plan, Plan) else None,
        losses=_losses(runs, cells),
        searches=searches,
        searched_in=searched_in,
        n_untraced=len(cells) - len(traced),
    )


def _read_cells(folder: Path) -> tuple[list[StoredCell], list[Problem]]:
    try:
        entries = sorted(visible(folder), key=lambda entry: natural(entry.name))
    except OSError as error:
        return [], [Problem(folder.name, f"cannot be read ({error.strerror}): check who may read it.", broken=True)]
    results = list(begin(_cell_or_problem, [entry for entry in entries if entry.name not in NO_CELLS], MANY))
    cells = [result for result in results if isinstance(result, StoredCell)]
    return cells, [result for result in results if isinstance(result, Problem)]


def _cell_or_problem(folder: Path) -> StoredCell | Problem:
    path = f"{folder.parent.name}/{folder.name}"
    if not folder.is_dir():
        return Problem(path, "is not a run folder and was not read: move it out of the runs folder.")
    try:
        return read_cell(folder)
    except FileNotFoundError:
        sentence = "has no record.json, so this cell has not ended: wait for it, or run it again to finish it."
        return Problem(path, sentence)
    except Unreadable as error:
        return Problem(f"{path}/record.json", str(error), broken=True)


def _searches(runs: Path, names: Sequence[str]) -> tuple[dict[SearchId, Search], list[Problem]]:
    searches: dict[SearchId, Search] = {}
    problems = []
    for name in names:
        found, missing = read_searches(runs / name)
        searches |= found
        problems += missing
    return searches, problems


def _searched_in(folder: Path, cells: Sequence[StoredCell]) -> tuple[str, ...]:
    """The studies of the searches that chose the settings of these cells, or whose trials they are."""
    names = {f"{cell.record.tuning.study}{TRIALS}" for cell in cells if cell.record.tuning}
    return tuple(sorted(names)) or ((folder.name,) if (folder / FOLDER).is_dir() else ())


def _latest(cells: Sequence[StoredCell]) -> tuple[list[StoredCell], list[Problem]]:
    """Each cell once, the run that was started last: otherwise one seed would count as two."""
    latest: dict[tuple[str, int], StoredCell] = {}
    problems = []
    for cell in sorted(cells, key=lambda cell: (cell.record.started_at, cell.folder)):
        if older := latest.get((cell.setup, cell.seed)):
            content = "" if older.record.key == cell.record.key else ", on files of other content,"
            sentence = (
                f"is the same cell{content} as {cell.folder}, which was started later and is reported: delete one."
            )
            problems.append(Problem(older.folder, sentence))
        latest[cell.setup, cell.seed] = cell
    return list(latest.values()), problems


def _told_apart(cells: Sequence[StoredCell]) -> list[StoredCell]:
    """Cells whose models share a name, but not their path, with the path in the model's label."""
    paths: dict[str, set[str]] = {}
    for cell in cells:
        paths.setdefault(cell.model, set()).add(cell.model_path)
    return [
        replace(cell, model_label=f"{cell.model} ({cell.model_path})") if len(paths[cell.model]) > 1 else cell
        for cell in cells
    ]


def _ordered(cells: Sequence[StoredCell]) -> list[StoredCell]:
    untrained = {cell.method for cell in cells if cell.record.parameters and cell.record.parameters.trainable == 0}

    def place(cell: StoredCell) -> tuple[Any, ...]:
        method = (cell.method not in untrained, natural(cell.method))
        return (natural(cell.model), *method, natural(cell.dataset), natural(cell.setup), cell.seed)

    return sorted(cells, key=place)


def _predictions(runs: Path, cells: Sequence[StoredCell]) -> tuple[dict[str, Predictions], list[Problem]]:
    """The answers of each cell with scores, and a sentence where they are not what its record says."""
    predictions: dict[str, Predictions] = {}
    problems = []
    # One copy of ids and clusters for all cells that answered the same examples
    shared: dict[tuple[str, ...], tuple[str, ...]] = {}
    scored = [cell for cell in cells if cell.record.scores]
    wanted = [(runs / cell.folder / ANSWERS, _n_scored(cell), cell.record.scores or {}) for cell in scored]
    for cell, answers in zip(scored, begin(_answers_or_fault, wanted, MANY), strict=True):
        if isinstance(answers, str):
            sentence = f"{answers}: this cell's answers are not shown, and its scores have no intervals."
            problems.append(Problem(f"{cell.folder}/{ANSWERS}", sentence))
            continue
        ids, clusters = (shared.setdefault(names, names) for names in (answers.ids, answers.clusters))
        predictions[cell.folder] = replace(answers, ids=ids, clusters=clusters)
    return predictions, problems


def _n_scored(cell: StoredCell) -> int | None:
    return cell.record.data and cell.record.data.n_scored


def _answers_or_fault(wanted: tuple[Path, int | None, Mapping[str, float | None]]) -> Predictions | str:
    """The answers in a file, given how many there must be and their scores; or in words, what is wrong with them."""
    path, n_scored, scores = wanted
    try:
        answers = read_predictions(path)
    except OSError as error:
        return f"cannot be read ({error.strerror or 'it is not a file'})"
    except ValueError as error:
        return str(error)
    return disagreement(answers, n_scored, scores) or answers


def _asked(runs: Path, cells: Sequence[StoredCell], predictions: Mapping[str, Predictions]) -> dict[str, Asked]:
    """The questions of each cell, read once for each set of examples."""
    alike: dict[tuple[Any, ...], list[str]] = {}
    for cell in cells:
        if answers := predictions.get(cell.folder):
            fingerprint = cell.record.data and cell.record.data.scored_fingerprint
            alike.setdefault((fingerprint, answers.ids), []).append(cell.folder)
    asked: dict[str, Asked] = {}
    for folders in alike.values():
        for folder in folders:
            try:
                questions = read_asked(runs / folder / ANSWERS)
            except (OSError, ValueError):
                continue  # from before questions were kept; every other fault is already among the problems
            asked |= dict.fromkeys(folders, questions)
            break
    return asked


def _losses(runs: Path, cells: Sequence[StoredCell]) -> dict[str, Losses]:
    results = begin(_losses_or_none, [runs / cell.folder / "events.jsonl" for cell in cells], MANY)
    return {cell.folder: losses for cell, losses in zip(cells, results, strict=True) if losses}


def _losses_or_none(path: Path) -> Losses | None:
    try:
        return read_losses(path)
    except OSError:
        return None
