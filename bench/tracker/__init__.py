"""Trackers: places that show a running cell. Each is a frozen model of its settings with one main method, `open`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.cell import Cell
from bench.machine import Environment
from bench.protocol import AnyEvent
from bench.record import Record
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
    """Where the cell's files are."""
    start_s: float
    """When the cell started, on the monotonic clock of events and readings."""
    environment: Environment


class Sink(ABC):
    """The tracker of one running cell. An exception in it is printed once and never affects the cell."""

    @abstractmethod
    def handle(self, event: AnyEvent) -> None:
        """Show `event`."""

    def sample(self, reading: Reading) -> None:  # noqa: B027
        """Show a telemetry reading. Sinks that show none leave this as it is."""

    @abstractmethod
    def close(self, record: Record) -> None:
        """Show how the cell ended, and close what is open."""


class Tracker(Part):
    """A place that shows runs. Reports never read it."""

    @abstractmethod
    def open(self, info: CellInfo) -> Sink:
        """Start showing one cell."""

    def closing_line(self, folders: Sequence[Path]) -> str | None:
        """What to tell the user when all cells of a command have ended, or None.

        Args:
            folders: the folders of the command's cells that this tracker has shown, those of skipped cells included.
        """
        return None
