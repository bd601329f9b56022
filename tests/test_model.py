"""Names of models, and what a hub name and a folder may be."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from bench.cell import Cell
from bench.cli.compose import job_of
from bench.errors import InputError
from bench.model import Model, name_of
from tests.shipped import shipped

if TYPE_CHECKING:
    from omegaconf import DictConfig

Compose = Callable[..., "DictConfig"]


def model(choice: str, **changes: Any) -> Model:
    return Model.model_validate(shipped("model", choice, **changes))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("Qwen/Qwen3-0.6B", "Qwen3-0.6B"),
        ("gpt2", "gpt2"),
        ("./my-model/", "my-model"),
        ("/a/b/../my model (v2)", "my_model_v2"),
        ("models/-x-", "x"),
        ("models/modèle", "mod_le"),
        ("models/..hidden", "hidden"),
        ("models/" + 39 * "a" + "-" + 20 * "b", 39 * "a"),
        ("models/模型", ""),
        ("/", ""),
    ],
)
def test_a_name_by_its_path(path: str, name: str) -> None:
    assert name_of(path) == name
    if name:
        assert model("local", path=path).name == name
        assert model("local", path=path, name="mine").name == "mine"


def test_the_folder_that_a_path_like_a_dot_leads_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "step-9").mkdir()
    monkeypatch.chdir(tmp_path / "step-9")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert [name_of(path) for path in (".", "~/step-9", "../step-9/.")] == ["step-9"] * 3


@pytest.mark.parametrize(
    ("choice", "settings", "message"),
    [
        ("hub", {}, "which one? Give model.path=OWNER/NAME, a name on the hub, or model.path=FOLDER"),
        ("local", {}, "which one? Give model.path=OWNER/NAME, a name on the hub, or model.path=FOLDER"),
        ("local", {"path": "./模型"}, "./模型 cannot be made into a name; give one with model.name=NAME"),
        (
            "hub",
            {"path": "./small"},
            "must be a name on the hub, such as Qwen/Qwen3-0.6B, got './small'; for a folder choose model=local",
        ),
    ],
)
def test_what_is_no_model(choice: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model(choice, **settings)
    assert [error["msg"] for error in caught.value.errors()] == [f"Value error, {message}"]


def test_a_local_folder_that_is_not_there_is_never_sought_on_the_hub(make_cell: Callable[..., Cell]) -> None:
    with pytest.raises(InputError) as caught:
        make_cell({"model": "tiny"}).model_copy(update={"model": model("local", path="nowhere")}).key()
    assert str(caught.value) == (
        "model.path: there is no folder nowhere; name one with a config.json and safetensors weights, or choose "
        "model=hub for a name on the hub"
    )


def test_a_hub_name_is_never_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gpt2").mkdir()
    assert model("hub", path="gpt2").folder is None
    assert model("local", path="gpt2").folder == Path("gpt2")
    assert model("tiny", path="gpt2").folder == Path("gpt2")


def test_the_settings_of_a_method_for_a_model_that_is_named_by_its_path(compose: Compose) -> None:
    by_model = "+method_by_model={Qwen3-0.6B: {lora: {rank: 32}}}"
    cell = job_of(compose(by_model, "model=hub", "model.path=Qwen/Qwen3-0.6B")).cell
    assert cell.method.model_dump()["rank"] == 32


def test_names_with_hyphens_cannot_make_two_cells_one(compose: Compose) -> None:
    cells = [
        job_of(compose("model=hub", "model.path=o/m", f"model.name={model}", f"dataset.name={data}")).cell
        for model, data in (("a-lora-b", "c"), ("a", "b-lora-c"))
    ]
    names = [cell.folder_name() for cell in cells]
    assert names[0] != names[1]
    assert [name[: -len("-0123456789ab")] for name in names] == ["a-lora-b-lora-c-s0", "a-lora-b-lora-c-s0"]
