"""The sinks of a running cell: the journal, the terminal and the trackers."""

from collections.abc import Callable, Sequence
from operator import methodcaller

from bench.errors import on_one_line
from bench.protocol import AnyEvent
from bench.record import Record
from bench.supervisor.progress import warn
from bench.telemetry.reading import Reading
from bench.tracker import CellInfo, Sink, Tracker


class Sinks:
    """All sinks of a cell, with names. One that raises is dropped with a warning; the cell and the others go on."""

    def __init__(self, names: dict[Sink, str]) -> None:
        self._names = dict(names)

    def open(self, tracker: Tracker, info: CellInfo) -> None:
        try:
            self._names[tracker.open(info)] = tracker.name
        except Exception as error:
            warn(f"{tracker.name} could not be opened: {on_one_line(error)}")

    def handle(self, event: AnyEvent) -> None:
        self._each(methodcaller("handle", event))

    def sample(self, readings: Sequence[Reading]) -> None:
        for reading in readings:
            self._each(methodcaller("sample", reading))

    def close(self, record: Record) -> None:
        self._each(methodcaller("close", record))

    def _each(self, call: Callable[[Sink], None]) -> None:
        for sink, name in list(self._names.items()):
            try:
                call(sink)
            except Exception as error:
                del self._names[sink]
                warn(f"{name} stopped: {on_one_line(error)}")
