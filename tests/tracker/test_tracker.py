import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from omegaconf import DictConfig

from bench.cli import sweep
from bench.cli.compose import job_of
from bench.errors import InputError
from bench.job import Job
from bench.tracker import CellInfo, Sink, Tracker
from bench.tracker.tensorboard import TensorBoard
from bench.tracker.wandb import Wandb

WANDB = Wandb(name="wandb")
TENSORBOARD = TensorBoard(name="tensorboard")


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        ("none", {}),
        ("wandb", {"wandb": WANDB}),
        ("tensorboard", {"tensorboard": TENSORBOARD}),
        ("[wandb,tensorboard]", {"wandb": WANDB, "tensorboard": TENSORBOARD}),
    ],
)
def test_one_tracker_several_or_none_can_be_chosen(
    choice: str, chosen: dict[str, object], compose: Callable[..., DictConfig]
) -> None:
    assert job_of(compose(f"tracker={choice}")).tracker == chosen


def test_a_tracker_is_set_by_its_name(compose: Callable[..., DictConfig]) -> None:
    job = job_of(compose("tracker=[tensorboard,wandb]", "tracker.wandb.mode=offline", "tracker.wandb.entity=lab"))
    assert job.tracker == {"wandb": Wandb(name="wandb", mode="offline", entity="lab"), "tensorboard": TENSORBOARD}


def test_a_mode_that_there_is_not_is_refused(compose: Callable[..., DictConfig]) -> None:
    with pytest.raises(InputError, match=r"^tracker\.wandb\.mode: must be 'auto', 'online' or 'offline', got 'onlin' "):
        job_of(compose("tracker=wandb", "tracker.wandb.mode=onlin"))


def test_trackers_load_their_libraries_only_when_they_are_opened() -> None:
    script = (
        "import sys, bench.tracker.wandb, bench.tracker.tensorboard\n"
        "print(sorted({'wandb', 'tensorboard', 'tensorflow', 'torch', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


class Notebook(Tracker):
    """Shows cells nowhere, and says at the end which it was given."""

    def open(self, info: CellInfo) -> Sink:
        raise NotImplementedError

    def closing_line(self, folders: Sequence[Path]) -> str | None:
        return f"{self.name}: {len(folders)} cells" if self.name != "silent" else None


def test_each_tracker_says_its_line_once_when_all_cells_have_ended(
    default_job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = Notebook(name="first"), Notebook(name="second")
    chosen: list[dict[str, Tracker]] = [
        {"first": first, "silent": Notebook(name="silent")},
        {"first": first, "second": second},
    ]
    jobs = [default_job.model_copy(update={"tracker": trackers}) for trackers in chosen]
    planned = [
        sweep.PlannedCell(job, tmp_path / str(number), [], before=None, done=False) for number, job in enumerate(jobs)
    ]
    monkeypatch.setattr(sweep, "planned", planned)
    assert sweep.conclude() == sweep.NOT_OK
    assert capsys.readouterr().out.endswith("\n\nfirst: 2 cells\n\nsecond: 1 cells\n")
