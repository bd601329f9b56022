"""What needs no Slurm; tests/slurm has the rest."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli import slurm
from bench.errors import InputError


def command(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a script in place of Slurm's command."""

    def put(script: str) -> None:
        command(tmp_path / "squeue", script)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    return put


def test_only_cells_whose_job_is_listed_are_in_the_queue(squeue: Callable[[str], None], tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("waits", "runs", "ended", "never")]
    for folder, job_id in zip(folders, ("7_0", "7_1", "6"), strict=False):
        slurm.note(folder, job_id)
    squeue("printf '7_0 PENDING\\n7_1 COMPLETING\\n8 RUNNING\\n'")
    assert slurm.in_queue(folders) == {folders[0]: "queued", folders[1]: "running"}


def test_a_slurm_that_does_not_answer_says_why(squeue: Callable[[str], None], tmp_path: Path) -> None:
    squeue("echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(InputError) as refused:
        slurm.active()
    assert str(refused.value) == ("Slurm does not answer: slurm_load_jobs error: Unable to contact slurm controller")
    ended, lost = tmp_path / "ended", tmp_path / "lost"
    slurm.note(ended, "7_0")
    (ended / "record.json").touch()
    slurm.note(lost, "7_1")
    assert slurm.in_queue([ended, lost, tmp_path / "never"]) == {lost: "unknown"}


def test_a_slurm_that_answers_no_more_is_not_waited_for_forever(
    squeue: Callable[[str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    squeue("echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
    monkeypatch.setattr(slurm, "POLL_S", 0.01)
    monkeypatch.setattr(slurm, "GIVE_UP_S", 0.1)
    slurm.wait({"7": ("a cell", tmp_path, None)})
    assert capsys.readouterr().err == (
        "Slurm does not answer: slurm_load_jobs error: Unable to contact slurm controller. Jobs that are in its queue "
        "stay there; the same command waits for them again.\n"
    )


def test_a_command_that_does_not_come_to_an_end_with_queueing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "QUEUEING_S", 0.1)
    with slurm.queueing(tmp_path), pytest.raises(InputError) as refused, slurm.queueing(tmp_path):
        pass
    assert str(refused.value) == (
        f"{tmp_path}: another command has been queueing jobs for more than 0 s; end it, or remove "
        f"{tmp_path}/.queueing.lock if there is none, and run again"
    )
    with slurm.queueing(tmp_path):
        pass


def test_without_slurm_no_cell_is_run(start: Start, tmp_path: Path) -> None:
    process = start("-m", "hydra/launcher=slurm", "seed=0,1", f"runs={tmp_path}", "tracker=none", PATH=str(tmp_path))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert err == "Slurm does not answer: [Errno 2] No such file or directory: 'squeue'\n"
    assert [line.split()[:3] for line in out.splitlines()[-2:]] == [["seed", "0", "not"], ["seed", "1", "not"]]


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """A folder of commands in place of Slurm's: `sbatch` takes a second, and all its jobs stay in the queue."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    command(folder / "sbatch", f"touch {folder}/asked; sleep 1; echo 7 >>{folder}/queue; echo Submitted batch job 7")
    command(
        folder / "squeue",
        f"echo look >>{folder}/looks; test -e {folder}/queue && printf '7_0 PENDING\\n7_1 PENDING\\n' || true",
    )
    command(folder / "srun", "exit 1")
    return folder


def queue_two(start: Start, cluster: Path) -> "subprocess.Popen[str]":
    path = os.pathsep.join([str(cluster), os.environ["PATH"]])
    return start(
        *("-m", "hydra/launcher=slurm", "seed=0,1", f"runs={cluster}/runs", "study=faq", "tracker=none"), PATH=path
    )


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def ignores_ctrl_c(process: "subprocess.Popen[str]") -> bool:
    (mask,) = re.findall(r"^SigIgn:\s(\w+)$", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    return bool(int(mask, 16) & 1 << signal.SIGINT - 1)


def noted(cluster: Path) -> list[str]:
    return sorted(path.read_text() for path in cluster.glob("runs/faq/*/.job"))


def test_ctrl_c_while_a_job_is_queued_does_not_leave_it_without_its_cell(start: Start, cluster: Path) -> None:
    process = queue_two(start, cluster)
    until((cluster / "asked").exists)
    os.killpg(process.pid, signal.SIGINT)
    until(lambda: not ignores_ctrl_c(process))
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert noted(cluster) == ["7_0", "7_1"]
    assert err == "\nThe jobs stay in the queue. To cancel them: scancel 7\nStopped.\n"
    assert [line.split()[:3] for line in out.splitlines()[-2:]] == [["seed", "0", "queued"], ["seed", "1", "queued"]]


def test_two_commands_at_once_queue_no_cell_twice(start: Start, cluster: Path) -> None:
    both = [queue_two(start, cluster) for _ in range(2)]
    until(lambda: (cluster / "looks").exists() and len((cluster / "looks").read_text().splitlines()) == 2)
    until(lambda: len(noted(cluster)) == 2 and not any(map(ignores_ctrl_c, both)))
    for process in both:
        process.send_signal(signal.SIGINT)
    out = [process.communicate(timeout=60)[0] for process in both]
    assert (cluster / "queue").read_text() == "7\n"
    assert noted(cluster) == ["7_0", "7_1"]
    assert sorted(text.count("pending already, as job 7_") for text in out) == [0, 2]
