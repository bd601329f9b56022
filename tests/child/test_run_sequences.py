"""Whole cells on conversations, plain text and prompts with solved examples, against computations of their own."""

import json
import math
from collections.abc import Callable
from itertools import pairwise
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import protocol
from bench.cell import Cell
from bench.child.interrupt import StopRequest
from bench.child.load import load
from bench.child.phases import Phases
from bench.child.run import run
from bench.model import Model

TALKS = [
    [("user", "Who was at the drill?"), ("assistant", "The navy."), ("user", "When?"), ("assistant", "On 3 May.")],
    [("system", "Be brief."), ("user", "Who sent a ship?"), ("assistant", "The navy sent a rescue ship.")],
    [("user", "Was it a drill?"), ("assistant", "No."), ("user", "What, then?"), ("assistant", "An accident.")],
]
ASKED = [("user", "Which howitzers?"), ("assistant", "Four."), ("user", "Where?"), ("assistant", "Near Orsha.")]
TEXTS = ["An accident at the depot injured seven sailors; the navy sent a rescue ship. " * 3, "It rained on Monday."]
SHORT = {
    "train.epochs": 1,
    "train.warmup_fraction": 0.0,
    "generation.batch": 2,
    "generation.max_new_tokens": 8,
    "latency.warmup_runs": 0,
    "latency.runs": 1,
    "latency.output_tokens": 2,
}
METRICS = {
    name: {"_target_": f"bench.metric.{name}.{kind}", "name": name}
    for name, kind in (("exact_match", "ExactMatch"), ("perplexity", "Perplexity"))
}


class Ran:
    """A cell that was run in this process: its events, its predictions and its folder."""

    def __init__(self, cell: Cell, folder: Path) -> None:
        receiver, sender = Pipe(duplex=False)
        stop = StopRequest()
        run(cell, folder, Phases(sender, stop), stop)
        sender.close()
        self.folder = folder
        self.events: list[Any] = []
        while True:
            try:
                self.events.append(protocol.parse(receiver.recv_bytes()))
            except EOFError:
                break
        self.predictions = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]

    def event(self, kind: str) -> Any:
        (event,) = (event for event in self.events if event.kind == kind)
        return event


@pytest.fixture
def ran(make_cell: Callable[..., Cell], small_model: Callable[..., Model], tmp_path: Path) -> Callable[..., Ran]:
    def go(train: list[dict[str, Any]], test: list[dict[str, Any]], changes: dict[str, Any]) -> Ran:
        for name, records in (("train", train), ("test", test)):
            (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        cell = make_cell(
            {
                **{name: changes.pop(name) for name in ("dataset", "prompt", "method") if name in changes},
                "dataset.train": str(tmp_path / "train.jsonl"),
                "dataset.test": str(tmp_path / "test.jsonl"),
                "dataset.tune_fraction": 0,
                "train.effective_batch": len(train),
                "train.micro_batch": len(train),
                "metric": METRICS,
                **SHORT,
                **changes,
            }
        )
        cell = cell.model_copy(update={"model": small_model()})
        folder = tmp_path / "cell"
        folder.mkdir()
        return Ran(cell, folder)

    return go


def nll_nats(model: Any, ids: list[int], learned: list[bool]) -> float:
    """Summed over the learned tokens, by the model's own loss."""
    labels = [id if is_learned else -100 for id, is_learned in zip(ids, learned, strict=True)]
    with torch.inference_mode():
        mean = model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss.item()
    return mean * sum(learned)


def by_hand(talk: list[tuple[str, str]], tokenizer: Any) -> tuple[list[int], list[bool]]:
    """The tokens of a conversation in the simple form, and which of them are learned."""
    ids, learned = [tokenizer.bos_token_id], [False]
    for number, (role, text) in enumerate(talk):
        last = number == len(talk) - 1
        pieces = [(f"{role.capitalize()}:\n", False), (text, False), ("\n\n", False)]
        if role == "assistant":
            pieces[1:] = [(f"{text}</s>", True), ("" if last else "\n\n", False)]
        # Words do not reach across the seams of this form, except over line breaks, which are joined here.
        for piece, is_learned in pieces:
            tokens = tokenizer(piece, add_special_tokens=False)["input_ids"]
            ids += tokens
            learned += [is_learned] * len(tokens)
    return ids, learned


def test_conversations_are_learned_turn_by_turn_and_scored_on_the_last(
    ran: Callable[..., Ran], small_model: Callable[..., Model]
) -> None:
    def record(talk: list[tuple[str, str]]) -> dict[str, Any]:
        return {"messages": [{"role": role, "content": text} for role, text in talk]}

    done = ran(
        [record(talk) for talk in TALKS],
        [record(ASKED)],
        {"dataset": "messages", "prompt": "chat", "prompt.chat_template": "simple", "method.dropout": 0.0},
    )
    base = load(small_model(), None, seed=0)
    expected = [by_hand(talk, base.tokenizer) for talk in TALKS]
    training = done.event("trained").training
    assert training.tokens == sum(len(ids) for ids, _ in expected)
    assert training.completion_tokens == sum(sum(learned) for _, learned in expected)
    # The only step sees all conversations, and before it the adapters do nothing.
    loss = sum(nll_nats(base.base, ids, learned) for ids, learned in expected) / training.completion_tokens
    assert training.first_loss == pytest.approx(loss, rel=1e-5)

    (prediction,) = done.predictions
    assert prediction["question"] == "Where?"
    assert prediction["messages"] == record(ASKED)["messages"][:-1]
    last = base.tokenizer("Near Orsha.</s>", add_special_tokens=False)["input_ids"]
    assert prediction["reference_tokens"] == len(last)
    perplexity = math.exp(prediction["reference_nll_nats"] / len(last))
    assert done.event("scored").scores == {"exact_match": 0.0, "perplexity": pytest.approx(perplexity)}
    data = done.event("data_prepared").data
    assert data.reference_tokens == dict.fromkeys(("p50", "p99", "largest"), len(last) - 1)
    assert (data.n_shots_mean, data.n_fewer_shots) == (0.0, 0)

    card = (done.folder / "adapter" / "README.md").read_text()
    assert "# Earlier turns of a conversation go here" in card
    from transformers import AutoTokenizer

    saved = AutoTokenizer.from_pretrained(done.folder / "adapter")
    turns = [{"role": role, "content": text} for role, text in ASKED[:-1]]
    text = saved.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    assert text.endswith("User:\nWhere?\n\nAssistant:\n")


def test_text_is_scored_whole_and_nothing_is_asked(ran: Callable[..., Ran], small_model: Callable[..., Model]) -> None:
    records = [{"text": text} for text in TEXTS]
    done = ran(
        [{"text": "A ship left. " * 20}],
        records,
        {"dataset": "text", "prompt": "plain", "method": "baseline", "prompt.max_length": 16},
    )
    base = load(small_model(), None, seed=0)
    nll, n_tokens = 0.0, 0
    for text, prediction in zip(TEXTS, done.predictions, strict=True):
        ids = [*base.tokenizer(text, add_special_tokens=False)["input_ids"], base.tokenizer.eos_token_id]
        n_pieces = math.ceil(len(ids) / 15)
        cuts = [len(ids) * piece // n_pieces for piece in range(n_pieces + 1)]
        own = 0.0
        for start, end in pairwise(cuts):
            piece = [base.tokenizer.bos_token_id, *ids[start:end]]
            own += nll_nats(base.base, piece, [False] + [True] * (end - start))
        assert prediction["reference_nll_nats"] == pytest.approx(own, rel=1e-5)
        assert prediction["reference_tokens"] == len(ids)
        assert prediction["prediction"] == ""
        nll, n_tokens = nll + own, n_tokens + len(ids)
    assert done.event("scored").scores == {"perplexity": pytest.approx(math.exp(nll / n_tokens), rel=1e-5)}
    phases = [event.phase for event in done.events if event.kind == "phase_started"]
    assert phases == ["load", "prepare", "score", "latency"]
    data = done.event("data_prepared").data
    assert (data.n_train, data.n_test, data.n_references_too_long, data.reference_tokens) == (1, 2, None, {})
    reasons = [event.reasons for event in done.events if event.kind == "missing"]
    expected = {"data.n_references_too_long": "nothing_asked", "data.tune_fingerprint": "no_tune_split"}
    assert expected in reasons
    assert done.event("latency_measured").latency.single.time_to_first_token_s_p50 > 0


def test_solved_examples_stand_in_every_prompt(ran: Callable[..., Ran]) -> None:
    def record(question: str, answer: str) -> dict[str, str]:
        return {"instruction": question, "input": "", "output": answer}

    train = [record(f"Who was {at}?", f"the {at}th") for at in range(6)]
    test = [record("Who came?", "a ship"), record("Who left? " * 4, "a boat")]
    done = ran(train, test, {"dataset": "alpaca", "method": "fewshot", "method.shots": 3, "prompt.max_length": 100})
    data = done.event("data_prepared").data
    assert data.n_fewer_shots == 1
    assert 1.5 <= data.n_shots_mean < 3
    assert not [event for event in done.events if event.kind in ("step", "saved")]
