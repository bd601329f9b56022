import pytest
from omegaconf import OmegaConf

from bench.cli import place
from bench.supervisor.progress import Place

GRID = [
    ["method=lora", "seed=0", "train.learning_rate=0.001", "train.epochs=2"],
    ["method=lora", "seed=1", "train.learning_rate=0.001", "train.epochs=2"],
    ["method=qlora", "seed=0", "train.learning_rate=0.002", "train.epochs=2"],
]


def test_only_what_differs_between_cells_was_swept() -> None:
    assert place.swept(GRID) == ["method", "seed", "train.learning_rate"]
    assert place.swept(GRID[:1]) == []


def test_a_label_has_the_swept_values_in_short_words() -> None:
    labels = [place.label(overrides, place.swept(GRID)) for overrides in GRID]
    assert labels == [
        "lora seed 0 learning rate 0.001",
        "lora seed 1 learning rate 0.001",
        "qlora seed 0 learning rate 0.002",
    ]
    assert place.label(["++timeout_s=60", "~tracker"], ["timeout_s"]) == "timeout s 60"
    for path in ("a/small", "./small", "~/models/small/"):
        assert place.label([f"model.path={path}", "seed=0"], ["model.path", "seed"]) == "small seed 0"


def hydra(launcher: str, **changes: object) -> object:
    return OmegaConf.create(
        {
            "mode": "MULTIRUN",
            "job": {"num": 2},
            "launcher": {"_target_": launcher},
            "overrides": {"task": GRID[2]},
            **changes,
        }
    )


def test_a_worker_of_any_launcher_knows_its_cells_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(place.VARIABLE, "")
    place.publish(GRID)
    basic, joblib = "hydra._internal.core_plugins.basic_launcher.BasicLauncher", "hydra_plugins.JoblibLauncher"
    assert place.place_of(hydra(basic)) == Place(3, 3, "qlora seed 0 learning rate 0.002", in_order=True)
    assert place.place_of(hydra(joblib)) == Place(3, 3, "qlora seed 0 learning rate 0.002", in_order=False)


def test_a_worker_that_was_started_for_an_earlier_batch_counts_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(place.VARIABLE, "")
    place.publish(GRID[:2])
    assert place.place_of(hydra("hydra_plugins.JoblibLauncher")) == Place(3, 3, "seed 0", in_order=False)


def test_a_cell_whose_launcher_does_not_pass_the_environment_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(place.VARIABLE, raising=False)
    assert place.place_of(hydra("submitit.SlurmLauncher")) is None


def test_the_only_cell_of_a_command_has_no_place() -> None:
    assert place.place_of(hydra("BasicLauncher", mode="RUN")) is None
