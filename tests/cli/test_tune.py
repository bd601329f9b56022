"""`tunebench tune` in processes of its own, with cells that load no torch."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import bench.__main__
from bench import console, decide, tune
from bench.cli.deciding import Deciding
from bench.tuning.result import read
from bench.tuning.settings import Tune

Bench = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]
WaitUntil = Callable[[Callable[[], bool]], None]

QUICK = (
    *("-m", "hydra/sweeper=tune", "hydra.sweeper.trials=2"),
    *("tracker=none", "telemetry.hz=2", "study=t1", "method=baseline,full"),
)
FILE = "t1-tune/winners/tiny+full+events.yaml"


@pytest.mark.parametrize(
    ("launcher", "in_order"), [((), True), (("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"), False)]
)
def test_all_trials_run_under_any_launcher(
    bench: Bench, tmp_path: Path, launcher: tuple[str, ...], in_order: bool
) -> None:
    done = bench(*QUICK, *launcher, f"runs={tmp_path}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 of 2  learning rate 0.000157  ok" in done.stdout
    assert "2 of 2  learning rate 0.0283  ok" in done.stdout
    assert done.stdout.splitlines()[-2:] == [
        "full on tiny and events: none of 2 trials has a score",
        f"Nothing was chosen for full on tiny and events; the records in {tmp_path}/t1-tune say why.",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t1-tune"]
    found = read(tmp_path / FILE)
    assert [trial.status for trial in found.trials] == ["ok", "ok"]
    assert {trial.key for trial in found.trials} == {
        path.parent.name.rpartition("-")[2] for path in tmp_path.glob("t1-tune/*/record.json")
    }


def test_a_search_that_was_stopped_goes_on(start: Start, bench: Bench, wait_until: WaitUntil, tmp_path: Path) -> None:
    process = start(*QUICK, f"runs={tmp_path}", LIGHT_CELL_S="300")
    wait_until(lambda: any('"train"' in path.read_text() for path in tmp_path.glob("*/*/events.jsonl")))
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert out.splitlines()[-2:] == [
        "full on tiny and events: 0 of 2 trials have ended",
        "The search is not complete: type the same command again, and it goes on.",
    ]
    refused = bench("tuned=t1", "method=full", f"runs={tmp_path}")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "tuned=t1: 0 of 2 trials of full on tiny and events have ended; type the command of the search again, and it "
        "goes on\nNothing was started.\n"
    )
    assert bench(*QUICK, f"runs={tmp_path}").returncode == 0
    assert read(tmp_path / FILE).complete


@pytest.mark.parametrize("command", [["tune.py"], ["tunebench", "tune"]])
def test_both_commands_choose_the_sweeper(monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    typed: list[list[str]] = []
    monkeypatch.setattr(bench.__main__, "main", lambda: typed.append(sys.argv[1:]) or 0)
    arguments = ["-m", "method=lora", "tune.trials=3", "tune.train_limit=9"]
    monkeypatch.setattr(sys, "argv", [*command, *arguments])
    assert (tune.main(arguments) if len(command) == 1 else console.main()) == 0
    own = ["hydra.sweeper.trials=3", "hydra.sweeper.train_limit=9"]
    assert typed == [["-m", "hydra/sweeper=tune", "method=lora", *own]]


@pytest.mark.parametrize(
    ("command", "typed", "sentence"),
    [
        (
            tune.main,
            "tune.trails=3",
            "tune.trails: there is no such setting; tune has trials, seed, train_seed, metric, train_limit, epochs",
        ),
        (decide.main, "decide.look=[3]", "decide.look: there is no such setting; decide has max_seeds, looks, metric"),
    ],
)
def test_mistakes_in_settings_of_the_whole_command(
    command: Callable[[list[str]], int], typed: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["method=lora", typed]) == 2
    assert capsys.readouterr().err == f"{sentence}\nNothing was started.\n"


def test_the_settings_that_can_be_typed_are_all_there_are() -> None:
    assert tuple(Tune.model_fields) == tune.OWN
    assert sorted(decide.OWN) == sorted(Deciding.model_fields)


def test_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert tune.main(["--help"], "tunebench tune") == 0
    out = capsys.readouterr().out
    assert "usage: tunebench tune [GROUP=CHOICE[,CHOICE...] ...] [KEY=VALUE ...]\n" in out
    assert all(f"tune.{name}" in out for name in tune.OWN)
