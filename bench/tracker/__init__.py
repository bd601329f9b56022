"""Trackers: where a running cell is shown. Each is a frozen model of its settings with one verb, `open`."""

from abc import ABC, abstractmethod
from pathlib import Path

from bench.events import AnyEvent
from bench.record import Record
from bench.settings import Part


class Sink(ABC):
    """One cell's opened tracker. What it raises is told to the user once, and never touches the cell."""

    @abstractmethod
    def hear(self, event: AnyEvent) -> None:
        """Show `event`."""

    @abstractmethod
    def close(self, record: Record) -> None:
        """The cell has ended as `record` says."""


class Tracker(Part):
    """A place that shows runs. Reports never read it."""

    @abstractmethod
    def open(self, folder: Path, title: str) -> Sink:
        """Open it for the cell that lives in `folder`."""
