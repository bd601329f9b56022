"""One cell as its record describes it, and the figures that a report derives from the record."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from bench.phase import PhaseName
from bench.record import SCHEMA_VERSION, Record
from bench.report.wording import STATUSES, reason, reason_code
from bench.telemetry.sections import PhaseMemory, PhasePower

BY_PHASE = ("phase_seconds", "power.phases", "memory.phases", "host.phases")
"""Paths in a record that are followed by the name of a phase."""
AGAIN = "delete it and run the cell again."
LONGEST_INTEGER = 18
"""Digits. Longer integers may not fit into 64 bits."""


@dataclass(frozen=True)
class StoredCell:
    """A cell that has ended, as its run folder has it."""

    folder: str
    """Relative to the runs folder."""
    record: Record
    model_label: str | None = None
    """What the model is called where another one of the study has the same name."""

    @property
    def ok(self) -> bool:
        """Whether the cell ended ok."""
        return self.record.status == "ok"

    @property
    def model(self) -> str:
        """Name of the model, as in `model=NAME`; with its path where another model has this name, too."""
        return self.model_label or self._names.model.name

    @property
    def model_path(self) -> str:
        """Where the model is from: a hub name or a folder; empty in records that do not say."""
        return self._names.model.path

    @property
    def method(self) -> str:
        """Name of the method."""
        return self._names.method.name

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self._names.dataset.name

    @property
    def seed(self) -> int:
        """The cell's seed."""
        return self._names.seed

    @cached_property
    def _names(self) -> "_Names":
        return _Names.model_validate(self.record.cell)

    @property
    def trains(self) -> bool:
        """Whether the method trains anything."""
        return self.record.parameters is None or self.record.parameters.trainable > 0

    @cached_property
    def setup(self) -> str:
        """The cell's configuration without its seed, as JSON: the same for all seeds of one setup."""
        return json.dumps({part: value for part, value in self.record.cell.items() if part != "seed"}, sort_keys=True)

    @cached_property
    def settings(self) -> dict[str, str]:
        """Every setting but the seed, by its dotted path, as the user would type it."""
        leaves = _leaves({part: value for part, value in self.record.cell.items() if part != "seed"})
        return {path: value if isinstance(value, str) else json.dumps(value) for path, value in leaves}

    @cached_property
    def phase_seconds(self) -> dict[str, float]:
        """The seconds of each phase that took place, over all of its stretches."""
        seconds: dict[str, float] = {}
        for phase in self.record.phases:
            seconds[phase.name] = seconds.get(phase.name, 0.0) + phase.seconds
        return seconds

    @property
    def train_power(self) -> PhasePower | None:
        """Power and energy in the train phase."""
        return self.record.power.phases.get("train") if self.record.power else None

    @property
    def train_memory(self) -> PhaseMemory | None:
        """Peaks of memory in the train phase."""
        return self.record.memory.phases.get("train") if self.record.memory else None

    @property
    def train_energy_j_per_1000_tokens(self) -> float | None:
        """Gross energy of the train phase over the tokens trained on."""
        training = self.record.training
        energy_j = self.train_power.energy_j if self.train_power else None
        if training is None or energy_j is None or training.resumed_from_step:
            return None
        return energy_j / training.tokens * 1000

    @cached_property
    def missing(self) -> dict[str, str]:
        """The record's reasons for missing values, and those for missing derived figures, by dotted path."""
        missing = dict(self.record.missing)
        untrained = self.record.training is None
        for phase in get_args(PhaseName):
            if phase not in self.phase_seconds:
                trains = phase in ("train", "validate", "save")
                why = missing["training"] if untrained and trains else "no_such_phase"
                missing |= {f"{section}.{phase}": why for section in BY_PHASE}
        missing["train_energy_j_per_1000_tokens"] = self._why_no_energy_per_token(missing)
        return missing

    def _why_no_energy_per_token(self, missing: Mapping[str, str]) -> str:
        if self.record.training is None:
            return missing["training"]
        if self.train_power is None or self.train_power.energy_j is None:
            return reason_code(missing, "power.phases.train.energy_j")
        return "resumed"

    def reason(self, path: str) -> str:
        """In words, why there is no value at the dotted `path`."""
        return reason(self.missing, path)

    @property
    def ending(self) -> str:
        """How the cell ended and in which phase: `out of memory in train`."""
        status, error = STATUSES[self.record.status], self.record.error
        return f"{status} in {error.phase}" if error and error.phase else status


class Unreadable(Exception):
    """Why a record cannot be used, and what to do: the rest of a sentence that begins with its path."""


def read_cell(folder: Path) -> StoredCell:
    """The cell of a run folder.

    Raises:
        FileNotFoundError: it has no record.
        Unreadable: it has one that cannot be used.
    """
    return StoredCell(f"{folder.parent.name}/{folder.name}", _read_record(folder / "record.json"))


class _Named(BaseModel):
    name: str


class _Model(_Named):
    path: str = ""


class _Names(BaseModel):
    """The part of a cell's configuration that the report needs; versions differ in the rest."""

    model: _Model
    method: _Named
    dataset: _Named
    seed: int


def _read_record(path: Path) -> Record:
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror}): {AGAIN}") from error
    except UnicodeDecodeError as error:
        raise Unreadable(f"cannot be read (it is not UTF-8 text): {AGAIN}") from error
    _require_our_schema(text)
    try:
        record = Record.model_validate_json(text)
        _Names.model_validate(record.cell)
    except ValidationError as error:
        raise Unreadable(f"is not a valid record ({_first(error)}): {AGAIN}") from error
    return record


def _require_our_schema(text: str) -> None:
    """Raise `Unreadable` for text that is not JSON, not a record, or a record of a newer version."""
    try:
        content = json.loads(text, parse_int=_bounded)
    except (json.JSONDecodeError, RecursionError) as error:
        where = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise Unreadable(f"is cut off or broken JSON{where}: {AGAIN}") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise Unreadable("is not a record of this project (it has no schema_version): move it out of the runs folder.")
    if version > SCHEMA_VERSION:
        raise Unreadable(
            f"was written by a newer tunebench (record schema {version}, this one reads up to {SCHEMA_VERSION}): "
            "upgrade tunebench to report it."
        )


def _bounded(digits: str) -> int:
    if len(digits) > LONGEST_INTEGER:
        raise Unreadable(f"is not a valid record (the number {digits[:8]}... is too large): {AGAIN}")
    return int(digits)


def _first(error: ValidationError) -> str:
    """The first fault, and how many others there are."""
    first, *others = error.errors()
    path = ".".join(str(part) for part in first["loc"])
    return f"{path + ': ' if path else ''}{first['msg']}" + (f", and {len(others)} more" if others else "")


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of everything inside nested mappings that is not itself a mapping."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
