"""Tasks of the harness, written to a folder, on the embedded model, without a network."""

import json
import random
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from huggingface_hub import constants
from transformers import AutoModelForCausalLM, AutoTokenizer

import bench.tiny
from bench.errors import InputError
from bench.metric import Scores
from bench.metric.lm_eval import LmEval

Asked = Callable[..., Scores]

CHOICES = {
    "task": "capitals",
    "output_type": "multiple_choice",
    "doc_to_text": "Question: {{question}}\nAnswer:",
    "doc_to_choice": "{{choices}}",
    "doc_to_target": "label",
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    "metadata": {"version": 1.0},
}
GENERATED = {
    "task": "sums",
    "output_type": "generate_until",
    "doc_to_text": "{{question}}",
    "doc_to_target": "{{answer}}",
    "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4, "do_sample": False},
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    "filter_list": [{"name": "first", "filter": [{"function": "take_first"}]}],
    "metadata": {"version": 2.0},
}
CAPITALS = [
    {"question": question, "choices": ["Paris", "Lima"], "label": label}
    for question, label in (("France?", 0), ("Peru?", 1), ("Chad?", 0), ("Togo?", 1))
]
SUMS = [{"question": "1+1=", "answer": "2"}, {"question": "2+2=", "answer": "4"}]


@pytest.fixture(scope="module")
def loaded() -> tuple[Any, Any]:
    folder = Path(bench.tiny.__file__).parent
    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two tasks, and a third whose data are on a hub that does not answer."""
    import datasets

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    for task, rows in ((CHOICES, CAPITALS), (GENERATED, SUMS)):
        data = tmp_path / f"{task['task']}.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        source = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(data)}}, "test_split": "test"}
        (tasks / f"{task['task']}.yaml").write_text(yaml.safe_dump(task | source))
    far = GENERATED | {"task": "far", "dataset_path": "owner/far", "test_split": "test"}
    (tasks / "far.yaml").write_text(yaml.safe_dump(far))
    return tasks


def metric(folder: Path | None, *tasks: str, **changes: Any) -> LmEval:
    settings = {"num_fewshot": None, "limit": None, "batch_size": 2, "chat_template": False} | changes
    return LmEval(name="lm_eval", tasks=tasks, include_path=folder and str(folder), **settings)


def expected(model: Any, tokenizer: Any) -> list[float]:
    """Whether the right choice is the likelier one, from the model itself."""
    rights = []
    for row in CAPITALS:
        nats = []
        for choice in row["choices"]:  # type: ignore[attr-defined]
            prompt = tokenizer(f"Question: {row['question']}\nAnswer:")["input_ids"]
            whole = tokenizer(f"Question: {row['question']}\nAnswer: {choice}", return_tensors="pt")["input_ids"]
            with torch.no_grad():
                logs = model(whole).logits.log_softmax(dim=-1)[0, :-1]
            nats.append(logs.gather(1, whole[0, 1:, None])[len(prompt) - 1 :].sum().item())
        rights.append(float(np.argmax(nats) == row["label"]))
    return rights


def test_choices_are_those_that_the_model_finds_likelier(loaded: tuple[Any, Any], folder: Path) -> None:
    rights = expected(*loaded)
    scores = metric(folder, "capitals").score_model(*loaded, [], "en")
    assert scores.values == {"capitals_acc": pytest.approx(np.mean(rights))}
    assert scores.errors == {"capitals_acc": pytest.approx(np.std(rights, ddof=1) / 2)}
    assert scores.model_dump()["info"] == {
        "capitals_acc": {"title": "capitals acc", "lowest": None, "highest": None, "better": "higher", "pooling": None}
    }
    first, _, asked = scores.settings["capitals_acc"].rpartition(":")
    assert first == f"lm-eval:{version('lm-eval')}|version:1.0|shots:0|n:4|chat:no|asked:sha256"
    assert len(asked) == 16


def test_answers_are_generated(loaded: tuple[Any, Any], folder: Path) -> None:
    model, tokenizer = loaded
    rows = []
    for row in SUMS:
        ids = tokenizer(row["question"], return_tensors="pt")
        output = model.generate(**ids, max_new_tokens=4, do_sample=False, pad_token_id=tokenizer.pad_token_id)
        answer = tokenizer.decode(output[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)
        rows.append({"question": row["question"], "answer": answer.split("\n")[0]})
    (folder.parent / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    scores = metric(folder, "sums").score_model(model, tokenizer, [], "en")
    assert scores.values == {"sums_exact_match_first": 1.0}
    assert scores.info["sums_exact_match_first"].title == "sums exact_match first"


def test_nothing_is_left_changed(loaded: tuple[Any, Any], folder: Path) -> None:
    model, tokenizer = loaded
    model.train()
    tokenizer.padding_side = "right"
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    generation, kept = model.generation_config.to_dict(), tokenizer.init_kwargs.copy()
    draws = (random.Random(0), np.random.RandomState(0), torch.Generator().manual_seed(0))
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    metric(folder, "capitals", "sums").score_model(model, tokenizer, [], "en")
    assert random.random() == draws[0].random()
    assert np.random.random() == draws[1].random_sample()
    assert torch.equal(torch.rand(3), torch.rand(3, generator=draws[2]))
    assert (model.training, tokenizer.padding_side) == (True, "right")
    assert (model.generation_config.to_dict(), tokenizer.init_kwargs) == (generation, kept)
    assert all(torch.equal(weight, weights[name]) for name, weight in model.state_dict().items())
    model.eval()


def test_limits_and_examples_in_front_are_settings(loaded: tuple[Any, Any], folder: Path) -> None:
    data = yaml.safe_load((folder / "capitals.yaml").read_text())
    (folder / "capitals.yaml").write_text(yaml.safe_dump(data | {"fewshot_split": "test"}))
    all_of_them = metric(folder, "capitals").score_model(*loaded, [], "en").settings["capitals_acc"]
    fewer = metric(folder, "capitals", limit=2, num_fewshot=1).score_model(*loaded, [], "en").settings["capitals_acc"]
    assert "|shots:1|n:2|" in fewer
    assert fewer.rpartition(":")[2] != all_of_them.rpartition(":")[2]


def test_one_task_that_fails_leaves_the_others(loaded: tuple[Any, Any], folder: Path) -> None:
    scores = metric(folder, "far", "capitals").score_model(*loaded, [], "en")
    assert set(scores.values) == {"far", "capitals_acc"}
    assert (scores.values["far"], scores.missing) == (None, {"far": "task_failed"})
    assert scores.settings["far"].startswith("far cannot be run (")
    assert scores.settings["far"].endswith("); the hub does not answer, so that nothing could be downloaded")


def test_a_task_that_does_not_fit_into_memory(
    loaded: tuple[Any, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr("lm_eval.simple_evaluate", full)
    scores = metric(folder, "capitals").score_model(*loaded, [], "en")
    assert scores.missing == {"capitals": "out_of_memory"}
    assert scores.settings == {"capitals": "capitals does not fit beside the model; lower metric.lm_eval.batch_size"}


@pytest.fixture
def own_tasks_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the harness's own thousands of tasks, which take seconds to list."""
    from lm_eval.tasks import TaskManager

    monkeypatch.setattr(
        LmEval, "_manager", lambda self: TaskManager(include_path=self.include_path, include_defaults=False)
    )


@pytest.mark.usefixtures("own_tasks_alone")
def test_a_group_gives_its_own_score_and_a_tag_those_of_its_tasks(loaded: tuple[Any, Any], folder: Path) -> None:
    for name, extra in (("capitals", {"tag": "both"}), ("sums", {"tag": "both"})):
        data = yaml.safe_load((folder / f"{name}.yaml").read_text())
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(data | extra))
    group = {"group": "places", "task": ["capitals"], "aggregate_metric_list": [{"metric": "acc"}]}
    (folder / "places.yaml").write_text(yaml.safe_dump(group))
    scores = metric(folder, "places", "both").score_model(*loaded, [], "en")
    assert list(scores.values) == ["places_acc", "capitals_acc", "sums_exact_match_first"]
    assert scores.info["places_acc"].better == "higher"
    assert "|n:4|" in scores.settings["places_acc"]


@pytest.mark.parametrize(
    ("tasks", "sentence"),
    [
        ((), "metric.lm_eval.tasks: must name tasks, as in [arc_easy,hellaswag], got none"),
        (
            ("sums", "capitols"),
            "metric.lm_eval.tasks: there is no task 'capitols'; did you mean capitals? `lm-eval ls tasks` lists the "
            "harness's, metric.lm_eval.include_path=FOLDER adds your own",
        ),
    ],
)
@pytest.mark.usefixtures("own_tasks_alone")
def test_mistakes_are_refused_before_training(folder: Path, tasks: tuple[str, ...], sentence: str) -> None:
    metric(folder, "capitals", "sums").check([])
    with pytest.raises(InputError) as refused:
        metric(folder, *tasks).check([])
    assert str(refused.value) == sentence


def test_the_package_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval.tasks", None)
    with pytest.raises(InputError) as absent:
        metric(folder, "capitals").check([])
    assert str(absent.value) == (
        "metric=lm_eval needs the package lm-eval (import of lm_eval.tasks halted; None in sys.modules); "
        "install it with pip install 'tunebench[lm-eval]'"
    )


def test_answers_alone_give_no_score() -> None:
    scores = metric(None, "arc_easy").score([], "en")
    assert (scores.values, scores.missing) == ({"lm_eval": None}, {"lm_eval": "no_model"})
