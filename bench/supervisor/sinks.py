"""Everything that hears of a running cell besides its account."""

import sys
from collections.abc import Callable, Sequence

from bench.protocol import AnyEvent
from bench.record import Record
from bench.telemetry.reading import Reading
from bench.tracker import CellInfo, Sink, Tracker


class Sinks:
    """All sinks of a cell. One that raises is dropped and told of, once; the cell and the others go on."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = list(sinks)

    def open(self, tracker: Tracker, info: CellInfo) -> None:
        """Open `tracker` and add its sink."""
        try:
            self._sinks.append(tracker.open(info))
        except Exception as error:
            print(f"tracker {tracker.name} could not be opened: {error}", file=sys.stderr)

    def handle(self, event: AnyEvent) -> None:
        """Hand `event` to all."""
        self._each(lambda sink: sink.handle(event))

    def sample(self, readings: Sequence[Reading]) -> None:
        """Hand `readings` to all."""

        def show(sink: Sink) -> None:
            for reading in readings:
                sink.sample(reading)

        self._each(show)

    def close(self, record: Record) -> None:
        """Tell all how the cell ended."""
        self._each(lambda sink: sink.close(record))

    def _each(self, call: Callable[[Sink], None]) -> None:
        for sink in list(self._sinks):
            try:
                call(sink)
            except Exception as error:
                self._sinks.remove(sink)
                print(f"{type(sink).__name__} stopped: {error}", file=sys.stderr)
