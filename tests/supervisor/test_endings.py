"""The command in a process of its own, against everything around it. Its cells are real processes without torch."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import store
from bench.record import Record

REPOSITORY = Path(__file__).parents[2]
LIGHT = Path(__file__).parent / "light"
BENCH = f"{sys.executable} -m bench"
SMALL = "tracker=none metric=[token_f1] telemetry.hz=1 telemetry.gpu=null"


def environment(*first: Path, **variables: str) -> dict[str, str]:
    """With the folders `first` in front of all other modules."""
    return os.environ | {"PYTHONPATH": ":".join(map(str, (*first, REPOSITORY)))} | variables


def shell(command: str, *first: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command],
        cwd=REPOSITORY,
        env=environment(*(first or (LIGHT,))),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def wait_for(condition: Callable[[], bool]) -> None:
    give_up_s = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < give_up_s
        time.sleep(0.05)


def records(runs: Path) -> list[Record | None]:
    return [store.read_record(folder) for folder in sorted(runs.glob("default/*/"))]


def statuses(runs: Path) -> list[str | None]:
    return [record and record.status for record in records(runs)]


def test_five_interrupts_do_not_cost_the_record(tmp_path: Path) -> None:
    script = "import sitecustomize as light; light.interrupt_while_the_record_is_made()\n"
    script += "from bench.__main__ import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; {script}", *SMALL.split(), f"runs={tmp_path}"],
        cwd=REPOSITORY,
        env=environment(LIGHT, LIGHT_CELL_S="300"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: any('"train"' in path.read_text() for path in tmp_path.glob("default/*/events.jsonl")))
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    _, err = process.communicate(timeout=120)
    assert err.split("\n\n") == [
        "\nStopping after the current step; once more to stop at once.",
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


def test_two_interrupts_end_a_server_that_takes_long_to_start(tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "datasets.py").write_text(
        f"open({str(tmp_path / 'importing')!r}, 'w').close()\nimport time; time.sleep(300)"
    )
    script = (
        "import sys\nfrom hydra import compose, initialize_config_dir\nfrom bench.cli.compose import job_of\n"
        "from bench.configuration import CONF\nfrom bench.supervisor.supervise import supervise\n"
        "with initialize_config_dir(str(CONF), version_base='1.3'):\n"
        "    supervise(job_of(compose('config', sys.argv[1:], return_hydra_config=True)))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, *SMALL.split(), f"runs={tmp_path}"],
        cwd=REPOSITORY,
        env=environment(slow),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: (tmp_path / "importing").exists())
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    process.wait(timeout=30)
    assert statuses(tmp_path) == ["interrupted"]


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


def test_a_lock_that_is_no_file_costs_one_cell(tmp_path: Path) -> None:
    both = f"{BENCH} -m {SMALL} runs={tmp_path} seed=0,1"
    assert shell(both).returncode == 0
    first, second = sorted(tmp_path.glob("default/*/"))
    for folder in (first, second):
        (folder / "record.json").unlink()
        (folder / ".lock").unlink()
    (first / ".lock").mkdir()
    done = shell(both)
    assert (done.returncode, done.stderr) == (3, "")
    assert f"{first}/.lock cannot be locked (Is a directory); remove it and run again" in done.stdout
    assert statuses(tmp_path) == [None, "ok"]


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
def test_a_server_that_fails_leaves_a_record_and_a_log(tmp_path: Path, fault: str) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "datasets.py").write_text(fault)
    done = shell(f"{BENCH} -m {SMALL} runs={tmp_path} seed=0,1", broken)
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


def test_a_record_that_cannot_be_read_is_never_a_warning(tmp_path: Path) -> None:
    command = f"{BENCH} {SMALL} runs={tmp_path}"
    assert shell(command).returncode == 0
    (folder,) = tmp_path.glob("default/*/")
    (folder / "record.json").unlink()
    (folder / "record.json").symlink_to(folder / "record.json")
    done = shell(command)
    assert done.returncode != 0
    assert done.stderr == (
        f"{folder}/record.json cannot be read (Too many levels of symbolic links); make it readable, remove it, or "
        "give another folder with runs=...\nNothing was started.\n"
    )
