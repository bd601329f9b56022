import json
import os
import pickle
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import psutil
import pytest
from wandb.proto import wandb_internal_pb2

from bench.machine import Scheduler
from bench.protocol import AnyEvent
from bench.record import Record
from bench.record_sections import Error
from bench.telemetry.reading import Reading
from bench.tracker import CellInfo, wandb
from bench.tracker.wandb import Wandb, WandbRun, sync_command
from bench.tracker.wandb_uploader import uploaded_mark

KEY = "0123456789abcdef0123456789abcdef0123beef"
"""Planted where a key may lie. It must not come out anywhere else."""

pytestmark = pytest.mark.usefixtures("wandb_apart")


def track(
    settings: Wandb, cell_info: CellInfo, cell_events: list[AnyEvent], readings: list[Reading], record: Record
) -> WandbRun:
    sink = settings.open(cell_info)
    for event in cell_events:
        sink.handle(event)
    for reading in readings:
        sink.sample(reading)
    sink.close(record)
    return sink


def offline(**changes: Any) -> Wandb:
    return Wandb(name="wandb", mode="offline", **changes)


def killed(record: Record) -> Record:
    error = Error(type="SIGKILL", message="the cell's process was ended by SIGKILL", phase="train")
    return record.model_copy(update={"status": "killed", "error": error, "scores": None})


def logs(cell_info: CellInfo) -> list[Path]:
    return sorted((cell_info.folder / "wandb").glob("*run-*/*.wandb"))


def records(log: Path) -> Iterator[Any]:
    """The records of a run's log: protocol buffers in LevelDB's log format, cut into blocks of 32 KiB."""
    content = log.read_bytes()
    position, whole = 7, b""
    while position + 7 <= len(content):
        if 32768 - position % 32768 < 7:
            position += 32768 - position % 32768
        length, kind = int.from_bytes(content[position + 4 : position + 6], "little"), content[position + 6]
        whole += content[position + 7 : position + 7 + length]
        position += 7 + length
        if position > len(content):
            # The library is still writing this one.
            return
        if kind in (1, 4):
            yield wandb_internal_pb2.Record.FromString(whole)
            whole = b""


def values(items: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in items:
        *parents, last = list(item.nested_key) or [item.key]
        node = found
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = json.loads(item.value_json)
    return found


class Log:
    """What one run's log holds."""

    def __init__(self, path: Path) -> None:
        self.history: list[dict[str, Any]] = []
        self.summary: dict[str, Any] = {}
        self.config: dict[str, Any] = {}
        self.metrics: dict[str, str] = {}
        self.artifacts: list[tuple[str, str]] = []
        self.exit_code: int | None = None
        self.kinds = []
        for record in records(path):
            self.kinds.append(record.WhichOneof("record_type"))
            match self.kinds[-1]:
                case "run":
                    self.run = record.run
                    self.config |= values(record.run.config.update)
                case "config":
                    self.config |= values(record.config.update)
                case "history":
                    row = values(record.history.item)
                    self.history.append({name: value for name, value in row.items() if not name.startswith("_")})
                case "summary":
                    self.summary |= values(record.summary.update)
                case "metric":
                    self.metrics[record.metric.name or record.metric.glob_name] = record.metric.step_metric
                case "artifact":
                    self.artifacts.append((record.artifact.type, record.artifact.name))
                case "exit":
                    self.exit_code = record.exit.exit_code


def read(cell_info: CellInfo) -> Log:
    """The only run's log, once the library's own process has written its end."""
    (path,) = logs(cell_info)
    until(lambda: Log(path).exit_code is not None)
    return Log(path)


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def table(cell_info: CellInfo, row: dict[str, Any], name: str) -> tuple[list[str], list[list[Any]]]:
    (log,) = logs(cell_info)
    content = json.loads((log.parent / "files" / row[name]["path"]).read_text())
    return content["columns"], content["data"]


def dotted(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        return {path: value}
    return {name: leaf for key in value for name, leaf in dotted(value[key], f"{path}.{key}" if path else key).items()}


def test_a_run_kept_offline_has_all_that_belongs_to_the_cell(
    cell_info: CellInfo, cell_events: list[AnyEvent], readings: list[Reading], record: Record
) -> None:
    track(offline(), cell_info, cell_events, readings, record)
    log = read(cell_info)

    cell = cell_info.cell
    assert (log.run.project, log.run.run_group, log.run.job_type) == ("tunebench", "demo", "lora")
    assert log.run.display_name == "tiny lora events seed 0"
    assert list(log.run.tags) == ["tiny", "lora", "events", "seed-0"]
    assert {name: value for name, value in log.config.items() if not name.startswith("_")} == {
        **cell.model_dump(mode="json"),
        "key": "0123456789ab",
        "study": "demo",
        "environment": cell_info.environment.model_dump(mode="json"),
        "telemetry_devices": {"gpu0": "GPU-a"},
    }
    assert log.metrics == {
        "train/step": "",
        "telemetry/t_s": "",
        "train/*": "train/step",
        "evaluation/*": "train/step",
        "telemetry/*": "telemetry/t_s",
        "phase": "telemetry/t_s",
    }
    steps = [row for row in log.history if "train/step" in row]
    assert steps == [
        {
            "train/step": 1,
            "train/loss": 3.5,
            "train/learning_rate": 1e-4,
            "train/grad_norm": 1.5,
            "train/epoch": 0.5,
            "train/step_time_s": 0.5,
            "train/tokens_per_s": 1200.0,
        },
        {"train/step": 2, "evaluation/loss": 2.25},
    ]
    assert [(row["telemetry/t_s"], row["phase"]) for row in log.history if "phase" in row] == [
        (0.5, "load"),
        (2.0, "prepare"),
        (3.0, "train"),
        (11.0, "validate"),
        (14.0, "train"),
        (23.0, "generate"),
        (25.0, "score"),
        (26.0, "latency"),
        (27.0, "save"),
    ]
    power = "telemetry/gpu0/power_w"
    peaks = [
        (row["telemetry/t_s"], row[f"{power}_mean"], row[f"{power}_max"])
        for row in log.history
        if f"{power}_max" in row
    ]
    assert peaks == [(0, 160.0, 700.0), (1, 100.0, 100.0)]
    assert log.exit_code == 0


def test_the_summary_has_the_record_under_its_own_names(
    cell_info: CellInfo, cell_events: list[AnyEvent], record: Record
) -> None:
    track(offline(), cell_info, cell_events, [], record)
    content = record.model_dump(mode="json", exclude={"cell", "environment", "phases"})
    summary = read(cell_info).summary
    assert dotted({name: summary[name] for name in content}) == dotted(content)
    assert summary["scores"] == {"token_f1": 0.625, "bertscore_f1": None}
    assert summary["status"] == "ok"
    # It trains for 8 s, validates, and trains for 9 s more.
    assert {name: summary["phase_seconds"][name] for name in ("load", "train", "validate")} == {
        "load": 1.5,
        "train": 17.0,
        "validate": 3.0,
    }


def test_a_table_shows_predictions_from_all_over_the_file(
    cell_info: CellInfo, cell_events: list[AnyEvent], record: Record
) -> None:
    track(offline(predictions=3), cell_info, cell_events, [], record)
    rows = read(cell_info).history
    (predictions,) = [row for row in rows if "predictions" in row]
    assert table(cell_info, predictions, "predictions") == (
        ["id", "cluster", "prediction", "references", "token_f1"],
        [
            ["q0", "document 0", "<b>answer\u20280</b>", "answer 0\nsomething else", 1.0],
            ["q3", "document 1", "<b>answer\u20283</b>", "answer 3\nsomething else", 1.0],
            ["q6", "document 3", "<b>answer\u20286</b>", "answer 6\nsomething else", 1.0],
        ],
    )


def test_no_answer_leaves_the_machine_unless_asked_for(
    cell_info: CellInfo, cell_events: list[AnyEvent], record: Record
) -> None:
    track(offline(), cell_info, cell_events, [], record)
    log = read(cell_info)
    assert not [row for row in log.history if "predictions" in row]
    assert not _mentioning(b"something else", cell_info)
    track(offline(predictions=3), cell_info, cell_events, [], record)
    assert _mentioning(b"something else", cell_info)


def _mentioning(text: bytes, cell_info: CellInfo) -> list[Path]:
    files = [path for path in (cell_info.folder / "wandb").rglob("*") if path.is_file()]
    assert files
    return [path for path in files if text in path.read_bytes()]


def test_the_adapter_is_an_artifact_only_if_asked_for(
    cell_info: CellInfo, cell_events: list[AnyEvent], record: Record
) -> None:
    track(offline(upload_adapter=True), cell_info, cell_events, [], record)
    assert ("adapter", cell_info.folder.name) in read(cell_info).artifacts
    other = cell_info._replace(folder=cell_info.folder.with_name("other"))
    (cell_info.folder / "predictions.jsonl").rename(other.folder.mkdir() or other.folder / "predictions.jsonl")
    track(offline(), other, cell_events, [], record)
    assert "adapter" not in dict(read(other).artifacts)


def test_a_killed_cell_closes_its_run_with_its_status(
    cell_info: CellInfo, cell_events: list[AnyEvent], record: Record
) -> None:
    track(offline(predictions=3), cell_info, cell_events[:8], [], killed(record))
    log = read(cell_info)
    assert log.exit_code == 1
    assert log.summary["status"] == "killed"
    assert log.summary["error"] == {
        "type": "SIGKILL",
        "message": "the cell's process was ended by SIGKILL",
        "phase": "train",
    }
    assert [row["train/loss"] for row in log.history if "train/loss" in row] == [3.5]
    # Predictions of an earlier run may lie in the folder; they are not this one's.
    assert not [row for row in log.history if "predictions" in row]


def test_runs_that_overlap_do_not_mix(cell_info: CellInfo, cell_events: list[AnyEvent], record: Record) -> None:
    other = cell_info._replace(folder=cell_info.folder.with_name("other"), title="other")
    other.folder.mkdir()
    first, second = offline().open(cell_info), offline().open(other)
    for event in cell_events:
        first.handle(event)
    second.handle(cell_events[7])
    second.close(killed(record))
    first.close(record)
    assert [len([row for row in read(each).history if "phase" in row]) for each in (cell_info, other)] == [9, 0]
    assert [read(each).exit_code for each in (cell_info, other)] == [0, 1]
    assert read(other).run.display_name == "other"


@pytest.mark.parametrize("place", ["environment", "netrc"])
def test_a_key_is_written_nowhere(
    place: str,
    cell_info: CellInfo,
    cell_events: list[AnyEvent],
    record: Record,
    wandb_server: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", wandb_server.url)
    if place == "environment":
        monkeypatch.setenv("WANDB_API_KEY", KEY)
    else:
        netrc = tmp_path / "netrc"
        netrc.write_text(f"machine {wandb_server.url.removeprefix('http://')} login user password {KEY}\n")
        monkeypatch.setenv("NETRC", str(netrc))
    track(Wandb(name="wandb"), cell_info, cell_events, [], record)
    # The key was found and used, or this test shows nothing.
    assert wandb_server.keys == {f"Basic {_basic(KEY)}"}
    files = [path for path in cell_info.folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".wandb", ".log", ".json"}
    leaks = [path for path in files for secret in (KEY, _basic(KEY)) if secret.encode() in path.read_bytes()]
    assert leaks == []


def _basic(key: str) -> str:
    from base64 import b64encode

    return b64encode(f"api:{key}".encode()).decode()


def test_an_online_run_reaches_the_server(
    cell_info: CellInfo,
    cell_events: list[AnyEvent],
    readings: list[Reading],
    record: Record,
    wandb_server: Any,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", wandb_server.url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    track(Wandb(name="wandb", entity="lab"), cell_info, cell_events, readings, killed(record))
    assert capfd.readouterr() == ("", "")
    (run,) = wandb_server.runs.values()
    wanted = {"project": "tunebench", "entity": "lab", "groupName": "demo", "jobType": "lora"}
    wanted |= {"displayName": "tiny lora events seed 0", "tags": ["tiny", "lora", "events", "seed-0"]}
    assert {name: run.fields[name] for name in wanted} == wanted
    assert run.config["method"]["value"] == cell_info.cell.method.model_dump(mode="json")
    assert [row["train/loss"] for row in run.history if "train/loss" in row] == [3.5]
    assert [row["telemetry/gpu0/power_w_max"] for row in run.history if "telemetry/gpu0/power_w_max" in row] == [
        700,
        100,
    ]
    assert run.exit_code == 1
    assert json.loads(run.files["wandb-summary.json"])["status"] == "killed"
    assert not [name for name in run.files if name in ("wandb-metadata.json", "requirements.txt", "output.log")]
    assert sync_command([cell_info.folder]) is None


def test_what_was_kept_reaches_the_server_once_by_the_line_that_is_printed(
    cell_info: CellInfo, cell_events: list[AnyEvent], record: Record, wandb_server: Any, tmp_path: Path
) -> None:
    cells = [
        cell_info._replace(folder=tmp_path / "my runs" / "demo" / name, title=name) for name in ("a cell", "b", "c")
    ]
    for cell in cells:
        cell.folder.mkdir(parents=True)
        track(offline(), cell, cell_events, [], record)
    kept, begun_online, uploaded = (logs(cell)[0] for cell in cells)
    begun_online.parent.rename(begun_online.parent.with_name(begun_online.parent.name.removeprefix("offline-")))
    uploaded_mark(uploaded).touch()
    line = sync_command([cells[0].folder])
    assert line == f"wandb sync --include-online '{tmp_path}/my runs/demo'/*/wandb"
    assert wandb_server.runs == {}
    known = os.environ | {"WANDB_BASE_URL": wandb_server.url, "WANDB_API_KEY": KEY}
    known |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(line, shell=True, env=known, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    runs = {run.fields["displayName"]: run for run in wandb_server.runs.values()}
    assert sorted(runs) == ["a cell", "b"]
    run = runs["a cell"]
    assert run.fields["groupName"] == "demo"
    assert [row["train/loss"] for row in run.history if "train/loss" in row] == [3.5]
    assert json.loads(run.files["wandb-summary.json"])["scores"] == {"token_f1": 0.625, "bertscore_f1": None}
    assert run.exit_code == 0
    assert uploaded_mark(kept).exists()
    assert sync_command(cell.folder for cell in cells) is None


def test_nothing_to_sync_where_nothing_was_kept(tmp_path: Path) -> None:
    assert sync_command([tmp_path, tmp_path / "missing"]) is None


def test_one_line_syncs_all_studies(tmp_path: Path) -> None:
    for name in (
        "one/a/wandb/offline-run-1-x/run-x.wandb",
        "it's two/b/wandb/offline-run-2-y/run-y.wandb",
        "three/c/wandb/run-3-z/run-z.wandb",
    ):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    (tmp_path / "three/c/wandb/run-3-z/run-z.wandb.synced").touch()
    assert sync_command([tmp_path / cell for cell in ("one/a", "it's two/b", "three/c")]) == (
        f"""wandb sync '{tmp_path}/it'"'"'s two'/*/wandb {tmp_path}/one/*/wandb"""
    )


@pytest.mark.parametrize("server", ["refuses", "is_silent"])
def test_a_server_that_cannot_be_reached_costs_the_cell_nothing(
    server: str,
    cell_info: CellInfo,
    cell_events: list[AnyEvent],
    record: Record,
    silent_server: Any,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    if server == "refuses":
        silent_server.die()
    monkeypatch.setenv("WANDB_BASE_URL", silent_server.url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    begun_s = time.monotonic()
    sink = Wandb(name="wandb", init_timeout_s=1).open(cell_info)
    for event in cell_events:
        sink.handle(event)
    heard_s = time.monotonic() - begun_s
    sink.close(record)
    closed_s = time.monotonic() - begun_s
    assert heard_s < 0.5
    assert closed_s < 12
    log = read(cell_info)
    assert logs(cell_info)[0].parent.name.startswith("offline-run-")
    assert len([row for row in log.history if "phase" in row]) == 9
    assert log.exit_code == 0
    assert sync_command([cell_info.folder]) == f"wandb sync {cell_info.folder.parent}/*/wandb"
    out, err = capfd.readouterr()
    assert out == ""
    assert re.fullmatch(r"W&B did not accept the run, so it is kept offline: Timed out .*\n", err)


def test_a_server_that_dies_in_the_middle_holds_nobody_up(
    cell_info: CellInfo,
    cell_events: list[AnyEvent],
    record: Record,
    wandb_server: Any,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", wandb_server.url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    sink = Wandb(name="wandb", finish_timeout_s=1).open(cell_info)
    for event in cell_events[:8]:
        sink.handle(event)
    until(lambda: bool(wandb_server.runs))
    wandb_server.die()
    begun_s = time.monotonic()
    for event in cell_events[8:]:
        sink.handle(event)
    heard_s = time.monotonic() - begun_s
    with pytest.raises(TimeoutError, match=r"^W&B did not finish in time; what it has so far is in .*/wandb$"):
        sink.close(record)
    closed_s = time.monotonic() - begun_s
    assert heard_s < 0.5
    assert closed_s < 8
    assert sync_command([cell_info.folder]) == f"wandb sync --include-online {cell_info.folder.parent}/*/wandb"
    assert len([row for row in read(cell_info).history if "phase" in row]) == 9
    assert read(cell_info).summary["scores"] == {"token_f1": 0.625, "bertscore_f1": None}
    assert capfd.readouterr() == ("", "")


def test_only_one_cell_of_a_sweep_waits_for_a_server_that_is_late(
    cell_info: CellInfo,
    cell_events: list[AnyEvent],
    record: Record,
    wandb_server: Any,
    silent_server: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", silent_server.url)
    late = Wandb(name="wandb", init_timeout_s=1).open(cell_info)
    late.close(record)
    monkeypatch.setenv("WANDB_BASE_URL", wandb_server.url)
    following = Wandb(name="wandb").open(cell_info)
    following.close(record)
    assert not wandb_server.runs
    assert all(log.parent.name.startswith("offline-run-") for log in logs(cell_info))


SUPERVISOR = """
import pickle, sys
from pathlib import Path
from bench.tracker.wandb import Wandb

cell_info, cell_events, record = pickle.loads(Path(sys.argv[1]).read_bytes())
sink = Wandb(name="wandb", predictions=3, finish_timeout_s=4).open(cell_info)
for event in cell_events:
    sink.handle(event)
input()
try:
    sink.close(record)
except TimeoutError as error:
    print(error)
print("torch" in sys.modules)
"""


def test_the_command_ends_although_the_server_has_died(
    cell_info: CellInfo, cell_events: list[AnyEvent], record: Record, wandb_server: Any, tmp_path: Path
) -> None:
    """With a table of predictions, which the library asks the server about, and waits 20 s for the answer."""
    handed = tmp_path / "handed"
    handed.write_bytes(pickle.dumps((cell_info, cell_events, record)))
    known = os.environ | {"WANDB_BASE_URL": wandb_server.url, "WANDB_API_KEY": KEY}
    command = [sys.executable, "-c", SUPERVISOR, str(handed)]
    with subprocess.Popen(command, env=known, text=True, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        until(lambda: bool(wandb_server.runs))
        wandb_server.die()
        begun_s = time.monotonic()
        out, err = process.communicate("\n", timeout=60)
        took_s = time.monotonic() - begun_s
    assert out == f"W&B did not finish in time; what it has so far is in {cell_info.folder}/wandb\nFalse\n"
    assert err == ""
    assert process.returncode == 0
    assert took_s < 20
    (path,) = logs(cell_info)
    assert sync_command([cell_info.folder]) == f"wandb sync --include-online {cell_info.folder.parent}/*/wandb"
    # The library's own process may still be writing.
    until(lambda: "scores" in Log(path).summary)
    log = Log(path)
    assert len([row for row in log.history if "phase" in row]) == 9
    assert log.summary["scores"] == {"token_f1": 0.625, "bertscore_f1": None}


def test_a_batch_system_that_ends_all_processes_of_a_job_does_not_end_the_librarys_own(
    cell_info: CellInfo, cell_events: list[AnyEvent], record: Record, tmp_path: Path
) -> None:
    job = Scheduler(name="slurm", job_id="7", node="n1", restarts=0)
    in_job = cell_info._replace(environment=cell_info.environment.model_copy(update={"scheduler": job}))
    handed = tmp_path / "handed"
    handed.write_bytes(pickle.dumps((in_job, cell_events, record)))
    command = [sys.executable, "-c", SUPERVISOR, str(handed)]
    known = os.environ | {"WANDB_MODE": "offline"}
    with subprocess.Popen(command, env=known, text=True, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        until(lambda: bool(logs(cell_info)))
        # What Slurm's proctrack/linuxproc sees as a job's processes.
        for descendant in psutil.Process(process.pid).children(recursive=True):
            descendant.terminate()
        out, err = process.communicate("\n", timeout=60)
    assert (out, err) == ("False\n", "")
    log = read(cell_info)
    assert len([row for row in log.history if "phase" in row]) == 9
    assert log.summary["scores"] == {"token_f1": 0.625, "bertscore_f1": None}


NO_KEY = (
    "W&B has no key on this machine, so runs stay offline. After `wandb login`, new runs go online, and the same "
    "command again prints how to upload these. tracker=none switches W&B off."
)
SYNC = "To upload what is not at W&B yet, once no cell is running any more:\nwandb sync {study}/*/wandb"


@pytest.mark.parametrize(
    ("mode", "environment", "closing_line"),
    [
        ("auto", {}, NO_KEY),
        ("online", {}, NO_KEY),
        (
            "auto",
            {"WANDB_API_KEY": KEY, "WANDB_MODE": "offline"},
            SYNC,
        ),
        (
            "offline",
            {"WANDB_API_KEY": KEY, "WANDB_MODE": "online"},
            SYNC,
        ),
    ],
)
def test_a_run_is_kept_offline_where_it_is_asked_for_or_there_is_no_key(
    mode: Any,
    environment: dict[str, str],
    closing_line: str,
    cell_info: CellInfo,
    record: Record,
    wandb_server: Any,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", wandb_server.url)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    track(Wandb(name="wandb", mode=mode), cell_info, [], [], record)
    (log,) = logs(cell_info)
    assert log.parent.name.startswith("offline-run-")
    assert Wandb(name="wandb").closing_line([cell_info.folder]) == closing_line.format(study=cell_info.folder.parent)
    assert wandb_server.keys == set()
    assert capfd.readouterr() == ("", "")


def test_a_disabled_library_stays_so(cell_info: CellInfo, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    track(Wandb(name="wandb"), cell_info, [], [], record)
    assert not (cell_info.folder / "wandb").exists()


def test_a_library_that_takes_nothing_any_more_is_given_up(
    cell_info: CellInfo, cell_events: list[AnyEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    monkeypatch.setattr(wandb, "MAX_QUEUED", 3)
    monkeypatch.setattr(wandb.Uploader, "_start_run", lambda self: held.wait())
    sink = offline().open(cell_info)
    steps = [event for event in cell_events if event.kind == "step"]
    for _ in range(3):
        sink.handle(steps[0])
    with pytest.raises(TimeoutError, match=r"^W&B takes no more rows; what it has so far is in .*/wandb$"):
        sink.handle(steps[0])
    held.set()


def test_a_fault_in_the_library_is_raised_when_the_cell_ends(
    cell_info: CellInfo, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cell_info.folder / "predictions.jsonl").unlink()
    sink = offline(predictions=3).open(cell_info)
    with pytest.raises(FileNotFoundError, match=r"predictions\.jsonl"):
        sink.close(record)
    assert read(cell_info).exit_code == 0
