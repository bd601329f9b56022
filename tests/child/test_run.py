import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from bench import protocol
from bench.cell import Cell
from bench.child.interrupt import Interrupted, StopRequest
from bench.child.phases import Phases
from bench.child.run import prepare, run
from bench.errors import InputError
from bench.example import fingerprint

ANSWERS = ("ship", "the ship", "the ship came", "the ship came from the north on Monday")


@pytest.fixture
def cell(make_cell: Callable[..., Cell], tmp_path: Path) -> Callable[..., Cell]:
    """Gives a cell with one training example and one test example for each of ANSWERS, with changes."""

    def write(name: str, answers: tuple[str, ...]) -> str:
        path = tmp_path / name
        lines = [{"instruction": f"{name} {answer}?", "input": "", "output": answer} for answer in answers]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return str(path)

    data = {
        "dataset": "records",
        "dataset.train": write("train.jsonl", ("a boat",)),
        "dataset.test": write("test.jsonl", ANSWERS),
        "dataset.tune_fraction": 0,
    }

    def make(changes: dict[str, Any] | None = None) -> Cell:
        return make_cell(data | (changes or {}))

    return make


def test_references_that_generation_cannot_reach_are_counted(cell: Callable[..., Cell], tokenizer: Any) -> None:
    """An answer of exactly max_new_tokens tokens can be generated; only its end of sequence cannot."""
    lengths = sorted(len(tokenizer(" " + answer, add_special_tokens=False)["input_ids"]) for answer in ANSWERS)
    assert len(set(lengths)) == len(lengths)
    counts = [
        prepare(cell({"generation.max_new_tokens": limit}), tokenizer, 256)[-1].n_references_too_long
        for limit in (lengths[-1], lengths[-1] - 1, lengths[1], lengths[1] - 1)
    ]
    assert counts == [0, 1, 2, 3]


def test_the_tokens_of_the_latency_runs_fit_into_the_context(cell: Callable[..., Cell], tokenizer: Any) -> None:
    _, _, test, _ = prepare(cell(), tokenizer, 256)
    longest = max(len(item.prompt_ids) for item in test)
    prepare(cell({"latency.output_tokens": 256 - longest}), tokenizer, 256)
    with pytest.raises(InputError) as caught:
        prepare(cell({"latency.output_tokens": 257 - longest}), tokenizer, 256)
    assert str(caught.value) == (
        f"latency.output_tokens: must be at most {256 - longest}, got {257 - longest}: "
        f"tiny takes 256 tokens, and the longest prompt has {longest}. "
        "Lower it, or prompt.max_length."
    )


def test_no_example_fits(cell: Callable[..., Cell], tokenizer: Any) -> None:
    with pytest.raises(InputError) as caught:
        prepare(cell({"prompt.max_length": 8, "generation.max_new_tokens": 4}), tokenizer, 256)
    assert str(caught.value) == (
        "No training example fits into 8 tokens, even with an empty context. "
        "Raise prompt.max_length (this model takes 256 tokens) or choose a shorter prompt."
    )


def test_no_example_fits_into_the_context_of_the_model(cell: Callable[..., Cell], tokenizer: Any) -> None:
    with pytest.raises(InputError) as caught:
        prepare(cell({"generation.max_new_tokens": 4, "latency.output_tokens": 4}), tokenizer, 12)
    assert str(caught.value) == (
        "No training example fits into 12 tokens, even with an empty context. More are not possible, since tiny takes "
        "12 tokens: lower generation.max_new_tokens, or choose a shorter prompt or another model."
    )


def test_a_model_without_a_limit_takes_what_the_prompt_asks_for(cell: Callable[..., Cell], tokenizer: Any) -> None:
    assert prepare(cell(), tokenizer, None) == prepare(cell(), tokenizer, 10**6)


@pytest.fixture
def divided(make_cell: Callable[..., Cell]) -> Callable[..., Cell]:
    """Gives a cell of a few reports, with changes."""
    few = {
        "dataset.train_documents": 4,
        "dataset.tune_documents": 3,
        "dataset.test_documents": 2,
        "dataset.questions_per_document": 1,
    }
    short = {
        "train.epochs": 2,
        "train.effective_batch": 4,
        "train.micro_batch": 4,
        "generation.max_new_tokens": 2,
        "latency.runs": 1,
        "latency.output_tokens": 2,
        "metric": {"perplexity": {"_target_": "bench.metric.perplexity.Perplexity", "name": "perplexity"}},
    }
    return lambda changes: make_cell(few | short | changes)


@pytest.mark.parametrize("split", ["test", "tune"])
def test_a_cell_is_scored_on_the_split_that_was_asked_for(
    divided: Callable[..., Cell], tmp_path: Path, split: Literal["test", "tune"]
) -> None:
    asked = divided({"scored_on": split})
    splits = asked.dataset.load()
    done = ran(asked, tmp_path)
    data = done.only(protocol.DataPrepared).data
    assert (data.scored_on, data.n_train, data.n_tune, data.n_test) == (split, 4, 3, 2)
    assert data.scored_fingerprint == fingerprint(splits.parts()[split])
    assert data.tune_fingerprint == fingerprint(splits.tune)
    answers = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert [answer["id"] for answer in answers] == [example.id for example in splits.parts()[split]]
    # Whatever is scored, training looks at tune: the last evaluation is of the weights that are scored.
    last = done.only(protocol.Trained).training.evaluations[-1]
    perplexity = done.only(protocol.Scored).scores["perplexity"]
    assert (math.exp(last.loss) == pytest.approx(perplexity, rel=1e-4)) == (split == "tune")


def test_with_the_tune_split_in_training_nothing_is_evaluated(divided: Callable[..., Cell], tmp_path: Path) -> None:
    asked = divided({"train.include_tune": True, "train.epochs": 1})
    splits = asked.dataset.load()
    done = ran(asked, tmp_path)
    data = done.only(protocol.DataPrepared).data
    assert (data.n_train, data.n_tune, data.n_test, data.tune_fingerprint) == (7, 0, 2, None)
    assert data.train_fingerprint == fingerprint(splits.train + splits.tune)
    assert done.only(protocol.Trained).training.evaluations == ()
    assert not [event for event in done.events if isinstance(event, protocol.Evaluated)]


def test_the_best_checkpoint_needs_a_tune_split(divided: Callable[..., Cell], tokenizer: Any) -> None:
    with pytest.raises(InputError, match=r"^the tune split is empty, but scored_on=tune and train\.best_checkpoint"):
        prepare(divided({"train.best_checkpoint": True, "dataset.tune_documents": 0}), tokenizer, 256)


class Ending:
    """Keeps the events of a cell, and stops it after a step if there is one to stop after."""

    def __init__(self, stop: StopRequest, after: int | None) -> None:
        self.stop, self.after = stop, after
        self.events: list[Any] = []

    def send_bytes(self, content: bytes) -> None:
        self.events.append(protocol.parse(content))
        self.stop.made |= isinstance(self.events[-1], protocol.Step) and self.events[-1].step == self.after

    def only(self, kind: type[Any]) -> Any:
        (event,) = (event for event in self.events if isinstance(event, kind))
        return event


def ran(cell: Cell, folder: Path, stopped_after: int | None = None) -> Ending:
    stop = StopRequest()
    ending = Ending(stop, stopped_after)
    phases = Phases(ending, stop)  # type: ignore[arg-type]
    if stopped_after is None:
        run(cell, folder, phases, stop)
        return ending
    with pytest.raises(Interrupted):
        run(cell, folder, phases, stop)
    return ending


def test_a_cell_goes_on_with_the_commit_that_it_began_with(
    cell: Callable[..., Cell],
    checkpoint: Path,
    untied_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its model's revision is the hub's newest, which is another one by the time that it is run again."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    old, new = 40 * "a", 40 * "b"
    hub = tmp_path / "models--somebody--small"
    for commit, files in ((old, checkpoint), (new, untied_checkpoint)):
        shutil.copytree(files, hub / "snapshots" / commit)
    (hub / "refs").mkdir()
    asked = cell(
        {
            "model": "hub",
            "model.path": "somebody/small",
            "train.max_steps": 4,
            "generation.max_new_tokens": 2,
            "latency.runs": 1,
            "latency.output_tokens": 2,
            "metric": {},
        }
    )
    folder = tmp_path / "cell"
    folder.mkdir()
    (hub / "refs" / "main").write_text(old)
    first = ran(asked, folder, stopped_after=2)
    assert first.only(protocol.ModelLoaded).base.revision == old
    (hub / "refs" / "main").write_text(new)
    second = ran(asked, folder)
    assert second.only(protocol.Resumed).step == 2
    assert second.only(protocol.ModelLoaded).base.revision == old
    assert old in (folder / "adapter" / "README.md").read_text()
    # What ended, or is run again from the start, takes the newest.
    shutil.rmtree(folder / "checkpoints")
    assert ran(asked, folder, stopped_after=2).only(protocol.ModelLoaded).base.revision == new
