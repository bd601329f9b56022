import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.cell import Cell
from bench.errors import InputError

MakeCell = Callable[..., Cell]


def test_key_is_that_of_the_settings(make_cell: MakeCell) -> None:
    key = make_cell().key()
    assert len(key) == 12
    assert set(key) <= set("0123456789abcdef")
    assert make_cell().key() == key


def test_folder_is_named_for_the_cell(make_cell: MakeCell) -> None:
    cell = make_cell({"method": "qlora", "dataset": "squad_v2", "prompt": "alpaca", "seed": 3})
    assert cell.folder_name() == f"tiny-qlora-squad_v2-s3-{cell.key()}"


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"model": "llama1b"},
        {"model.revision": "abc"},
        {"model.precision": "bfloat16"},
        {"method": "baseline"},
        {"method.rank": 16},
        {"method.learning_rate": 1e-3},
        {"dataset": "squad_v2"},
        {"dataset.seed": 1},
        {"dataset.train_limit": 3},
        {"prompt": "alpaca"},
        {"prompt.max_length": 256},
        {"train.epochs": 2},
        {"train.micro_batch": 8},
        {"generation.max_new_tokens": 16},
        {"generation.stop": ["x"]},
        {"latency.runs": 7},
        {"metric": {}},
        {"metric.rouge.use_stemmer": True},
    ],
    ids=str,
)
def test_whatever_determines_the_result_changes_the_key(make_cell: MakeCell, change: dict[str, Any]) -> None:
    assert make_cell(change).key() != make_cell().key()


def test_the_key_knows_no_order_of_metrics_and_no_spelling_of_numbers(make_cell: MakeCell) -> None:
    cell = make_cell({"method.alpha": 16})
    turned = cell.model_copy(update={"metric": dict(reversed(cell.metric.items()))})
    assert list(turned.metric) != list(cell.metric)
    assert turned.key() == cell.key() == make_cell({"method.alpha": 16.0}).key()


def test_local_data_counts_by_content(make_cell: MakeCell, tmp_path: Path) -> None:
    here, there = tmp_path / "train.json", tmp_path / "copy.json"
    here.write_text("{}")
    shutil.copy(here, there)
    key = make_cell({"dataset": "squad_v2", "dataset.train": str(here)}).key()
    assert make_cell({"dataset": "squad_v2", "dataset.train": str(there)}).key() == key
    there.write_text("[]")
    assert make_cell({"dataset": "squad_v2", "dataset.train": str(there)}).key() != key
    assert make_cell({"dataset": "squad_v2", "dataset.validation": str(here)}).key() != key


def test_missing_local_data(make_cell: MakeCell, tmp_path: Path) -> None:
    cell = make_cell({"dataset": "squad_v2", "dataset.train": str(tmp_path / "nope.json")})
    with pytest.raises(InputError) as caught:
        cell.key()
    assert str(caught.value) == (
        f"{tmp_path / 'nope.json'}: cannot be read (No such file or directory); name an existing file"
    )


@pytest.mark.parametrize("field", ["model.path", "model.tokenizer"])
def test_a_local_checkpoint_counts_by_content(
    make_cell: MakeCell, checkpoint: Path, tmp_path: Path, field: str
) -> None:
    copy = tmp_path / "renamed"
    shutil.copytree(checkpoint, copy)
    key = make_cell({field: str(checkpoint)}).key()
    assert make_cell({field: str(copy)}).key() == key
    (copy / "notes.md").write_text("not read by anything that loads a model")
    assert make_cell({field: str(copy)}).key() == key
    # A tokenizer that was edited in place, and then a file more.
    (copy / "tokenizer.json").write_text((copy / "tokenizer.json").read_text() + "\n")
    edited = make_cell({field: str(copy)}).key()
    assert edited != key
    (copy / "chat_template.jinja").write_text("{{ messages }}")
    assert make_cell({field: str(copy)}).key() not in (key, edited)


def test_a_checkpoint_in_the_home_folder_counts_by_content(
    make_cell: MakeCell, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copytree(checkpoint, tmp_path / "mine")
    assert make_cell({"model.path": "~/mine"}).key() == make_cell({"model.path": str(checkpoint)}).key()


def test_the_embedded_model_counts_by_content(
    make_cell: MakeCell, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.tiny.FOLDER", checkpoint)
    assert make_cell().key() == make_cell({"model.path": str(checkpoint)}).key()


def test_a_hub_name_counts_by_name(make_cell: MakeCell) -> None:
    assert make_cell({"model.path": "a/b"}).key() != make_cell({"model.path": "a/c"}).key()
