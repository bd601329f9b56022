"""TensorBoard: event files in the cell's folder, written without torch or TensorFlow."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from bench.protocol import AnyEvent
from bench.record import Record
from bench.telemetry.reading import Reading
from bench.tracker import CellInfo, Sink, Tracker
from bench.tracker.series import Point, Thinned, point_of


class TensorBoard(Tracker):
    """Curves, final scores and texts in `tensorboard/` of the cell's folder, a folder for each run of the cell."""

    def open(self, info: CellInfo) -> EventFile:
        return EventFile(info)

    def closing_line(self, folders: Sequence[Path]) -> str | None:
        """The command that shows the curves."""
        return f"To see the curves: {shlex.join(['tensorboard', '--logdir', os.path.commonpath(folders)])}"


class EventFile(Sink):
    """One run of a cell. The x axis is the optimiser step, for telemetry the second since the cell's start."""

    def __init__(self, info: CellInfo) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        now_s = time.time()
        # A cell that is resumed repeats steps; in one folder its curves would run back and forth.
        folder = info.folder / "tensorboard" / datetime.fromtimestamp(now_s).strftime("%Y%m%d-%H%M%S-%f")
        folder.mkdir(parents=True)
        self._start_wall_s = now_s - time.monotonic() + info.start_s
        self._telemetry = Thinned()
        self._event = Event
        # Unbuffered, so that a step can be seen at once and a full disk is an error at once.
        self._file = RecordWriter((folder / f"events.out.tfevents.{int(now_s)}.{os.getpid()}").open("wb", buffering=0))
        self._write(Event(wall_time=now_s, file_version="brain.Event:2"))
        self._text("config", OmegaConf.to_yaml(OmegaConf.create(info.cell.model_dump(mode="json"))))
        self._text("environment", info.environment.model_dump_json(indent=1))

    def handle(self, event: AnyEvent) -> None:
        if (point := point_of(event)) is not None:
            self._scalars(point, time.time())

    def sample(self, reading: Reading) -> None:
        if (point := self._telemetry.add(reading)) is not None:
            self._scalars(point, self._start_wall_s + point.at)

    def close(self, record: Record) -> None:
        for point in self._telemetry.rest():
            self._scalars(point, self._start_wall_s + point.at)
        scores = {f"scores.{name}": value for name, value in (record.scores or {}).items() if value is not None}
        self._scalars(Point(record.training.steps if record.training else 0, scores), time.time())
        self._text("status", record.status if record.error is None else f"{record.status}\n{record.error.message}")
        self._file.close()

    def _scalars(self, point: Point, wall_s: float) -> None:
        values = [{"tag": name, "simple_value": value} for name, value in point.values.items()]
        self._write(self._event(wall_time=wall_s, step=point.at, summary={"value": values}))

    def _text(self, name: str, text: str) -> None:
        from tensorboard.plugins.text.summary_v2 import text_pb

        # Indented by four spaces, it is shown as it is, not as Markdown or HTML.
        verbatim = "".join(f"    {line}\n" for line in text.splitlines())
        self._write(self._event(wall_time=time.time(), step=0, summary=text_pb(name, verbatim)))

    def _write(self, event: Any) -> None:
        self._file.write(event.SerializeToString())
