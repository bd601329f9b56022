import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bench.protocol import AnyEvent
from bench.record import Record
from bench.record_sections import Error
from bench.telemetry.reading import Reading
from bench.tracker import CellInfo
from bench.tracker.tensorboard import TensorBoard


def track(cell_info: CellInfo, cell_events: list[AnyEvent], readings: list[Reading], record: Record) -> None:
    sink = TensorBoard(name="tensorboard").open(cell_info)
    for event in cell_events:
        sink.handle(event)
    for reading in readings:
        sink.sample(reading)
    sink.close(record)


def read(cell_info: CellInfo) -> list[EventAccumulator]:
    """Every run of the cell, as TensorBoard itself loads it."""
    found = [EventAccumulator(str(folder)) for folder in sorted((cell_info.folder / "tensorboard").iterdir())]
    return [accumulator.Reload() for accumulator in found]


def curve(accumulator: EventAccumulator, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in accumulator.Scalars(name)]


def text(accumulator: EventAccumulator, name: str) -> str:
    (event,) = accumulator.Tensors(name)
    lines: list[str] = event.tensor_proto.string_val[0].decode().splitlines()
    assert all(line.startswith("    ") for line in lines)
    return "\n".join(line[4:] for line in lines)


def test_curves_and_scores_are_read_back(
    cell_info: CellInfo, cell_events: list[AnyEvent], readings: list[Reading], record: Record
) -> None:
    track(cell_info, cell_events, readings, record)
    (run,) = read(cell_info)
    curves = {name: curve(run, name) for name in run.Tags()["scalars"]}
    assert curves == {
        "train/loss": [(1, 3.5)],
        "train/learning_rate": [(1, pytest.approx(1e-4))],
        "train/grad_norm": [(1, 1.5)],
        "train/epoch": [(1, 0.5)],
        "train/step_time_s": [(1, 0.5)],
        "train/tokens_per_s": [(1, 1200.0)],
        "evaluation/loss": [(2, 2.25)],
        "telemetry/gpu0/power_w_mean": [(0, 160.0), (1, 100.0)],
        "telemetry/gpu0/power_w_max": [(0, 700.0), (1, 100.0)],
        "telemetry/gpu0/energy_j": [(0, 5_009.0), (1, 5_019.0)],
        "telemetry/host/rss_bytes_mean": [(0, 1_004.5), (1, 1_014.5)],
        "telemetry/host/rss_bytes_max": [(0, 1_009.0), (1, 1_019.0)],
        "telemetry/host/cpu_s": [(0, pytest.approx(1.8)), (1, pytest.approx(3.8))],
        "scores.token_f1": [(2, 0.625)],
    }
    assert text(run, "status") == "ok"
    assert yaml.safe_load(text(run, "config")) == cell_info.cell.model_dump(mode="json")
    assert json.loads(text(run, "environment")) == cell_info.environment.model_dump(mode="json")


def test_telemetry_bears_the_time_at_which_it_was_read(
    cell_info: CellInfo, readings: list[Reading], record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.tracker.tensorboard.time.monotonic", lambda: 107.0)
    monkeypatch.setattr("bench.tracker.tensorboard.time.time", lambda: 1_000_007.0)
    track(cell_info, [], readings, record)
    (run,) = read(cell_info)
    events = run.Scalars("telemetry/gpu0/power_w_max")
    assert [(event.step, event.wall_time) for event in events] == [(0, 1_000_000.0), (1, 1_000_001.0)]


def test_a_cell_that_was_killed_closes_with_its_status(
    cell_info: CellInfo, cell_events: list[AnyEvent], record: Record
) -> None:
    error = Error(type="SIGKILL", message="the cell's process was ended by SIGKILL", phase="train")
    killed: dict[str, Any] = {"status": "killed", "error": error, "scores": None, "training": None}
    track(cell_info, cell_events[:8], [], record.model_copy(update=killed))
    (run,) = read(cell_info)
    assert text(run, "status") == "killed\nthe cell's process was ended by SIGKILL"
    assert "scores.token_f1" not in run.Tags()["scalars"]


def test_every_run_of_a_cell_has_its_own_curves(
    cell_info: CellInfo, cell_events: list[AnyEvent], record: Record
) -> None:
    track(cell_info, cell_events, [], record)
    track(cell_info, cell_events, [], record)
    assert [curve(run, "train/loss") for run in read(cell_info)] == [[(1, 3.5)], [(1, 3.5)]]


def test_a_step_can_be_read_while_the_cell_runs(
    cell_info: CellInfo, cell_events: list[AnyEvent], record: Record
) -> None:
    sink = TensorBoard(name="tensorboard").open(cell_info)
    for event in cell_events[:8]:
        sink.handle(event)
    (run,) = read(cell_info)
    assert curve(run, "train/loss") == [(1, 3.5)]
    sink.close(record)


def test_a_full_disk_is_an_error_at_once(cell_info: CellInfo, cell_events: list[AnyEvent]) -> None:
    sink = TensorBoard(name="tensorboard").open(cell_info)
    with Path("/dev/full").open("wb", buffering=0) as full:
        sink._file._writer = full
        with pytest.raises(OSError, match="No space left on device"):
            sink.handle(cell_events[7])


def test_the_closing_line_shows_the_curves_of_all_cells() -> None:
    folders = [Path("my runs/demo/a"), Path("my runs/demo/b")]
    line = TensorBoard(name="tensorboard").closing_line(folders)
    assert line == "To see the curves: tensorboard --logdir 'my runs/demo'"


SUPERVISOR = """
import pickle, sys
from pathlib import Path
from bench.tracker.tensorboard import TensorBoard

cell_info, cell_events, record = pickle.loads(Path(sys.argv[1]).read_bytes())
sink = TensorBoard(name="tensorboard").open(cell_info)
for event in cell_events:
    sink.handle(event)
sink.close(record)
print(sorted({"tensorflow", "torch", "pandas"} & set(sys.modules)))
"""


def test_neither_torch_nor_tensorflow_is_loaded(
    cell_info: CellInfo, cell_events: list[AnyEvent], record: Record, tmp_path: Path
) -> None:
    handed = tmp_path / "handed"
    handed.write_bytes(pickle.dumps((cell_info, cell_events, record)))
    command = [sys.executable, "-c", SUPERVISOR, str(handed)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
    assert curve(read(cell_info)[0], "train/loss") == [(1, 3.5)]
