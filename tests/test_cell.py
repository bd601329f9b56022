import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bench.cell import Cell
from bench.errors import InputError

MakeCell = Callable[..., Cell]


def test_a_stop_string_is_no_escape_sequence(make_cell: MakeCell) -> None:
    assert make_cell({"generation.stop": ["\n"]}).generation.stop == ("\n",)
    with pytest.raises(ValidationError) as caught:
        make_cell({"generation.stop": ["###", r"\n"]})
    assert [error["msg"] for error in caught.value.errors()] == [
        r"""Value error, \n is a backslash and an n here; for a line break, type $'generation.stop=["\n"]'"""
    ]


def test_key_is_that_of_the_settings(make_cell: MakeCell) -> None:
    key = make_cell().key()
    assert len(key) == 12
    assert set(key) <= set("0123456789abcdef")
    assert make_cell().key() == key


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({}, "72c69fec172b"),
        ({"model": "llama1b"}, "9b6e074908cb"),
        ({"model": "llama1b", "dataset": "squad_v2", "method": "qlora", "seed": 3}, "c4d2d5a17286"),
    ],
)
def test_finished_cells_keep_their_keys(make_cell: MakeCell, changes: dict[str, Any], key: str) -> None:
    # A key that changes runs everybody's finished cells again: change one only if the results are others, too.
    assert make_cell(changes).key() == key


def test_what_was_trained_on_is_not_scored(make_cell: MakeCell) -> None:
    changes = {"scored_on": "tune", "train.include_tune": True}
    with pytest.raises(ValidationError) as caught:
        make_cell(changes)
    assert [fault["msg"] for fault in caught.value.errors()] == [
        "Value error, scored_on=tune scores the examples that train.include_tune=true trains on; choose one of the two"
    ]
    assert make_cell(changes | {"method": "baseline"}).scored_on == "tune"


def test_what_needs_a_tune_split(make_cell: MakeCell) -> None:
    assert not make_cell().needs_tune
    assert make_cell({"scored_on": "tune"}).needs_tune
    assert make_cell({"train.best_checkpoint": True}).needs_tune
    assert not make_cell({"train.best_checkpoint": True, "method": "baseline"}).needs_tune


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
    assert make_cell({"dataset": "squad_v2", "dataset.test": str(here)}).key() != key


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


def test_code_that_is_trusted_counts_by_content(make_cell: MakeCell, checkpoint: Path, tmp_path: Path) -> None:
    copy = tmp_path / "with-code"
    shutil.copytree(checkpoint, copy)
    settings = {"model.path": str(copy)}
    trusting = settings | {"model.trust_remote_code": True}
    keys = {make_cell(settings).key()}, {make_cell(trusting).key()}
    for code in ("layers = 1", "layers = 24"):
        (copy / "modeling_own.py").write_text(code)
        keys[0].add(make_cell(settings).key())
        keys[1].add(make_cell(trusting).key())
    assert [len(found) for found in keys] == [1, 3]


def evaluated(make_cell: MakeCell, metric: Path | str) -> str:
    return make_cell({"metric.evaluate.metrics": [str(metric)]}).key()


def test_a_metric_s_script_counts_by_content(make_cell: MakeCell, tmp_path: Path) -> None:
    keys = []
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        script = tmp_path / folder / "mine.py"
        script.write_text("import evaluate\nfrom .helper import share\n")
        (tmp_path / folder / "helper.py").write_text("share = 1\n")
        (tmp_path / folder / "other.py").write_text(f"# {folder}, which the script does not import\n")
        keys.append(evaluated(make_cell, script))
    assert keys[0] == keys[1]
    script.with_name("helper.py").write_text("share = 2.0\n")
    keys.append(evaluated(make_cell, script))
    script.write_text("import evaluate\n")
    keys.append(evaluated(make_cell, script))
    # A metric's name is the name of its score.
    keys.append(evaluated(make_cell, script.rename(script.with_name("ours.py"))))
    assert len(set(keys)) == 4


def test_a_metric_s_folder_counts_by_content(make_cell: MakeCell, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "parts").mkdir(parents=True)
    (folder / "mine.py").write_text("share = 1")
    before = evaluated(make_cell, folder)
    (folder / "README.md").write_text("not read by anything that computes a score")
    assert evaluated(make_cell, folder) == before
    (folder / "parts" / "words.py").write_text("words = 1")
    more = evaluated(make_cell, folder)
    (folder / "mine.py").write_text("share = 24")
    assert len({before, more, evaluated(make_cell, folder)}) == 3


def test_a_local_encoder_counts_by_name_and_content(make_cell: MakeCell, checkpoint: Path, tmp_path: Path) -> None:
    def key(folder: Path) -> str:
        return make_cell({"metric.bertscore.model": str(folder)}).key()

    here, there = tmp_path / "here" / "encoder", tmp_path / "there" / "encoder"
    for folder in (here, there):
        shutil.copytree(checkpoint, folder)
    assert key(here) == key(there)
    (there / "config.json").write_text((there / "config.json").read_text() + "\n")
    assert key(here) != key(there)
    # bert-score looks the layer up by the folder's name.
    assert key(here) != key(here.rename(tmp_path / "renamed"))


@pytest.mark.parametrize("absent", ["./nowhere", "/nowhere/at/all", "models/not/here"])
@pytest.mark.parametrize("field", ["model.path", "model.tokenizer", "metric.bertscore.model"])
def test_a_local_folder_that_is_missing(make_cell: MakeCell, field: str, absent: str) -> None:
    with pytest.raises(InputError) as caught:
        make_cell({field: absent}).key()
    assert str(caught.value) == (
        f"There is no folder {absent}. Give one with a config.json and safetensors weights, or a hub name."
    )


def test_random_weights_need_no_checkpoint(make_cell: MakeCell) -> None:
    cell = make_cell({"model": "llama1b", "model.path": "/on/another/machine", "model.weights": "random"})
    assert len(cell.key()) == 12


def test_a_local_metric_whose_name_is_too_long(make_cell: MakeCell) -> None:
    with pytest.raises(InputError) as caught:
        evaluated(make_cell, f"./{300 * 'x'}")
    assert str(caught.value) == f"./{300 * 'x'}: cannot be read (File name too long); name an existing file"


@pytest.mark.parametrize("metric", ["./nowhere.py", "nowhere.py", "./nowhere"])
def test_a_local_metric_that_is_missing(make_cell: MakeCell, metric: str) -> None:
    with pytest.raises(InputError) as caught:
        evaluated(make_cell, metric)
    assert str(caught.value) == f"{metric}: cannot be read (No such file or directory); name an existing file"


def test_a_metric_of_the_hub_counts_by_name(make_cell: MakeCell) -> None:
    assert evaluated(make_cell, "meteor") != evaluated(make_cell, "owner/meteor")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"dataset": "text"},
            "dataset=text has plain text, and prompt=squad is for questions; choose prompt=plain",
        ),
        (
            {"prompt": "plain"},
            "prompt=plain is for plain text, and dataset=events has questions; choose another prompt, such as "
            "prompt=squad",
        ),
        (
            {
                "dataset": "text",
                "prompt": "plain",
                "metric": {"token_f1": {"_target_": "bench.metric.token_f1.TokenF1", "name": "token_f1"}},
            },
            "dataset=text has plain text, which token_f1 cannot score, since nothing is answered; choose "
            "metric=[perplexity]",
        ),
    ],
)
def test_text_and_questions_do_not_mix(make_cell: Callable[..., Cell], changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make_cell(changes)
    (error,) = caught.value.errors()
    assert error["msg"] == f"Value error, {expected}"
