"""The curves that trackers plot: named numbers of an event, and telemetry reduced to one point per second."""

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from bench.protocol import AnyEvent, Evaluated, Step
from bench.telemetry.reading import Reading, Role
from bench.telemetry.schema import FIELDS


class Point(NamedTuple):
    """Named numbers at one position of the x axis."""

    at: int
    """The optimiser step, or whole seconds since the cell's start."""
    values: dict[str, float]


def point_of(event: AnyEvent) -> Point | None:
    """The numbers that `event` adds to the curves over optimiser steps, without those that are not finite."""
    match event:
        case Step():
            values = {
                "train/loss": event.loss,
                "train/learning_rate": event.learning_rate,
                "train/grad_norm": event.grad_norm,
                "train/epoch": event.epoch,
                "train/step_time_s": event.seconds,
                "train/tokens_per_s": event.tokens / event.seconds,
            }
            return Point(event.step, {name: value for name, value in values.items() if value is not None})
        case Evaluated() if event.evaluation.loss is not None:
            return Point(event.evaluation.step, {"evaluation/loss": event.evaluation.loss})
    return None


class Thinned:
    """Reduces readings to one point per second with mean and maximum, so that a short peak stays visible."""

    def __init__(self) -> None:
        self.devices: dict[str, str] = {}
        """Each GPU's UUID and its short name; `gpu0` is the first that the cell can use."""
        self._second: dict[Role, int] = {}
        self._values: dict[Role, dict[str, list[float]]] = {}

    def add(self, reading: Reading) -> Point | None:
        """Add a reading. Returns its source's previous second if the reading is the first of a new one."""
        second = math.floor(reading.t_s)
        complete = self._take(reading.role) if self._second.get(reading.role, second) != second else None
        self._second[reading.role] = second
        values = self._values.setdefault(reading.role, defaultdict(list))
        for name, value in self._named(reading):
            values[name].append(value)
        return complete

    def rest(self) -> list[Point]:
        """The last second of each source, which no later reading has completed."""
        return [point for role in list(self._values) if (point := self._take(role)) is not None]

    def _named(self, reading: Reading) -> list[tuple[str, float]]:
        devices = reading.values.get("devices", {})
        for uuid in [*reading.facts.get("devices", {}), *devices]:
            self.devices.setdefault(uuid, f"gpu{len(self.devices)}")
        groups: dict[str, Mapping[str, Any]] = {self.devices[uuid]: fields for uuid, fields in devices.items()}
        groups[reading.role] = {field: value for field, value in reading.values.items() if field != "devices"}
        return [
            (f"{group}/{field}", value)
            for group, fields in groups.items()
            for field, value in fields.items()
            if field in FIELDS and FIELDS[field].kind != "names"
        ]

    def _take(self, role: Role) -> Point | None:
        points: dict[str, float] = {}
        for name, values in self._values.pop(role, {}).items():
            if FIELDS[name.rpartition("/")[2]].kind == "counter":
                # The last reading of a second says all that its mean and maximum would.
                points[f"telemetry/{name}"] = values[-1]
            else:
                points[f"telemetry/{name}_mean"] = math.fsum(values) / len(values)
                points[f"telemetry/{name}_max"] = max(values)
        return Point(self._second[role], points) if points else None
