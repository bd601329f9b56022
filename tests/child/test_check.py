import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub import constants

from bench.child import check
from bench.dataset import Dataset
from bench.job import Job
from bench.method import Method
from bench.metric import Metric
from bench.model import Model
from bench.recipe import Recipe
from tests.shipped import shipped

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

COMMIT = 40 * "c"
OTHERWISE = "point model.path at a local copy, or measure resources alone with model.weights=random."


def part(group: str, choice: str, **changes: Any) -> Any:
    kinds = {"dataset": Dataset, "method": Method, "metric": Metric, "model": Model, "train": Recipe}
    return kinds[group].model_validate(shipped(group, choice, **changes))


Faults = Callable[..., list[str]]


@pytest.fixture
def faults(default_job: Job) -> Faults:
    """Gives the sentences about data sets, and about cells with these models and methods and further changes."""

    def sentences(
        datasets: list[Dataset],
        pairs: list[tuple[Model, Method]],
        recipes: Sequence[Recipe] = (),
        metrics: Sequence[Metric] = (),
        spread: Sequence[Model] = (),
        **changes: Any,
    ) -> list[str]:
        cells = [
            default_job.cell.model_copy(update={"model": model, "method": method, **changes}) for model, method in pairs
        ]
        sent: list[Any] = []

        class Sender:
            send = staticmethod(sent.append)

        connection: Connection = Sender()  # type: ignore[assignment]
        prompts = [cell.model_copy(update={"dataset": dataset}) for cell in cells for dataset in datasets]
        scoring = {"metric": {metric.name: metric for metric in metrics}, **changes}
        scored = [default_job.cell.model_copy(update={"dataset": dataset, **scoring}) for dataset in datasets]
        check.main(scored, cells, prompts, recipes, spread, connection)
        *found, last = sent
        assert last is None
        return found

    return sentences


def test_the_demo_has_no_faults(faults: Faults) -> None:
    tiny = part("model", "tiny")
    methods = [part("method", name) for name in ("baseline", "lora", "qlora", "toplayer")]
    assert faults([part("dataset", "events")], [(tiny, method) for method in methods]) == []


def test_faults_of_data(faults: Faults, tmp_path: Path) -> None:
    missing, shared = str(tmp_path / "missing.jsonl"), tmp_path / "shared.jsonl"
    shared.write_text('{"instruction": "Why?", "input": "It rained.", "output": "So."}\n')
    datasets = [
        part("dataset", "events", train=missing),
        part("dataset", "records", train=str(shared), test=str(shared), cluster_column="output", tune_fraction=0),
    ]
    assert faults(datasets, []) == [
        f"{missing}: cannot be read (No such file or directory); name an existing file",
        "test shares 1 of its 1 documents with training ('So.'); "
        "remove them from one of the two and name the files with dataset.train=PATH dataset.test=PATH; "
        "for tables, dataset.quality.overlap=drop leaves them out",
    ]


def test_what_chooses_needs_a_tune_split(faults: Faults, default_job: Job) -> None:
    without = part("dataset", "events", tune_documents=0)
    assert faults([without], []) == []
    best = default_job.cell.train.model_copy(update={"best_checkpoint": True})
    for changes in ({"scored_on": "tune"}, {"train": best}):
        (sentence,) = faults([without], [], **changes)
        assert sentence.startswith("the tune split is empty, but scored_on=tune and train.best_checkpoint=true choose")


def test_metrics_look_at_the_split_that_is_scored(faults: Faults) -> None:
    labelled = [part("metric", "classification", labels=["yes", "no"])]
    for split in ("test", "tune"):
        (sentence,) = faults([part("dataset", "events")], [], metrics=labelled, scored_on=split)
        assert sentence.endswith(f"(example events-0-{split}-00000-0)")


def test_faults_of_metrics_for_their_data(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    events = part("dataset", "events")
    labelled = [part("metric", "classification", labels=["yes", "no"]), part("metric", "token_f1")]
    assert faults([events], [], metrics=labelled) == [
        "metric.classification.labels: must have the label of every reference (yes, no), got 'Jorvia' in the data "
        "(example events-0-test-00000-0)"
    ]
    # Data that must be downloaded cannot be looked at, but settings can.
    monkeypatch.setattr(Dataset, "from_hub", lambda self: ("squad_v2", None))
    monkeypatch.setattr(check, "cached", lambda *_: None)
    assert faults([events], [], metrics=labelled) == []
    assert faults([events], [], metrics=[part("metric", "classification")]) == [
        "metric.classification.labels: must name the labels, as in [positive,negative], got none"
    ]


def test_faults_of_models_and_of_methods_for_a_model(faults: Faults, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text("{}")
    local = part("model", "tiny", name="local", path=str(checkpoint))
    toplayer = part("method", "toplayer", blocks=99)
    sentences = faults(
        [],
        [
            (local, toplayer),
            (part("model", "llama1b"), toplayer),
            (part("model", "tiny", path=str(tmp_path / "empty")), toplayer),
            (part("model", "tiny", path=str(tmp_path)), toplayer),
        ],
    )
    assert sentences[:3] == [
        "method.blocks: must be at most 2, the blocks this model has, got 99 (model local, method toplayer)",
        "method.blocks: must be at most 16, the blocks this model has, got 99 (model llama1b, method toplayer)",
        f"{tmp_path / 'empty'} has no safetensors weights, and no others are read. Convert it first, {OTHERWISE}",
    ]
    assert len(sentences) == 4
    assert sentences[3].startswith(f"{tmp_path} is not a checkpoint that transformers loads: ")


def in_the_cache(checkpoint: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checkpoint as `someone/model` in a hub cache."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    shutil.copytree(checkpoint, cache / "models--someone--model" / "snapshots" / COMMIT)


def test_a_model_in_the_hubs_cache_is_checked(
    faults: Faults, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_cache(checkpoint, tmp_path, monkeypatch)
    model = part("model", "hub", name="cached", path="someone/model", revision=COMMIT)
    assert faults([], [(model, part("method", "lora", target_modules=["nope"]))]) == [
        "method.target_modules: this model has no linear layer named nope; it has down_proj, gate_proj, k_proj, "
        "lm_head, o_proj, q_proj, up_proj, v_proj; name those, or give all-linear (model cached, method lora)"
    ]


def test_an_optimizer_that_needs_a_gpu(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    recipes = [part("train", "default", optimizer=name) for name in ("adamw_bnb_8bit", "paged_adamw_8bit")]
    assert faults([], [], recipes) == [
        "train.optimizer=paged_adamw_8bit needs a GPU, and PyTorch finds none; choose adamw_torch or adamw_bnb_8bit"
    ]
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert faults([], [], recipes) == []


def test_the_gpu_is_left_alone(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    def touched() -> bool:
        raise AssertionError("this would start CUDA")

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", touched)
    assert faults([], [(part("model", "tiny"), part("method", "toplayer"))]) == []


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the check must download nothing")

    monkeypatch.setattr("bench.checkpoint.snapshot", refuse)
    monkeypatch.setattr("bench.dataset.table.read_hub_data", refuse)
    monkeypatch.setattr("bench.dataset.squad_v2.read_hub_data", refuse)


@pytest.mark.usefixtures("no_network")
def test_what_must_be_downloaded_is_left_to_its_cells(
    faults: Faults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    datasets = [part("dataset", "alpaca", revision="f" * 40), part("dataset", "squad_v2", revision=None)]
    model = part("model", "tiny", path="someone/model")
    assert faults(datasets, [(model, part("method", "toplayer", blocks=99))]) == []


@pytest.mark.parametrize("random", [False, True])
def test_folders_that_hold_no_model(faults: Faults, checkpoint: Path, tmp_path: Path, random: bool) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    shutil.copytree(checkpoint, tmp_path / "outer" / "step-9")
    weights = "random" if random else "pretrained"
    folders = [str(tmp_path / name) for name in ("empty", "adapter", "outer")]
    pairs = [(part("model", "local", path=path, weights=weights), part("method", "baseline")) for path in folders]
    advice = (
        "Name the folder that save_pretrained wrote.",
        "It is an adapter: merge it into its base model first (peft's merge_and_unload), and save that.",
        f"Did you mean {folders[2]}/step-9?",
    )
    assert faults([], pairs) == [
        f"{folder} has no config.json, so no model can be loaded from it. {what}"
        for folder, what in zip(folders, advice, strict=True)
    ]


def test_lengths_that_the_model_does_not_take(faults: Faults, checkpoint: Path, default_job: Job) -> None:
    pairs = [(part("model", "local", path=str(checkpoint), name="small"), part("method", "baseline"))]
    cell = default_job.cell
    prompt = cell.prompt.model_copy(update={"max_length": 512})
    answers = cell.generation.model_copy(update={"max_new_tokens": 256})
    assert faults([], pairs, prompt=prompt, generation=answers) == [
        "generation.max_new_tokens: 256 leave no room for a prompt, since small takes 256 tokens; lower it"
    ]
    runs = cell.latency.model_copy(update={"output_tokens": 300})
    assert faults([], pairs, latency=runs) == [
        "latency.output_tokens: 300 leave no room for a prompt, since small takes 256 tokens; lower it"
    ]


def test_conversations_that_the_prompt_has_no_room_for(faults: Faults, tmp_path: Path) -> None:
    turns = [{"role": role, "content": f"{role} speaks"} for role in ("user", "assistant", "user", "assistant")]
    path = tmp_path / "chats.jsonl"
    lines = [json.dumps({"messages": [{"role": "user", "content": f"What is {n}?"}, turns[1]]}) for n in range(40)]
    # One conversation in the middle of single questions
    lines[21] = json.dumps({"messages": turns, "id": "talk"})
    path.write_text("\n".join(lines))
    chats = part("dataset", "messages", train=str(path))
    pairs = [(part("model", "tiny"), part("method", name)) for name in ("baseline", "lora")]
    (fault,) = set(faults([chats], pairs))
    assert re.sub("example .* is", "example ID is", fault) == (
        "prompt=squad has room for a question alone, and example ID is a conversation of 3 messages before the answer; "
        "choose prompt=chat"
    )


def test_solved_examples_that_there_are_too_few_of_or_that_leave_too_little_room(
    faults: Faults, default_job: Job
) -> None:
    model = part("model", "tiny")
    events = part("dataset", "events", train_limit=20)
    assert faults([events], [(model, part("method", "fewshot", shots=21))]) == [
        "method.shots: must be at most 20, the number of training examples, got 21"
    ]
    prompt = default_job.cell.prompt.model_copy(update={"max_length": 1024})
    latency = default_job.cell.latency.model_copy(update={"output_tokens": 100})
    assert faults([events], [(model, part("method", "baseline"))], prompt=prompt, latency=latency) == []
    (fault,) = faults([events], [(model, part("method", "fewshot", shots=20))], prompt=prompt, latency=latency)
    assert re.sub(r"\d+", "N", fault) == (
        "latency.output_tokens: must be at most N, got N: tiny takes N tokens, and the longest prompt has N. "
        "Lower it, or prompt.max_length."
    )


def test_a_tokenizer_that_does_not_fit(faults: Faults, checkpoint: Path) -> None:
    model = part("model", "local", path=str(checkpoint), name="small", tokenizer="embedded")
    assert faults([], [(model, part("method", "baseline"))]) == [
        "small embeds 384 tokens, and its tokenizer has 1280. Name the tokenizer that belongs to it with "
        "model.tokenizer, or for random weights raise vocab_size in model.architecture."
    ]


def with_settings(checkpoint: Path, folder: Path, **changes: Any) -> Any:
    """A copy of the checkpoint in `folder`, with changes to its config.json."""
    shutil.copytree(checkpoint, folder)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | changes))
    return part("model", "local", path=str(folder))


def test_models_that_are_something_else(faults: Faults, checkpoint: Path, tmp_path: Path) -> None:
    own_code = {"model_type": "mine", "auto_map": {"AutoConfig": "configuration_mine.Mine"}}
    models = [
        with_settings(checkpoint, tmp_path / "t5", model_type="t5"),
        with_settings(checkpoint, tmp_path / "bart", model_type="bart"),
        # A decoder that was saved by itself.
        with_settings(checkpoint, tmp_path / "decoder", model_type="bart", is_encoder_decoder=False),
        with_settings(checkpoint, tmp_path / "packed", quantization_config={"quant_method": "gptq", "bits": 4}),
        with_settings(checkpoint, tmp_path / "own", **own_code),
        # As many models of the hub do: transformers knows them by now, and their code is not needed.
        with_settings(checkpoint, tmp_path / "known", auto_map=own_code["auto_map"]),
    ]
    assert faults([], [(model, part("method", "baseline")) for model in models]) == [
        "t5 is a t5 model, which is no causal language model; take another",
        "bart is a bart model, which is no causal language model; take another",
        f"{tmp_path / 'packed'} has weights that are quantised already (gptq); take the model that they were made "
        "from, and quantise it with method=qlora",
        f"{tmp_path / 'own'} brings code of its own, which runs with your rights; read it, and allow it with "
        "model.trust_remote_code=true",
    ]


def test_an_attention_that_the_model_does_not_support(faults: Faults, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "gemma2", "vocab_size": 1280, "hidden_size": 64}')
    settings = {"path": str(tmp_path), "name": "gemma", "weights": "random"}
    pairs = [(part("model", "local", **settings, attention=kind), part("method", "baseline")) for kind in KINDS]
    assert faults([], pairs) == [
        "model.attention: must be auto or eager for gemma, a gemma2 model, got sdpa",
    ]


KINDS = ("auto", "eager", "sdpa")


def test_a_merged_model_without_its_tokenizer(faults: Faults, checkpoint: Path, tmp_path: Path) -> None:
    """For some architectures, transformers makes up an empty tokenizer."""
    merged = tmp_path / "merged"
    merged.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(checkpoint / name, merged)
    settings = json.loads((merged / "config.json").read_text())
    (merged / "config.json").write_text(json.dumps(settings | {"model_type": "qwen2"}))
    model = part("model", "local", path=str(merged))
    assert faults([], [(model, part("method", "baseline"))]) == [
        f"{merged} has no tokenizer; save the base model's there, or name one with model.tokenizer"
    ]


def test_a_model_that_transformers_cannot_spread_over_gpus(faults: Faults) -> None:
    architecture = {"model_type": "ctrl", "n_layer": 1, "n_embd": 8, "n_head": 1, "dff": 8, "vocab_size": 4000}
    changes = {"name": "other", "weights": "random", "architecture": architecture, "attention": "auto"}
    other, tiny = part("model", "tiny", **changes), part("model", "tiny")
    baseline = part("method", "baseline")
    assert faults([], [(other, baseline), (tiny, baseline)]) == []
    assert faults([], [(other, baseline), (tiny, baseline)], spread=[other, tiny]) == [
        "gpus_per_cell: must be 1 for other, a ctrl model, which transformers cannot spread over several GPUs"
    ]
