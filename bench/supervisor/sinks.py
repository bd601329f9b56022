"""The sinks of a running cell: the journal, the terminal and the trackers."""

from collections.abc import Callable, Sequence

from bench.protocol import AnyEvent
from bench.record import Record
from bench.supervisor.progress import warn
from bench.telemetry.reading import Reading
from bench.tracker import CellInfo, Sink, Tracker


class Sinks:
    """All sinks of a cell. One that raises is dropped with a warning; the cell and the other sinks go on."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = list(sinks)

    def open(self, tracker: Tracker, info: CellInfo) -> None:
        """Open `tracker` and add its sink."""
        try:
            self._sinks.append(tracker.open(info))
        except Exception as error:
            warn(f"tracker {tracker.name} could not be opened: {error}")

    def handle(self, event: AnyEvent) -> None:
        """Pass `event` to every sink."""
        self._each(lambda sink: sink.handle(event))

    def sample(self, readings: Sequence[Reading]) -> None:
        """Pass `readings` to every sink."""

        def show(sink: Sink) -> None:
            for reading in readings:
                sink.sample(reading)

        self._each(show)

    def close(self, record: Record) -> None:
        """Close every sink with the cell's record."""
        self._each(lambda sink: sink.close(record))

    def _each(self, call: Callable[[Sink], None]) -> None:
        for sink in list(self._sinks):
            try:
                call(sink)
            except Exception as error:
                self._sinks.remove(sink)
                warn(f"{type(sink).__name__} stopped: {error}")
