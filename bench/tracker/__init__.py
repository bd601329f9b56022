"""Trackers: where a running cell is shown. Each is a frozen model of its settings with one verb, `open`."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple

from bench.cell import Cell
from bench.protocol import AnyEvent
from bench.record import Environment, Record
from bench.settings import Part
from bench.telemetry.reading import Reading


class CellInfo(NamedTuple):
    """The cell that a tracker is opened for."""

    cell: Cell
    key: str
    study: str
    title: str
    """The cell in a few words, for people."""
    folder: Path
    """Where the cell's files lie."""
    start_s: float
    """When the cell started, on the monotonic clock that events and samples bear."""
    environment: Environment


class Sink(ABC):
    """One cell's opened tracker. What it raises is told to the user once, and never touches the cell."""

    @abstractmethod
    def handle(self, event: AnyEvent) -> None:
        """Show `event`."""

    def sample(self, reading: Reading) -> None:  # noqa: B027
        """Show a reading of the telemetry; most sinks need not."""

    @abstractmethod
    def close(self, record: Record) -> None:
        """The cell has ended as `record` says."""


class Tracker(Part):
    """A place that shows runs. Reports never read it."""

    @abstractmethod
    def open(self, info: CellInfo) -> Sink:
        """Open it for one cell."""
