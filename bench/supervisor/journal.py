"""events.jsonl: every event of a cell, one a line, over all of its runs."""

import json
from datetime import UTC, datetime
from pathlib import Path

from bench.protocol import AnyEvent
from bench.record import Record
from bench.tracker import Sink


class Journal(Sink):
    """Appends events as they come. Each run begins with a line that ties the monotonic clock to the wall clock."""

    def __init__(self, path: Path, start_s: float) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)
        anchor = {"kind": "started", "at_s": start_s, "wall_clock": datetime.now(UTC).isoformat()}
        self._file.write(json.dumps(anchor) + "\n")

    def handle(self, event: AnyEvent) -> None:
        self._file.write(event.model_dump_json() + "\n")

    def close(self, record: Record) -> None:
        self._file.close()
