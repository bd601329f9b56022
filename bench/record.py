"""The record: one JSON file that says how a cell ended and what it measured. A cell without one has not ended."""

import json
from collections.abc import Iterator
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from bench.machine import Environment
from bench.record_history import upgraded
from bench.record_sections import Base, Data, Error, Latency, Parameters, Phase, ScoreInfo, Training, Tuning
from bench.telemetry.sections import HostUse, Memory, Power, Sampling, Section

SCHEMA_VERSION = 3
UNEXPLAINED = "unexplained"
"""The reason for a missing value that no code explained: a fault of tunebench."""

Status = Literal["ok", "oom", "failed", "timeout", "killed", "interrupted"]


class Record(Section):
    """How one cell ended and what it measured.

    Every null of a measured section has its reason in `missing`, under the null's own dotted path or a parent's.
    """

    schema_version: int = Field(default=SCHEMA_VERSION, ge=1, le=SCHEMA_VERSION)
    key: str
    study: str
    started_at: str
    """Wall-clock time of the cell's start, ISO 8601 in UTC."""
    seconds: float
    status: Status
    error: Error | None
    cell: dict[str, Any]
    environment: Environment
    base: Base | None
    data: Data | None
    parameters: Parameters | None
    phases: tuple[Phase, ...]
    training: Training | None
    memory: Memory | None
    power: Power | None
    host: HostUse | None
    telemetry: Sampling
    latency: Latency | None
    scores: dict[str, float | None] | None
    score_settings: dict[str, str] | None
    score_info: dict[str, ScoreInfo] | None
    """Score name to how it is read, for every name in `scores`."""
    score_errors: dict[str, float] = Field(default_factory=dict)
    """Score name to its standard error, for scores over examples other than those of the data set."""
    tuning: Tuning | None = None
    """How the method's settings were chosen; None where no search chose them, and in older records."""
    missing: dict[str, str]

    @property
    def has_ended(self) -> bool:
        """Whether the cell came to its end, good or bad. One that was interrupted goes on when it is run again."""
        return self.status != "interrupted"

    @classmethod
    def build(cls, reasons: dict[str, str], **sections: Any) -> Self:
        """The record of `sections`, with the reason for every null in them.

        Args:
            reasons: dotted path to reason. A null is explained by the longest path that is its own or a parent's;
                reasons that explain none are left out.
            sections: the fields of the record, without `missing`.
        """
        missing = {}
        for null in cls.model_construct(**sections, missing={})._nulls():
            path = max((path for path in reasons if _covers(path, null)), key=len, default=None)
            # A reason that was forgotten must not cost the record of a long run.
            missing[path or null] = reasons[path] if path else UNEXPLAINED
        return cls(**sections, missing=missing)

    def _nulls(self) -> list[str]:
        # A metric need not say everything about its scores, and a cell need not run in a batch system's job or be
        # tuned: none of these is a missing measurement.
        content = self.model_dump(exclude={"cell": True, "missing": True, "environment": {"scheduler"}, "tuning": True})
        content["score_info"] = None if self.score_info is None else {}
        return list(null_paths(content))

    @model_validator(mode="before")
    @classmethod
    def _upgrade(cls, content: Any) -> Any:
        return upgraded(content) if isinstance(content, dict) else content

    @model_validator(mode="after")
    def _every_null_has_a_reason(self) -> Self:
        unexplained = [path for path in self._nulls() if not any(_covers(given, path) for given in self.missing)]
        if unexplained:
            raise ValueError(f"null without a reason in `missing`: {', '.join(unexplained)}")
        return self


def schema_version_of(text: str | bytes) -> int | None:
    """The schema version that a record's text states, or None if it is no record at all."""
    try:
        version = json.loads(text)["schema_version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return version if isinstance(version, int) else None


def null_paths(value: Any, path: str = "") -> Iterator[str]:
    """Dotted paths of every None inside nested mappings and sequences; items of sequences count from 0."""
    if value is None:
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from null_paths(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from null_paths(item, f"{path}.{index}")


def _covers(parent: str, path: str) -> bool:
    return path == parent or path.startswith(f"{parent}.")
