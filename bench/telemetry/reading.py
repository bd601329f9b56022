"""One line of telemetry.jsonl, and the file as a stream of readings."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from bench.telemetry.schema import Values

Role = Literal["gpu", "host"]
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one source gave at one time, and what changed about the source."""

    role: Role
    t_s: float
    """Seconds since the cell's start, on the monotonic clock; negative before it."""
    late_s: float | None = None
    """How long after its deadline the reading began; None where it had no deadline."""
    missed: int = 0
    """Deadlines since the previous reading that passed without one."""
    values: Values = field(default_factory=Values)
    facts: dict[str, Any] = field(default_factory=dict)
    """About the source in its first line; about how sampling it ended, under `closed`, in its last."""
    reasons: dict[str, str | None] = field(default_factory=dict)
    """Reasons that are new since the previous reading; None where one no longer holds."""

    def to_line(self) -> bytes:
        """The reading as a line of JSON. Empty parts are left out."""
        content: dict[str, Any] = {"role": self.role, "t_s": round(self.t_s, 6)}
        if self.late_s is not None:
            content["late_s"] = round(self.late_s, 6)
        for name in ("missed", "values", "facts", "reasons"):
            if value := getattr(self, name):
                content[name] = value
        return _ENCODER.encode(content).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """The reading that `to_line` wrote. Raises ValueError or TypeError for anything else."""
        return cls(**json.loads(line))


def parse(lines: Iterable[bytes]) -> Iterator[Reading]:
    """The readings of `lines` up to the first line that is torn, since the sampler wrote nothing after it."""
    for line in lines:
        if not line.endswith(b"\n"):
            return
        try:
            yield Reading.from_line(line)
        except (ValueError, TypeError):
            return


def read_file(path: Path) -> Iterator[Reading]:
    """The readings of a telemetry.jsonl in the order written, one at a time; a torn last line is left out."""
    with path.open("rb") as file:
        yield from parse(file)
