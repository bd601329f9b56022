"""The command in a process of its own, against everything around it. Its cells are real processes without torch."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from bench import store
from bench.cli.compose import job_of
from bench.record import Record

if TYPE_CHECKING:
    from omegaconf import DictConfig

Bench = Callable[..., subprocess.CompletedProcess[str]]
Compose = Callable[..., "DictConfig"]
Start = Callable[..., subprocess.Popen[str]]
WaitUntil = Callable[[Callable[[], bool]], None]

REPOSITORY = Path(__file__).parents[2]
LIGHT = Path(__file__).parent / "light"
BENCH = f"{sys.executable} -m bench"
UNCHECKED = "from bench.cli import check\ncheck.faults = lambda *_: []"
"""Leaves out the check, which would be the first to start the server."""
SMALL = "tracker=none metric=[token_f1] telemetry.hz=1 telemetry.gpu=null"


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run `command` with light cells."""
    return subprocess.run(
        ["bash", "-c", command],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": f"{LIGHT}:{REPOSITORY}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def began(runs: Path) -> bool:
    """Whether a cell's process has begun."""
    return any('"train"' in path.read_text() for path in runs.glob("default/*/events.jsonl"))


def records(runs: Path) -> list[Record | None]:
    return [store.read_record(folder) for folder in sorted(runs.glob("default/*/"))]


def statuses(runs: Path) -> list[str | None]:
    return [record and record.status for record in records(runs)]


def test_five_interrupts_do_not_cost_the_record(start: Start, wait_until: WaitUntil, tmp_path: Path) -> None:
    script = "import sitecustomize as light; light.interrupt_while_the_record_is_made()"
    variables = {"LIGHT_CELL_S": "300", "LIGHT_CELL_IGNORES": "SIGTERM"}
    process = start(*SMALL.split(), f"runs={tmp_path}", script=script, **variables)
    wait_until(lambda: began(tmp_path))
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    _, err = process.communicate(timeout=120)
    assert err.split("\n\n") == [
        "\nStopping after the current step; Ctrl-C again stops at once.",
        "Stopping at once.",
        "Writing the record.",
        "Writing the record.",
        "Writing the record.\nStopped.\n",
    ]
    assert process.returncode == 3
    (record,) = records(tmp_path)
    assert record is not None
    assert record.error is not None
    assert (record.status, record.error.phase) == ("interrupted", "train")


def test_two_interrupts_end_a_server_that_takes_long_to_start(
    start: Start, wait_until: WaitUntil, tmp_path: Path
) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "datasets.py").write_text(
        f"open({str(tmp_path / 'importing')!r}, 'w').close()\nimport time; time.sleep(300)"
    )
    process = start(*SMALL.split(), f"runs={tmp_path}", modules=slow, script=UNCHECKED)
    wait_until(lambda: (tmp_path / "importing").exists())
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    process.wait(timeout=30)
    assert statuses(tmp_path) == ["interrupted"]


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_cell_ends_with_its_supervisor(start: Start, wait_until: WaitUntil, tmp_path: Path) -> None:
    process = start(*SMALL.split(), f"runs={tmp_path}", LIGHT_CELL_S="300")
    wait_until(lambda: began(tmp_path))
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    wait_until(lambda: all(map(is_gone, children)))


def test_a_server_that_is_killed_takes_its_cell_along(start: Start, wait_until: WaitUntil, tmp_path: Path) -> None:
    process = start("-m", *SMALL.split(), f"runs={tmp_path}", "seed=0,1", LIGHT_CELL_S="300")
    wait_until(lambda: began(tmp_path))
    children = psutil.Process(process.pid).children()
    (server,) = (child for child in children if "forkserver" in " ".join(child.cmdline()))
    (cell,) = server.children()
    server.kill()
    wait_until(lambda: is_gone(cell))
    first, *_ = sorted(tmp_path.glob("default/*/"))
    (first / "events.jsonl").unlink()
    wait_until(lambda: began(tmp_path))
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert "1 of 2  seed 0  killed  in train: the server that forks cells was killed, and this cell with it\n" in out
    assert statuses(tmp_path) == ["killed", "interrupted"]


def test_a_reader_that_goes_away_does_not_end_the_sweep(tmp_path: Path) -> None:
    done = shell(f"{BENCH} -m {SMALL} runs={tmp_path} seed=0,1,2 | head -1; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stdout) == (0, "1 of 3  seed 0  train\n")
    assert done.stderr == (
        "Standard output is closed (nobody reads it); the cells go on, and their records say how they end.\n"
    )
    assert statuses(tmp_path) == ["ok", "ok", "ok"]


def test_closed_outputs_do_not_end_the_sweep(tmp_path: Path) -> None:
    done = shell(f"{BENCH} {SMALL} runs={tmp_path} >&- 2>&- <&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert statuses(tmp_path) == ["ok"]


def test_a_limit_on_the_size_of_files_is_one_sentence(tmp_path: Path) -> None:
    done = shell(f"ulimit -f 2; {BENCH} {SMALL} runs={tmp_path}")
    (folder,) = tmp_path.glob("default/*/")
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.splitlines()[2] == (
        f"tiny lora events seed 0  {folder}: File too large; raise the limit on the size of files (ulimit -f), "
        "and run again"
    )
    assert statuses(tmp_path) == [None]


def test_a_lock_that_is_no_file_costs_one_cell(bench: Bench, compose: Compose, tmp_path: Path) -> None:
    first, second = (job_of(compose(*SMALL.split(), f"runs={tmp_path}", f"seed={seed}")).folder() for seed in (0, 1))
    (first / ".lock").mkdir(parents=True)
    done = bench("-m", *SMALL.split(), f"runs={tmp_path}", "seed=0,1")
    assert (done.returncode, done.stderr) == (3, "")
    assert f"{first}/.lock cannot be locked (Is a directory); remove it and run again" in done.stdout
    assert (store.read_record(first), statuses(tmp_path)) == (None, [None, "ok"])
    assert second.is_dir()


BROKEN = {
    "raise RuntimeError('libcudart is broken')": (
        "the server that forks cells did not start: RuntimeError: libcudart is broken; see log.txt"
    ),
    "raise ImportError('libcudart is missing')": (
        "the cell's process ended with exit status 1: ImportError: libcudart is missing; see log.txt"
    ),
    "import os; os.kill(os.getpid(), 9)": "the server that forks cells did not start: it was killed; see log.txt",
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_server_that_fails_leaves_a_record_and_a_log(bench: Bench, tmp_path: Path, fault: str) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "datasets.py").write_text(fault)
    done = bench("-m", *SMALL.split(), f"runs={tmp_path}", "seed=0,1", modules=broken, script=UNCHECKED)
    assert done.returncode == 3
    assert "Traceback" not in done.stdout + done.stderr
    for record in records(tmp_path):
        assert record is not None
        assert record.error is not None
        assert (record.status, record.error.message, record.error.phase) == ("failed", BROKEN[fault], None)
        assert done.stdout.count(BROKEN[fault]) == 2
    if "raise" in fault:
        logs = [path.read_text() for path in tmp_path.glob("default/*/log.txt")]
        assert [log.splitlines()[-1] in BROKEN[fault] for log in logs] == [True, True]
