"""Cells as jobs of a real Slurm, and what becomes of them when their jobs do not end as planned.

`make slurm-check` starts a Slurm of two nodes and runs these tests. All cases run at the same time; only the failure of
a node comes after all others.
"""

import contextlib
import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event
from typing import Any

import psutil
import pytest

from bench.cli import slurm
from bench.errors import InputError

pytestmark = pytest.mark.slurm

SMALL = (
    *("hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.timeout_min=20", "telemetry.gpu=null"),
    *("dataset.train_documents=60", "dataset.test_documents=10", "train.micro_batch=4"),
)
COMMAND = (sys.executable, "-m", "bench", "-m")
SLOW = str(Path(__file__).with_name("slow"))


class Sweep:
    """A sweep that runs, in a folder that it shares with all others."""

    def __init__(self, folder: Path, study: str, *overrides: str, tracker: str = "none", slow: bool = True) -> None:
        self.folder = folder / "runs" / study
        path = os.pathsep.join([*([SLOW] if slow else []), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            [*COMMAND, *SMALL, f"study={study}", f"tracker={tracker}", *overrides],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": path, "WANDB_MODE": "offline"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def cell(self, seed: int = 0) -> Path:
        (cell,) = wait_for(lambda: list(self.folder.glob(f"*-s{seed}-*")))
        return Path(cell)

    def job(self, seed: int = 0) -> str:
        return str(wait_for(lambda: slurm.noted(self.cell(seed))))

    def wait_for_step(self, step: int, seed: int = 0) -> None:
        events = self.cell(seed) / "events.jsonl"
        wait_for(lambda: events.exists() and f'"step":{step},' in events.read_text())

    def record(self, seed: int = 0) -> dict[str, Any]:
        return json.loads((self.cell(seed) / "record.json").read_text())

    def end(self) -> tuple[int, str]:
        """The exit status and what was printed."""
        out, _ = self.process.communicate(timeout=1200)
        return self.process.returncode, out


def wait_for(condition: Callable[[], Any], timeout_s: float = 600) -> Any:
    end_s = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.2)
    return value


def grid(folder: Path) -> Any:
    sweep = Sweep(folder, "grid", "method=baseline,lora", "seed=0,1", slow=False)
    status, out = sweep.end()
    records = [json.loads(path.read_text()) for path in sorted(sweep.folder.glob("*lora*/record.json"))]
    nodes = [
        json.loads(path.read_text())["environment"]["scheduler"]["node"] for path in sweep.folder.glob("*/record.json")
    ]
    return status, out, set(nodes), records


def batch_signal(folder: Path) -> Any:
    sweep = Sweep(folder, "signal", "method=lora", tracker="wandb")
    sweep.wait_for_step(3)
    subprocess.run(["scancel", "--signal=USR2", sweep.job()], check=True)
    interrupted = wait_for(lambda: (sweep.cell() / "record.json").exists() and sweep.record())
    checkpoints = list((sweep.cell() / "checkpoints").glob("checkpoint-*/trainer_state.json"))
    status, _ = sweep.end()
    return interrupted, len(checkpoints), status, sweep.record(), steps_at_wandb(sweep.cell())


def time_limit(folder: Path) -> Any:
    """A limit that the cell exceeds: 144 slow steps take 72 s, and the signal comes after 60 s."""
    limits = ("hydra.launcher.timeout_min=2", "hydra.launcher.signal_delay_s=60")
    sweep = Sweep(folder, "limit", "method=lora", *limits, "train.epochs=12")
    status, _ = sweep.end()
    return status, sweep.record()


def preemption(folder: Path) -> Any:
    """Jobs of partition `main` take the machine away from those of `scavenge`."""
    sweep = Sweep(folder, "preemption", "method=lora", "hydra.launcher.partition=scavenge")
    sweep.wait_for_step(3)
    node = subprocess.run(
        ["squeue", "--noheader", f"--jobs={sweep.job()}", "--format=%N"], capture_output=True, text=True, check=True
    ).stdout.strip()
    subprocess.run(["srun", f"--nodelist={node}", "--cpus-per-task=2", "--partition=main", "sleep", "1"], check=True)
    status, _ = sweep.end()
    return status, sweep.record()


def cancelled(folder: Path) -> Any:
    sweep = Sweep(folder, "cancelled", "method=lora", tracker="wandb")
    sweep.wait_for_step(3)
    subprocess.run(["scancel", sweep.job()], check=True)
    cancelled_s = time.monotonic()
    status, out = sweep.end()
    return status, out, sweep.record(), time.monotonic() - cancelled_s, steps_at_wandb(sweep.cell())


def lost(folder: Path) -> Any:
    """A job that is killed leaves no record."""
    sweep = Sweep(folder, "lost", "method=lora")
    sweep.wait_for_step(3)
    kill(processes("SLURM_JOB_ID", sweep.job()))
    killed_s = time.monotonic()
    status, out = sweep.end()
    return status, out, sweep.job(), time.monotonic() - killed_s


def node_failure(folder: Path) -> Any:
    """All processes of a node are gone, and Slurm notices after a while."""
    sweep = Sweep(folder, "node", "method=lora")
    sweep.wait_for_step(6)
    node = processes("SLURM_JOB_ID", sweep.job())[0].environ()["SLURMD_NODENAME"]
    steps = [process for process in psutil.process_iter() if process.name() == "slurmstepd"]
    daemons = [process for process in psutil.process_iter() if text(process).endswith(f"slurmd -N {node}")]
    kill([*steps, *daemons, *processes("SLURMD_NODENAME", node)])
    time.sleep(30)
    subprocess.run(["slurmd", "-N", node], check=True)
    status, _ = sweep.end()
    return status, sweep.record()


def steps_at_wandb(cell: Path) -> list[int]:
    """For each run that W&B keeps in the cell's folder, whether it ended or not, the last step in its log."""
    read = runpy.run_path(str(Path(__file__).parents[1] / "tracker" / "test_wandb.py"))["records"]
    last = []
    for log in sorted(cell.glob("wandb/*run-*/*.wandb")):
        records = list(read(log))
        assert any(record.HasField("run") for record in records)
        rows = [
            {"/".join(item.nested_key) or item.key: item.value_json for item in each.history.item} for each in records
        ]
        last.append(max((int(row["train/step"]) for row in rows if "train/step" in row), default=0))
    return last


def processes(variable: str, value: str) -> list[psutil.Process]:
    """The processes that have an environment variable with this value."""
    return [process for process in psutil.process_iter() if environ(process).get(variable) == value]


def environ(process: psutil.Process) -> dict[str, str]:
    with contextlib.suppress(psutil.Error):
        return process.environ()
    return {}


def text(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def kill(targets: list[psutil.Process]) -> None:
    for process in targets:
        with contextlib.suppress(psutil.Error):
            process.kill()


def left_alone(folder: Path) -> Any:
    sweep = Sweep(folder, "left", "method=lora")
    job = sweep.job()
    sweep.process.send_signal(signal.SIGINT)
    first = sweep.end()
    again = Sweep(folder, "left", "method=lora")
    return job, first, again.end(), again.job()


def hurry(done: Event) -> None:
    """Let jobs that are put back into the queue start at once: Slurm has them wait for two minutes."""
    while not done.wait(2):
        waiting = subprocess.run(
            ["squeue", "--noheader", "--states=PENDING", "--format=%A %r"], capture_output=True, text=True, check=False
        )
        for line in waiting.stdout.splitlines():
            if line.endswith(" BeginTime"):
                command = ["scontrol", "update", f"JobId={line.split()[0]}", "StartTime=now"]
                subprocess.run(command, capture_output=True, check=False)


CASES = (grid, batch_signal, time_limit, preemption, cancelled, lost, left_alone)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Any]]]:
    """What each case gives; all of them run."""
    try:
        slurm.active()
    except InputError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("slurm")
    done = Event()
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(len(CASES) + 2) as pool:
        patch.setenv("OMP_NUM_THREADS", "1")
        pool.submit(hurry, done)
        futures = {case.__name__: pool.submit(case, folder) for case in CASES}

        def after_all_others() -> Any:
            wait(futures.values())
            return node_failure(folder)

        yield futures | {"node_failure": pool.submit(after_all_others)}
        done.set()


def numbers(record: dict[str, Any]) -> Any:
    return record["scores"], record["training"]["last_loss"], record["training"]["steps"]


def test_a_grid_runs_on_all_nodes(results: dict[str, Future[Any]]) -> None:
    status, out, nodes, _ = results["grid"].result()
    assert status == 0, out
    assert nodes == {"n1", "n2"}


def test_a_batch_signal_costs_no_step(results: dict[str, Future[Any]]) -> None:
    interrupted, n_checkpoints, status, record, at_wandb = results["batch_signal"].result()
    assert (interrupted["status"], interrupted["error"]["phase"]) == ("interrupted", "train")
    assert interrupted["error"]["message"] == (
        "stopped by SIGUSR2; run it again and it goes on from its last checkpoint"
    )
    assert n_checkpoints == 1
    assert (status, record["status"]) == (0, "ok")
    assert record["environment"]["scheduler"]["restarts"] >= 1
    assert record["training"]["resumed_from_step"] >= 3
    first, *_ = results["grid"].result()[3]
    assert numbers(record) == numbers(first)
    assert len(at_wandb) == 2
    assert at_wandb[0] >= 3
    assert at_wandb[1] == record["training"]["steps"]


def test_a_job_that_is_too_short_is_run_again_until_its_cell_is_done(results: dict[str, Future[Any]]) -> None:
    status, record = results["time_limit"].result()
    assert (status, record["status"]) == (0, "ok")
    assert record["environment"]["scheduler"]["restarts"] >= 1
    assert record["training"]["resumed_from_step"] > 0


def test_a_preempted_job_is_run_again(results: dict[str, Future[Any]]) -> None:
    status, record = results["preemption"].result()
    assert (status, record["status"]) == (0, "ok")
    assert record["environment"]["scheduler"]["restarts"] >= 1
    assert record["training"]["resumed_from_step"] > 0
    assert numbers(record) == numbers(results["grid"].result()[3][0])


def test_a_cancelled_job_leaves_a_record(results: dict[str, Future[Any]]) -> None:
    status, out, record, seconds, at_wandb = results["cancelled"].result()
    assert (status, record["status"]) == (3, "interrupted")
    assert record["error"]["message"] == "stopped by SIGTERM; run it again and it goes on from its last checkpoint"
    assert re.search(r"^tiny lora events seed 0 +interrupted ", out, re.MULTILINE)
    assert re.search(r"^wandb sync .*/\*/wandb$", out, re.MULTILINE)
    assert "Traceback" not in out
    assert len(at_wandb) == 1
    assert at_wandb[0] >= 3
    assert seconds < 60


def test_a_lost_job_is_named(results: dict[str, Future[Any]]) -> None:
    status, out, job, seconds = results["lost"].result()
    assert status == 3
    assert (
        f"job {job} ended without a record: it was cancelled or lost; its output is in runs/lost/.submitit/{job}" in out
    )
    assert re.search(r"^tiny lora events seed 0 +not run ", out, re.MULTILINE)
    assert "Traceback" not in out
    assert seconds < 60


def test_the_jobs_of_a_node_that_fails_are_run_again(results: dict[str, Future[Any]]) -> None:
    status, record = results["node_failure"].result()
    assert (status, record["status"]) == (0, "ok")
    assert record["environment"]["scheduler"]["restarts"] >= 1


def test_ctrl_c_leaves_the_jobs_and_says_how_to_cancel_them(results: dict[str, Future[Any]]) -> None:
    job, (status, out), (again, out_again), job_again = results["left_alone"].result()
    assert status == 3
    assert f"The jobs stay in the queue. To cancel them: scancel {job}" in out
    assert re.search(r"^tiny lora events seed 0 +(queued|running) ", out, re.MULTILINE)
    assert again == 0
    assert re.search(rf"(pending|running) already, as job {job}", out_again)
    assert job_again == job
