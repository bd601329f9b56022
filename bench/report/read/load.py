"""The records of a study as one data frame, and a sentence about everything that could not be read."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import pandas as pd
from pydantic import BaseModel, ValidationError

from bench.phase import PhaseName
from bench.record import SCHEMA_VERSION, Record
from bench.report.parallel import begin
from bench.report.read.losses import Losses, read_losses
from bench.report.read.predictions import Asked, Predictions, disagreement, read_asked, read_predictions
from bench.report.read.studies import TRACES, find_studies, natural, visible
from bench.report.read.trace import Trace, read_trace, read_written_trace
from bench.report.words import reason_code
from bench.telemetry.windows import Stretch

AS_THEY_ARE = ("cell", "missing")
"""Mappings of the record that stay mappings in the frame: they are read as a whole."""
SAMPLED = ("power", "memory", "host")
"""Sections of the record that have figures by phase."""

PHASES_S = "phases_seconds"
"""Of all phases together: a cell takes longer than that, the first of a sweep by the imports of all of them."""
PER_TOKENS = "train_energy_j_per_1000_tokens"
"""Gross energy of the train phase over the tokens trained on."""

MANY = 200
"""Fewer files than this are read before other processes have started."""
ANSWERS = "predictions.jsonl"
HYDRAS = "multirun.yaml"
"""What Hydra leaves beside the cells of a sweep."""


@dataclass(frozen=True)
class Problem:
    """Something in the runs folder that is in no table."""

    path: str
    """Relative to the runs folder."""
    sentence: str
    """What it is, and what to do."""


@dataclass(frozen=True)
class Study:
    """What is known of one study."""

    name: str
    cells: pd.DataFrame
    """One row per cell, columns named as in the record (`scores.bleu`); `missing` holds the reasons for its nulls.

    Not from the record: `folder`, relative to the runs folder; `setup`, the cell's configuration without its seed, as
    JSON; `cell.model.name`, `cell.method.name`, `cell.dataset.name` and `cell.seed`; `phase_seconds.<phase>`, the
    summed seconds of all stretches of a phase; `PHASES_S`; and `PER_TOKENS`. Ordered by model, then method (those that
    train nothing first), then setup and seed.
    """
    traces: Mapping[str, Trace]
    """Power and memory over time by the cell's `folder`, for those of which anything was sampled and that are shown."""
    predictions: Mapping[str, Predictions]
    """What was answered, by the cell's `folder`, for the cells with scores; all of them agree with their records."""
    asked: Mapping[str, Asked]
    """What that answers, parallel to it, by the same `folder`: for the validation sets of which any cell wrote it."""
    problems: tuple[Problem, ...]
    losses: Mapping[str, Losses] = field(default_factory=dict)
    """Training loss by the cell's `folder`, for those whose events.jsonl tells of any."""
    n_untraced: int = 0
    """Cells that are not looked at over time, because others are and a figure of each would be too many."""


def read_studies(runs: Path, name: str | None = None) -> list[Study]:
    """Every study under `runs`, or the one called `name`, in the order of their names; raises as `find_studies`."""
    return [read_study(folder) for folder in find_studies(runs, name)]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of everything inside nested mappings that is not itself a mapping."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


class _Named(BaseModel):
    name: str


class _Cell(BaseModel):
    """What the report needs of a cell's configuration, whatever else the version that wrote it put there."""

    model: _Named
    method: _Named
    dataset: _Named
    seed: int


class _Unusable(Exception):
    """Why a file gives no row."""


def read_study(folder: Path, n_traces: int = TRACES) -> Study:
    """The study in `folder`, with at most `n_traces` traces: those of every setup's first seed, then of its second.

    Whatever is broken, missing or no part of a study is among the problems.
    """
    problems: list[Problem] = []
    try:
        entries = sorted(visible(folder), key=lambda entry: natural(entry.name))
    except OSError as error:
        entries = []
        problems.append(Problem(folder.name, f"cannot be read ({error.strerror}): see who may read it."))
    found = list(begin(_read_cell, [entry for entry in entries if entry.name != HYDRAS], MANY))
    problems += [each for each in found if isinstance(each, Problem)]
    rows, repeated = _latest([each for each in found if not isinstance(each, Problem)])
    rows = _ordered(rows)
    shown = _shown_over_time(rows, n_traces)
    traces, untraced = _traces(shown, folder.parent)
    predictions, unanswered = _predictions(rows, folder.parent)
    asked = _asked(rows, predictions, folder.parent)
    losses = _losses(rows, folder.parent)
    problems += [*repeated, *untraced, *unanswered]
    n_untraced = len(rows) - len(shown)
    return Study(folder.name, pd.DataFrame(rows), traces, predictions, asked, tuple(problems), losses, n_untraced)


def _shown_over_time(rows: Sequence[dict[str, Any]], n: int) -> list[dict[str, Any]]:
    """At most `n` of the rows, in their order: one of each setup before the second of any."""
    seen: Counter[str] = Counter()
    ranks = []
    for row in rows:
        ranks.append(seen[row["setup"]])
        seen[row["setup"]] += 1
    chosen = sorted(range(len(rows)), key=ranks.__getitem__)[:n]
    return [rows[at] for at in sorted(chosen)]


def _read_cell(folder: Path) -> dict[str, Any] | Problem:
    """The row of a cell, or why it has none."""
    path = f"{folder.parent.name}/{folder.name}"
    if not folder.is_dir():
        return Problem(path, "is not a run folder and was not read: move it out of the runs folder.")
    try:
        return {"folder": path} | _row(_read_record(folder / "record.json"))
    except FileNotFoundError:
        sentence = "has no record.json, so this cell has not ended: wait for it, or run it again to finish it."
        return Problem(path, sentence)
    except _Unusable as error:
        return Problem(f"{path}/record.json", str(error))


def _read_record(path: Path) -> Record:
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise _Unusable(f"cannot be read ({reason}): delete it and run the cell again.") from error
    try:
        content = json.loads(text, parse_int=_bounded)
    except (json.JSONDecodeError, RecursionError) as error:
        where = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise _Unusable(f"is cut off or broken JSON{where}: delete it and run the cell again.") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise _Unusable("is not a record of this project (it has no schema_version): move it out of the runs folder.")
    if version > SCHEMA_VERSION:
        raise _Unusable(
            f"was written by a newer tunebench (record schema {version}, this one reads up to {SCHEMA_VERSION}): "
            "upgrade tunebench to report it."
        )
    try:
        record = Record.model_validate_json(text)
        _Cell.model_validate(record.cell)
    except ValidationError as error:
        raise _Unusable(f"is not a valid record ({_first(error)}): delete it and run the cell again.") from error
    return record


def _bounded(digits: str) -> int:
    """The integer, if arithmetic can be done with it."""
    if len(digits) > 18:
        raise _Unusable(
            f"is not a valid record ({digits[:8]}... is no number of it): delete it and run the cell again."
        )
    return int(digits)


def _first(error: ValidationError) -> str:
    first, *others = error.errors()
    path = ".".join(str(part) for part in first["loc"])
    return f"{path + ': ' if path else ''}{first['msg']}" + (f", and {len(others)} more" if others else "")


def _row(record: Record) -> dict[str, Any]:
    content = record.model_dump()
    kept = {name: content.pop(name) for name in AS_THEY_ARE}
    row = dict(leaves(content)) | kept
    cell, missing = kept["cell"], dict(kept["missing"])
    for part in ("model", "method", "dataset"):
        row[f"cell.{part}.name"] = cell[part]["name"]
    row["cell.seed"] = cell["seed"]
    row["setup"] = json.dumps({key: value for key, value in cell.items() if key != "seed"}, sort_keys=True)
    for phase in record.phases:
        column = f"phase_seconds.{phase.name}"
        row[column] = row.get(column, 0.0) + phase.seconds
    row[PHASES_S] = sum(phase.seconds for phase in record.phases) if record.phases else None
    if not record.phases:
        missing[PHASES_S] = "no_phases"
    reached = {phase.name for phase in record.phases}
    for phase in (phase for phase in get_args(PhaseName) if phase not in reached):
        untrained = record.training is None and phase in ("train", "validate", "save")
        why = missing["training"] if untrained else "no_such_phase"
        missing |= {f"{section}.{phase}": why for section in ("phase_seconds", *(f"{each}.phases" for each in SAMPLED))}
    row[PER_TOKENS], why = _energy_per_1000_tokens(record, missing)
    if row[PER_TOKENS] is None:
        missing[PER_TOKENS] = why
    return row | {"missing": missing}


def _energy_per_1000_tokens(record: Record, missing: Mapping[str, str]) -> tuple[float | None, str]:
    """In joules, and the reason for a null."""
    train = record.power.phases.get("train") if record.power else None
    if record.training is None:
        return None, missing["training"]
    if train is None or train.energy_j is None:
        return None, reason_code(missing, "power.phases.train.energy_j")
    if record.training.resumed_from_step:
        return None, "resumed"
    return train.energy_j / record.training.tokens * 1000, ""


def _traces(rows: list[dict[str, Any]], runs: Path) -> tuple[dict[str, Trace], list[Problem]]:
    """What was sampled of each row's cell, and a sentence where that is not all that it should be."""
    traces: dict[str, Trace] = {}
    problems = []
    for row in rows:
        phases = [Stretch(phase["name"], phase["start_s"], phase["seconds"]) for phase in row["phases"]]
        trace, own = _trace(runs, row["folder"], phases, row["telemetry.hz"], row["telemetry.file_bytes"])
        problems += own
        if trace and any((trace.power_w, trace.device_bytes, trace.rss_bytes)):
            traces[row["folder"]] = trace
    return traces, problems


def _trace(
    runs: Path, folder: str, phases: Sequence[Stretch], hz: float, told_bytes: int | None
) -> tuple[Trace | None, list[Problem]]:
    """What was sampled of one cell: as its supervisor has thinned it, else from its readings."""
    problems = []
    written, name = f"{folder}/trace.json", f"{folder}/telemetry.jsonl"
    try:
        if trace := read_written_trace(runs / written, phases):
            return trace, _silence(trace, name)
    except (OSError, ValueError):
        problems.append(Problem(written, "is cut off or broken, so telemetry.jsonl was read, which takes longer."))
    try:
        trace = read_trace(runs / name, phases, hz)
        found_bytes = (runs / name).stat().st_size
    except OSError as error:
        why = error.strerror or "it cannot be read"
        sentence = f"cannot be read ({why}): this cell's power and memory over time are not shown."
        return None, [*problems, Problem(name, sentence)]
    silence = _silence(trace, name)
    if not silence and told_bytes is not None and found_bytes != told_bytes:
        sentence = (
            f"has {found_bytes} bytes, and its record says {told_bytes}: power and memory over time are shown as "
            "far as it can be read; the tables have the record's numbers."
        )
        problems.append(Problem(name, sentence))
    return trace, [*problems, *silence]


def _silence(trace: Trace | None, name: str) -> list[Problem]:
    """A sentence where a cell has phases and nothing that was sampled in them."""
    if trace is None or any((trace.power_w, trace.device_bytes, trace.rss_bytes)):
        return []
    sentence = "has no reading of power or memory in the cell's phases, so neither is shown over time."
    return [Problem(name, sentence)]


def _predictions(rows: list[dict[str, Any]], runs: Path) -> tuple[dict[str, Predictions], list[Problem]]:
    """What was answered in each row's cell if it has scores, and a sentence where that is not what the record tells."""
    predictions: dict[str, Predictions] = {}
    problems = []
    # One set of questions in memory, not one for each cell that was asked them
    asked: dict[tuple[str, ...], tuple[str, ...]] = {}
    scored = [(row, scores) for row in rows if (scores := _scores(row))]
    wanted = [(runs / row["folder"] / ANSWERS, row.get("data.n_validation"), scores) for row, scores in scored]
    for (row, _), found in zip(scored, begin(_answers, wanted, MANY), strict=True):
        if isinstance(found, str):
            sentence = f"{found}: this cell's answers are not shown, and its scores have no intervals."
            problems.append(Problem(f"{row['folder']}/{ANSWERS}", sentence))
            continue
        ids, clusters = (asked.setdefault(each, each) for each in (found.ids, found.clusters))
        predictions[row["folder"]] = replace(found, ids=ids, clusters=clusters)
    return predictions, problems


def _scores(row: Mapping[str, Any]) -> dict[str, float | None]:
    return {column.removeprefix("scores."): row[column] for column in row if column.startswith("scores.")}


def _answers(wanted: tuple[Path, int | None, Mapping[str, float | None]]) -> Predictions | str:
    """What a file has answered to so many questions, with such scores; in words, what it has done instead."""
    path, n_validation, scores = wanted
    try:
        found = read_predictions(path)
    except OSError as error:
        return f"cannot be read ({error.strerror or 'it is not a file'})"
    except ValueError as error:
        return str(error)
    return disagreement(found, n_validation, scores) or found


def _asked(rows: list[dict[str, Any]], predictions: Mapping[str, Predictions], runs: Path) -> dict[str, Asked]:
    """What the cells answered, read once for each validation set."""
    together: dict[tuple[Any, ...], list[str]] = {}
    for row in rows:
        if found := predictions.get(row["folder"]):
            together.setdefault((row.get("data.validation_fingerprint"), found.ids), []).append(row["folder"])
    asked: dict[str, Asked] = {}
    for folders in together.values():
        for folder in folders:
            try:
                told = read_asked(runs / folder / ANSWERS)
            except (OSError, ValueError):
                continue  # written before questions were kept; whatever else is wrong, its predictions would tell
            asked |= dict.fromkeys(folders, told)
            break
    return asked


def _losses(rows: list[dict[str, Any]], runs: Path) -> dict[str, Losses]:
    """What each row's cell told of its training loss; without the file, it told nothing."""
    folders = [row["folder"] for row in rows]
    found = begin(_told_losses, [runs / folder / "events.jsonl" for folder in folders], MANY)
    return {folder: losses for folder, losses in zip(folders, found, strict=True) if losses}


def _told_losses(path: Path) -> Losses | None:
    try:
        return read_losses(path)
    except OSError:
        return None


def _latest(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Problem]]:
    """One row per cell: taking the same cell twice would count one seed as two."""
    latest: dict[tuple[str, int], dict[str, Any]] = {}
    problems = []
    for row in sorted(rows, key=lambda row: (row["started_at"], row["folder"])):
        cell = (row["setup"], row["cell.seed"])
        if older := latest.get(cell):
            same = "the same cell" if older["key"] == row["key"] else "the same cell, on files of other content,"
            sentence = f"is {same} as {row['folder']}, which was started later and is reported: delete one."
            problems.append(Problem(older["folder"], sentence))
        latest[cell] = row
    return list(latest.values()), problems


def _ordered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    untrained = {row["cell.method.name"] for row in rows if row.get("parameters.trainable") == 0}

    def place(row: dict[str, Any]) -> tuple[Any, ...]:
        model, method, dataset = (row[f"cell.{part}.name"] for part in ("model", "method", "dataset"))
        first = (natural(model), method not in untrained, natural(method), natural(dataset))
        return (*first, natural(row["setup"]), row["cell.seed"])

    return sorted(rows, key=place)
