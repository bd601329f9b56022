import json
from datetime import UTC, datetime
from pathlib import Path

from bench.protocol import AnyEvent, parse
from bench.record import Record
from bench.supervisor.journal import Journal


def test_every_event_of_all_runs(tmp_path: Path, cell_events: list[AnyEvent], record: Record) -> None:
    path = tmp_path / "events.jsonl"
    for start_s in (100.0, 500.0):
        before = datetime.now(UTC)
        journal = Journal(path, start_s)
        for event in cell_events:
            journal.handle(event)
        journal.close(record)
        after = datetime.now(UTC)

    lines = path.read_text().splitlines()
    anchors, events = [lines[0], lines[1 + len(cell_events)]], lines[1 : 1 + len(cell_events)]
    assert [json.loads(anchor)["at_s"] for anchor in anchors] == [100.0, 500.0]
    assert {json.loads(anchor)["kind"] for anchor in anchors} == {"started"}
    assert before <= datetime.fromisoformat(json.loads(anchors[1])["wall_clock"]) <= after
    assert [parse(line) for line in events] == cell_events
    assert lines[2 + len(cell_events) :] == events


def test_a_line_is_in_the_file_at_once(tmp_path: Path, cell_events: list[AnyEvent]) -> None:
    journal = Journal(tmp_path / "events.jsonl", 100.0)
    for number, event in enumerate(cell_events, start=2):
        journal.handle(event)
        assert (tmp_path / "events.jsonl").read_text().count("\n") == number
