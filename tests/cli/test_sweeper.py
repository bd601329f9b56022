"""Sweepers of tunebench: every cell is planned, and those that are launched run batch after batch."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hydra.core.utils import JobReturn, JobStatus

from bench.cli import check, place, points, sweep
from bench.cli.points import Point
from bench.cli.sweeper import BatchSweeper

if TYPE_CHECKING:
    from omegaconf import DictConfig

Compose = Callable[..., "DictConfig"]


class Narrowing(BatchSweeper):
    """Launches the first cell, and then it again with another seed; never the second."""

    @staticmethod
    def points(config: "DictConfig") -> list[Point]:
        cells = points.grid(config)
        return [*cells, [*cells[0], "seed=7"]]

    def batches(self) -> Iterator[Sequence[sweep.PlannedCell]]:
        yield sweep.planned[:1]
        yield sweep.planned[2:]


class Recording:
    """A launcher that notes what it was given."""

    def __init__(self, stop_after: int = 9) -> None:
        self.given: list[tuple[int, list[list[str]], int]] = []
        self.stop_after = stop_after

    def launch(self, job_overrides: list[list[str]], initial_job_idx: int) -> list[JobReturn]:
        total = json.loads(os.environ[place.VARIABLE])["total"]
        self.given.append((initial_job_idx, job_overrides, total))
        if len(self.given) == self.stop_after:
            sweep.stopped.set()
        return [JobReturn(status=JobStatus.COMPLETED, _return_value=None) for _ in job_overrides]


@pytest.fixture
def narrowing(compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchSweeper]:
    """The sweeper, of which three cells are planned."""
    monkeypatch.setattr(sweep, "planned", [])
    monkeypatch.setattr(sweep, "launched", [])
    monkeypatch.setattr(check, "faults", lambda *_: [])
    monkeypatch.setattr(points, "get_class", {"hydra_plugins.tunebench_narrowing.Narrowing": Narrowing}.__getitem__)
    monkeypatch.setenv(place.VARIABLE, "")
    target = "hydra.sweeper._target_=hydra_plugins.tunebench_narrowing.Narrowing"
    sweep.Plan().on_multirun_start(compose(target, f"runs={tmp_path}", "seed=1,2", "tracker=none", multirun=True))
    yield Narrowing(params=None)
    sweep.stopped.clear()


def test_batches_are_launched_one_after_another(
    narrowing: BatchSweeper, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    narrowing.launcher = launcher = Recording()  # type: ignore[assignment]
    assert [cell.job.cell.seed for cell in sweep.planned] == [1, 2, 7]
    narrowing.sweep([])
    own = [f"runs={tmp_path}", "seed=1", "tracker=none"]
    assert launcher.given == [(0, [own], 1), (1, [[*own, "seed=7"]], 2)]
    assert sweep.conclude() == sweep.NOT_OK
    table = [line.split() for line in capsys.readouterr().out.splitlines() if "not run" in line]
    assert [row[:4] for row in table] == [["seed", "1", "not", "run"], ["seed", "7", "not", "run"]]


def test_no_batch_is_launched_after_a_stop(narrowing: BatchSweeper) -> None:
    narrowing.launcher = launcher = Recording(stop_after=1)  # type: ignore[assignment]
    narrowing.sweep([])
    assert len(launcher.given) == 1
    assert [cell.job.cell.seed for cell in sweep.launched] == [1]


def test_the_launcher_that_was_chosen_is_used(compose: Compose) -> None:
    context = SimpleNamespace(config_loader=None, callbacks=None)
    sweeper = Narrowing()
    sweeper.setup(hydra_context=context, task_function=print, config=compose(multirun=True))  # type: ignore[arg-type]
    assert type(sweeper.launcher).__name__ == "BasicLauncher"
