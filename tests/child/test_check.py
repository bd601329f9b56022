from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from bench.child import check, load
from bench.dataset import Dataset
from bench.method import Method
from bench.model import Model
from bench.recipe import Recipe

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

CONF = Path(__file__).parents[2] / "conf"
OTHERWISE = "point model.path at a local copy, or measure resources alone with model.weights=random."


def part(group: str, choice: str, **changes: Any) -> Any:
    settings = yaml.safe_load((CONF / group / f"{choice}.yaml").read_text()) | changes
    return {"dataset": Dataset, "method": Method, "model": Model, "train": Recipe}[group].model_validate(settings)


def faults(datasets: list[Dataset], pairs: list[tuple[Model, Method]], recipes: Sequence[Recipe] = ()) -> list[str]:
    sent: list[Any] = []

    class Sender:
        send = staticmethod(sent.append)

    connection: Connection = Sender()  # type: ignore[assignment]
    check.main(datasets, pairs, recipes, connection)
    *sentences, last = sent
    assert last is None
    return sentences


def test_the_demo_has_no_faults() -> None:
    tiny = part("model", "tiny")
    methods = [part("method", name) for name in ("baseline", "lora", "qlora", "toplayer")]
    assert faults([part("dataset", "events")], [(tiny, method) for method in methods]) == []


def test_faults_of_data(tmp_path: Path) -> None:
    missing, shared = str(tmp_path / "missing.jsonl"), tmp_path / "shared.jsonl"
    shared.write_text('{"instruction": "Why?", "input": "It rained.", "output": "So."}\n')
    datasets = [
        part("dataset", "events", train=missing),
        part("dataset", "alpaca", train=str(shared), validation=str(shared), cluster_column="output"),
    ]
    assert faults(datasets, []) == [
        f"{missing}: cannot be read (No such file or directory); name an existing file",
        "validation shares 1 of its 1 documents with training ('So.'); "
        "remove them from one of the two and name the files with dataset.train=PATH dataset.validation=PATH",
    ]


def test_faults_of_models_and_of_methods_for_a_model(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    local = part("model", "tiny", name="local", path=str(checkpoint))
    toplayer = part("method", "toplayer", blocks=99)
    sentences = faults(
        [],
        [
            (local, toplayer),
            (part("model", "llama1b"), toplayer),
            (part("model", "tiny", path=str(tmp_path / "empty")), toplayer),
            (part("model", "tiny", path=str(tmp_path)), toplayer),
            (part("model", "tiny", weights="random"), toplayer),
        ],
    )
    assert sentences[:3] == [
        "method.blocks: must be at most 2, the blocks this model has, got 99 (model local, method toplayer)",
        "method.blocks: must be at most 16, the blocks this model has, got 99 (model llama1b, method toplayer)",
        f"{tmp_path / 'empty'} has no safetensors weights, and no others are read. Convert it first, {OTHERWISE}",
    ]
    assert sentences[3].startswith(f"{tmp_path} is not a checkpoint that transformers loads: ")
    assert sentences[4:] == [
        "model.weights=random needs model.architecture, the fields of a config.json; tiny gives none"
    ]


def test_a_model_in_the_hubs_cache_is_checked(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "cached_snapshot", lambda name, revision, patterns: checkpoint)
    model = part("model", "tiny", name="cached", path="someone/model")
    assert faults([], [(model, part("method", "lora", target_modules=["nope"]))]) == [
        "method.target_modules: this model has no linear layer named nope; it has down_proj, gate_proj, k_proj, "
        "lm_head, o_proj, q_proj, up_proj, v_proj (model cached, method lora)"
    ]


def test_an_optimizer_that_needs_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    recipes = [part("train", "default", optimizer=name) for name in ("adamw_bnb_8bit", "paged_adamw_8bit")]
    assert faults([], [], recipes) == [
        "train.optimizer=paged_adamw_8bit needs a GPU, and PyTorch finds none; choose adamw_torch or adamw_bnb_8bit"
    ]
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert faults([], [], recipes) == []


def test_the_gpu_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def touched() -> bool:
        raise AssertionError("this would start CUDA")

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", touched)
    assert faults([], [(part("model", "tiny"), part("method", "toplayer"))]) == []


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the check must download nothing")

    monkeypatch.setattr(load, "snapshot", refuse)
    monkeypatch.setattr("bench.dataset.alpaca.read_hub_data", refuse)
    monkeypatch.setattr("bench.dataset.squad_v2.read_hub_data", refuse)


@pytest.mark.usefixtures("no_network")
def test_what_must_be_downloaded_is_left_to_its_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "cached_snapshot", lambda name, revision, patterns: None)
    datasets = [part("dataset", "alpaca", revision="f" * 40), part("dataset", "squad_v2", revision=None)]
    model = part("model", "tiny", path="someone/model")
    assert faults(datasets, [(model, part("method", "toplayer", blocks=99))]) == []
