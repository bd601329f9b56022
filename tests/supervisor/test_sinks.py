"""What shows or stores a cell's events may fail, and costs nothing but itself."""

from typing import Any

import pytest

from bench.protocol import AnyEvent, Resumed
from bench.record import Record
from bench.supervisor.sinks import Sinks
from bench.telemetry.reading import Reading
from bench.tracker import Sink, Tracker

EVENT = Resumed(step=3)
READING = Reading("host", 0.5)


class Seen(Sink):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def handle(self, event: AnyEvent) -> None:
        self.given.append(event)

    def sample(self, reading: Reading) -> None:
        self.given.append(reading)

    def close(self, record: Record) -> None:
        self.given.append(record)


class Broken(Sink):
    """Raises at whatever it is given."""

    def handle(self, event: AnyEvent) -> None:
        raise RuntimeError("no luck\n  at all")

    def close(self, record: Record) -> None:
        raise AssertionError("it was dropped")


class Unreachable(Tracker):
    def open(self, info: Any) -> Sink:
        raise OSError("no route")


def test_a_sink_that_raises_is_dropped_and_the_others_go_on(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    seen = Seen()
    sinks = Sinks({Broken(): "broken", seen: "seen"})
    sinks.handle(EVENT)
    sinks.sample([READING])
    sinks.handle(EVENT)
    sinks.close(record)
    assert seen.given == [EVENT, READING, EVENT, record]
    assert capsys.readouterr().err == "broken stopped: no luck at all\n"


def test_a_tracker_that_cannot_be_opened_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    info: Any = None
    Sinks({}).open(Unreachable(name="lab"), info)
    assert capsys.readouterr().err == "lab could not be opened: no route\n"
