"""Cells on a machine with two GPUs, which the real nvidia-ml-py sees in a stand-in for the driver's library."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import store
from bench.record import Record

Bench = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]
WaitUntil = Callable[[Callable[[], bool]], None]

A, B = "GPU-00000000-0000-0000-0000-000000000000", "GPU-00000001-0000-0000-0000-000000000000"
SMALL = ("tracker=none", "metric=[token_f1]", "telemetry.idle_s=0")
WATTS = {A: 300.0, B: 400.0}


@pytest.fixture
def two_gpus(build_nvml: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(build_nvml()))
    monkeypatch.setenv("NVML_STUB_BOARDS", "2")


def records(runs: Path) -> list[Record]:
    found = [store.read_record(folder) for folder in sorted(runs.glob("default/*/"))]
    return [record for record in found if record is not None]


def stretch(folder: Path) -> tuple[float, float]:
    """When the cell's process began and ended to compute."""
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    times = [event["at_s"] for event in events if event["kind"].startswith("phase_")]
    return min(times), max(times)


@pytest.mark.usefixtures("two_gpus")
def test_four_workers_share_two_gpus_one_cell_at_a_time(bench: Bench, tmp_path: Path) -> None:
    joblib = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=4")
    grid = (f"runs={tmp_path}", f"gpu_locks={tmp_path}/locks", "seed=0,1,2,3")
    done = bench("-m", *joblib, *SMALL, *grid, LIGHT_CELL_S="2.5", LIGHT_CELL_SEES="visible")
    assert (done.returncode, done.stderr) == (0, "")
    assert "waiting for a free GPU of 2" in done.stdout
    cells = {folder: store.read_record(folder) for folder in tmp_path.glob("default/*/")}
    used: dict[str, list[tuple[float, float]]] = {A: [], B: []}
    for folder, record in cells.items():
        assert record is not None
        assert record.environment.gpu is not None
        (gpu,) = record.environment.gpu
        assert record.base is not None
        assert record.base.gpus == (gpu.uuid,)
        used[gpu.uuid].append(stretch(folder))
        assert record.power is not None
        assert [*record.power.devices] == [gpu.uuid]
        assert record.power.energy_j == pytest.approx(WATTS[gpu.uuid] * record.power.seconds, rel=0.01)
        assert record.power.peak_sampled_power_w == WATTS[gpu.uuid]
    for stretches in used.values():
        (_, first_end), (second_start, _) = sorted(stretches)
        assert first_end < second_start


@pytest.mark.usefixtures("two_gpus")
def test_a_cell_that_runs_on_another_gpu_beside_others_says_both(bench: Bench, tmp_path: Path) -> None:
    cell = (*SMALL, f"runs={tmp_path}", f"gpu_locks={tmp_path}/locks")
    assert bench(*cell, CUDA_VISIBLE_DEVICES="0", LIGHT_CELL_SEES=B, LIGHT_CELL_S="2.5").returncode == 0
    (record,) = records(tmp_path)
    assert (record.power, record.missing["power"]) == (None, "other_device")
    others = {"NVML_STUB_PID": "1", "LIGHT_CELL_SEES": "visible", "LIGHT_CELL_S": "2.5"}
    assert bench(*cell, "force=true", **others).returncode == 0
    (record,) = records(tmp_path)
    assert record.power is not None
    assert record.telemetry.shared_board == {A: True}


@pytest.mark.usefixtures("two_gpus")
def test_more_gpus_than_a_cell_uses_are_refused_before_anything_starts(bench: Bench, tmp_path: Path) -> None:
    done = bench(*SMALL, f"runs={tmp_path}/runs", CUDA_VISIBLE_DEVICES="0,1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "CUDA_VISIBLE_DEVICES=0,1 names 2 GPUs, and a cell uses 1 (gpus_per_cell); name 1, or unset it, so that each "
        "cell takes what is free\nNothing was started.\n"
    )
    assert [*tmp_path.glob("runs/default/*")] == []


@pytest.mark.usefixtures("two_gpus")
def test_a_cell_that_waits_for_a_gpu_ends_when_asked_to(start: Start, wait_until: WaitUntil, tmp_path: Path) -> None:
    cell = (*SMALL, f"runs={tmp_path}", f"gpu_locks={tmp_path}/locks")
    runs = start(*cell, "seed=0", CUDA_VISIBLE_DEVICES="1", LIGHT_CELL_S="300")
    wait_until(lambda: [*tmp_path.glob("default/*/events.jsonl")] != [])
    waits = start(*cell, "seed=1", CUDA_VISIBLE_DEVICES=B)
    assert waits.stdout is not None
    assert waits.stdout.readline() == "tiny lora events seed 1  waiting for a free GPU of 1\n"
    waits.send_signal(signal.SIGINT)
    out, err = waits.communicate(timeout=60)
    assert waits.returncode == 3
    assert err == "\nStopping; Ctrl-C again stops at once.\nStopped.\n"
    assert out.splitlines()[-1].split() == ["tiny", "lora", "events", "seed", "1", "not", "run", "-", "-", "-"]
    runs.send_signal(signal.SIGINT)
    runs.communicate(timeout=60)
    (record,) = records(tmp_path)
    assert (record.status, [*record.power.devices] if record.power else None) == ("interrupted", [B])


GPUS = ("-m", "hydra/launcher=gpus", *SMALL)


def endings(output: str) -> list[list[str]]:
    """The first words of the rows of the table at the end."""
    rows = output.partition("\ncell ")[2].splitlines()[1:]
    return [row.split()[:3] for row in rows]


@pytest.mark.usefixtures("two_gpus")
def test_as_many_cells_run_at_the_same_time_as_there_are_gpus(bench: Bench, tmp_path: Path) -> None:
    done = bench(*GPUS, f"runs={tmp_path}", f"gpu_locks={tmp_path}/locks", "seed=0,1,2", LIGHT_CELL_S="1")
    assert (done.returncode, done.stderr) == (0, "")
    assert endings(done.stdout) == [["seed", str(seed), "ok"] for seed in range(3)]
    gpus = [record.environment.gpu for record in records(tmp_path)]
    assert {gpu[0].uuid for gpu in gpus if gpu} == {A, B}
    # Two workers never wait for each other; a third would have waited.
    assert "waiting" not in done.stdout
    begun_s, ended_s = zip(*(stretch(folder) for folder in tmp_path.glob("default/*/")), strict=True)
    assert sorted(begun_s)[2] > min(ended_s)


def test_without_a_gpu_the_cells_run_one_after_another(bench: Bench, tmp_path: Path) -> None:
    done = bench(*GPUS, f"runs={tmp_path}", "seed=0,1", LD_LIBRARY_PATH="", CUDA_VISIBLE_DEVICES="")
    assert (done.returncode, done.stderr) == (0, "")
    said = "hydra/launcher=gpus: no GPU can be seen; the cells run on the CPU, one at a time"
    assert done.stdout.splitlines()[0] == said
    (_, first_end), (second_start, _) = sorted(stretch(folder) for folder in tmp_path.glob("default/*/"))
    assert first_end < second_start


def test_without_joblib_the_command_says_what_to_install(bench: Bench, tmp_path: Path) -> None:
    script = "sys.modules['hydra_plugins.hydra_joblib_launcher'] = None"
    done = bench(*GPUS, f"runs={tmp_path}", "seed=0,1", script=script)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "hydra/launcher: joblib is not installed; type: pip install 'tunebench[joblib]'\nNothing was started.\n"
    )


@pytest.mark.usefixtures("two_gpus")
def test_a_cell_on_two_gpus_has_the_energy_of_both_and_no_other(bench: Bench, tmp_path: Path) -> None:
    cell = (*SMALL, f"runs={tmp_path}", f"gpu_locks={tmp_path}/locks", "gpus_per_cell=2")
    done = bench(*cell, CUDA_VISIBLE_DEVICES=f"{B},0", NVML_STUB_BOARDS="3", LIGHT_CELL_S="2.5")
    assert (done.returncode, done.stderr) == (0, "")
    (record,) = records(tmp_path)
    assert record.environment.gpu is not None
    assert [gpu.uuid for gpu in record.environment.gpu] == [B, A]
    assert record.power is not None
    assert record.power.energy_j == pytest.approx(700.0 * record.power.seconds, rel=0.01)
    assert {path.name for path in tmp_path.glob("locks/*")} == {A, B}


@pytest.mark.usefixtures("two_gpus")
def test_more_gpus_for_a_cell_than_there_are_are_refused(bench: Bench, tmp_path: Path) -> None:
    done = bench(*GPUS, f"runs={tmp_path}", "gpus_per_cell=2,4", "method=lora,adalora")
    assert done.returncode == 2
    assert done.stderr == (
        "gpus_per_cell: must be 1 for method=adalora, which compares the weights of all layers, and peft does that on "
        "one GPU (conf/config.yaml)\nNothing was started.\n"
    )
    done = bench(*GPUS, f"runs={tmp_path}", "gpus_per_cell=2,4")
    assert (done.returncode, done.stderr) == (
        2,
        "this machine has 2 GPUs that can be used, and a cell uses 4 (gpus_per_cell)\nNothing was started.\n",
    )
