"""What needs no Slurm; tests/slurm has the rest."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli import slurm
from bench.errors import InputError

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a script in place of Slurm's command."""

    def put(script: str) -> None:
        (tmp_path / "squeue").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "squeue").chmod(0o755)
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
    slurm.note(tmp_path, "7")
    assert slurm.in_queue([tmp_path]) == {}


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


def test_without_slurm_no_cell_is_run(start: Start, tmp_path: Path) -> None:
    process = start("-m", "hydra/launcher=slurm", "seed=0,1", f"runs={tmp_path}", "tracker=none", PATH=str(tmp_path))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert err == "Slurm does not answer: [Errno 2] No such file or directory: 'squeue'\n"
    assert [line.split()[:3] for line in out.splitlines()[-2:]] == [["seed", "0", "not"], ["seed", "1", "not"]]
