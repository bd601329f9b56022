"""The folder that training leaves behind, used as its card says: word for word, without tunebench."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from bench.cell import Cell
from bench.child.adapter import save_adapter
from bench.child.generate import answer
from bench.child.load import load, precision
from bench.encode import Room, encode
from bench.example import Example
from bench.metric import Scores
from bench.record import Record
from bench.record_sections import Base, ScoreInfo
from tests.small_models import move

MakeCell = Callable[..., Cell]
Trained = Callable[..., dict[str, Any]]

INFO = ScoreInfo(title="Share | <b>", lowest=None, highest=None, better=None, pooling=None)
SCORES = Scores(
    values={"token_f1": 0.625, "mine": None},
    missing={"mine": "metric_failed"},
    info={"token_f1": INFO.model_copy(update={"title": "Token F1"}), "mine": INFO},
)
CHAT_TEMPLATE = "{% for message in messages %}<{{ message.role }}>{{ message.content }}{% endfor %}<assistant>"
ASKED = Example(
    id="1",
    cluster="c",
    question="What happened?",
    context="On Monday a ship left the port.",
    references=("a ship left",),
)


@pytest.fixture
def trained(make_cell: MakeCell, checkpoint: Path, record: Record, tmp_path: Path) -> Trained:
    """A cell's model after a training that moved its weights, saved; what the folder's card makes of it is compared."""

    def train(changes: dict[str, Any]) -> dict[str, Any]:
        cell = make_cell({"model.path": str(checkpoint), "model.precision": "float32"} | changes)
        dtype = precision(cell.model)
        base, tokenizer, length, revision = load(cell.model, cell.method.quantization(dtype), 0)
        tokenizer.chat_template = CHAT_TEMPLATE
        model = cell.method.prepare(base)
        move(model)
        model = cell.method.settle(model)
        loaded = Base(
            weights=cell.model.weights,
            revision=revision,
            precision=str(dtype).removeprefix("torch."),
            device="cpu",
            context_length=length,
        )
        folder = tmp_path / "cell" / "adapter"
        n_bytes = save_adapter(folder, model, tokenizer, cell, loaded, record.data, SCORES)
        return {"cell": cell, "model": model, "tokenizer": tokenizer, "folder": folder, "n_bytes": n_bytes}

    return train


def code_of(card: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", card, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "lora"},
        {"method": "lora", "method.adapter_dtype": "bfloat16", "model.precision": "bfloat16"},
        {"method": "lora", "method.adapter_dtype": "bfloat16"},
        {"method": "qlora"},
        {"method": "qlora", "method.bits": 8},
        {"method": "toplayer"},
        {"method": "full", "model.precision": "bfloat16"},
        {"method": "prompt_tuning"},
        {"method": "prefix", "model.precision": "bfloat16"},
        {"method": "ln_tuning", "model.precision": "bfloat16"},
        {"method": "dora", "method.bits": 4},
        {"method": "toplayer", "method.output_embedding": True, "model.precision": "bfloat16", "prompt": "chat"},
        {"method": "lora", "prompt": "chat", "prompt.chat_template": "simple", "prompt.variables": {"brief": True}},
        {
            "method": "lora",
            "prompt": "chat",
            "prompt.system": "Be `brief`.",
            "prompt.template": "{question} ``` {context}",
        },
    ],
    ids=str,
)
def test_the_card_s_code_gives_the_trained_model(
    trained: Trained, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    was = trained(changes)
    monkeypatch.chdir(was["folder"])
    there: dict[str, Any] = {}
    for block in code_of(Path("README.md").read_text()):
        exec(block, there)
    ids = torch.arange(5, 53).reshape(2, 24)
    with torch.no_grad():
        assert torch.equal(there["model"].eval()(input_ids=ids).logits, was["model"].eval()(input_ids=ids).logits)
    cell = was["cell"]
    assert there["text"] == cell.prompt.render(ASKED, ASKED.context, was["tokenizer"])
    room = Room(cell.prompt.max_length, cell.generation.max_new_tokens)
    (encoded,), _ = encode([ASKED], cell.prompt, was["tokenizer"], room)
    assert tuple(there["inputs"]["input_ids"][0].tolist()) == encoded.prompt_ids
    (expected,) = answer(
        was["model"], was["tokenizer"], [encoded], 1, cell.generation.max_new_tokens, (), progress=lambda answered: None
    )
    assert there["answer"] == expected
    assert capsys.readouterr().out == expected + "\n"


def test_the_card_of_a_model_of_texts_says_that_it_continues_them(trained: Trained) -> None:
    folder = trained({"method": "lora", "dataset": "text", "prompt": "plain"})["folder"]
    card = (folder / "README.md").read_text()
    assert "It was trained on texts without a prompt, so it continues what it gets." in card
    assert code_of(card)[3] == "text = question  # the beginning of a text\n"


def test_top_layers_load_with_two_lines(trained: Trained) -> None:
    card = (trained({"method": "toplayer"})["folder"] / "README.md").read_text()
    assert code_of(card)[1] == (
        "from safetensors.torch import load_file\n\n"
        'model.load_state_dict(load_file("changed.safetensors"), strict=False)\n'
    )


def test_an_adapter_loads_with_two_lines(trained: Trained) -> None:
    card = (trained({"method": "lora"})["folder"] / "README.md").read_text()
    assert code_of(card)[1] == 'from peft import PeftModel\n\nmodel = PeftModel.from_pretrained(model, ".")\n'


@pytest.mark.parametrize("method", ["lora", "toplayer"])
def test_what_lies_in_the_folder(trained: Trained, method: str) -> None:
    was = trained({"method": method, "seed": 7})
    folder, cell = was["folder"], was["cell"]
    assert was["n_bytes"] == sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    assert {"README.md", "prompt.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"} <= {
        file.name for file in folder.iterdir()
    }
    assert json.loads((folder / "prompt.json").read_text()) == cell.prompt.model_dump(mode="json")
    card = (folder / "README.md").read_text()
    for line in (
        f"# {method} on tiny",
        f"| Training examples | 39, SHA-256 {64 * 'a'} |",
        "| Seed | 7 |",
        "| Data set | events |",
        "| Token F1 (token\\_f1) | 0.6250 |",
        "| Share \\| \\<b\\> (mine) | metric\\_failed |",
        f"| method.learning\\_rate | {cell.method.learning_rate} |",
        f"| train.epochs | {cell.train.epochs} |",
    ):
        assert line in card.splitlines()
    # The hub reads the first lines of a card.
    assert ModelCard(card).data.to_dict() == {
        "library_name": {"lora": "peft", "toplayer": "transformers"}[method],
        "pipeline_tag": "text-generation",
        "tags": ["tunebench", method],
    }


def test_saving_again_gives_the_same_card(trained: Trained) -> None:
    first = (trained({"method": "lora"})["folder"] / "README.md").read_text()
    assert (trained({"method": "lora"})["folder"] / "README.md").read_text() == first


def test_a_model_of_the_hub_is_named_with_its_revision(
    trained: Trained, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    commit = 40 * "c"
    shutil.copytree(checkpoint, tmp_path / "cache" / "models--somebody--small" / "snapshots" / commit)
    folder = trained({"method": "lora", "model.path": "somebody/small", "model.revision": commit})["folder"]
    card = (folder / "README.md").read_text()
    assert yaml.safe_load(card.split("---")[1])["base_model"] == "somebody/small"
    assert f"    'somebody/small',\n    revision='{commit}',\n    dtype='float32',\n" in card
    assert f"| Base model | somebody/small at revision {commit} |" in card
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == "somebody/small"


def test_what_was_trained_on_random_weights_is_not_shown_as_a_model(trained: Trained) -> None:
    from bench import tiny

    architecture = json.loads((tiny.FOLDER / "config.json").read_text())
    changes = {"method": "lora", "model.weights": "random", "model.architecture": architecture}
    card = (trained(changes)["folder"] / "README.md").read_text()
    assert code_of(card) == []
    assert "**The base model had random weights, drawn for seed 0." in card


def test_text_cannot_leave_its_place_in_the_card(trained: Trained) -> None:
    nasty = "a`b``` | <script>\n# c\u202e [x](http://y) {question} {context}"
    card = (trained({"method": "lora", "prompt.template": nasty})["folder"] / "README.md").read_text()
    (line,) = [line for line in card.splitlines() if line.startswith("| prompt.template |")]
    assert line == (
        r'| prompt.template | "a\`b\`\`\` \| \<script\>\\n\# c\\u202e \[x\](http://y) {question} {context}" |'
    )
    assert "\u202e" not in card
