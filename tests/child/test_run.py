import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.cell import Cell
from bench.child.run import prepare
from bench.errors import InputError

ANSWERS = ("ship", "the ship", "the ship came", "the ship came from the north on Monday")


@pytest.fixture
def cell(make_cell: Callable[..., Cell], tmp_path: Path) -> Callable[..., Cell]:
    """Gives a cell with one training example and one validation example for each of ANSWERS, with changes."""

    def write(name: str, answers: tuple[str, ...]) -> str:
        path = tmp_path / name
        lines = [{"instruction": f"{name} {answer}?", "input": "", "output": answer} for answer in answers]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return str(path)

    data = {
        "dataset": "alpaca",
        "dataset.train": write("train.jsonl", ("a boat",)),
        "dataset.validation": write("validation.jsonl", ANSWERS),
    }

    def make(changes: dict[str, Any] | None = None) -> Cell:
        return make_cell(data | (changes or {}))

    return make


def test_references_that_generation_cannot_reach_are_counted(cell: Callable[..., Cell], tokenizer: Any) -> None:
    """An answer of exactly max_new_tokens tokens can be generated; only its end of sequence cannot."""
    lengths = sorted(len(tokenizer(" " + answer, add_special_tokens=False)["input_ids"]) for answer in ANSWERS)
    assert len(set(lengths)) == len(lengths)
    counts = [
        prepare(cell({"generation.max_new_tokens": limit}), tokenizer, 256)[2].n_references_too_long
        for limit in (lengths[-1], lengths[-1] - 1, lengths[1], lengths[1] - 1)
    ]
    assert counts == [0, 1, 2, 3]


def test_the_tokens_of_the_latency_runs_fit_into_the_context(cell: Callable[..., Cell], tokenizer: Any) -> None:
    _, validation, _ = prepare(cell(), tokenizer, 256)
    longest = max(len(item.prompt_ids) for item in validation)
    prepare(cell({"latency.output_tokens": 256 - longest}), tokenizer, 256)
    with pytest.raises(InputError) as caught:
        prepare(cell({"latency.output_tokens": 257 - longest}), tokenizer, 256)
    assert str(caught.value) == (
        f"latency.output_tokens: must be at most {256 - longest}, got {257 - longest}: "
        f"this model takes 256 tokens, and the longest prompt has {longest}. "
        "Lower it, or prompt.max_length."
    )


def test_no_example_fits(cell: Callable[..., Cell], tokenizer: Any) -> None:
    with pytest.raises(InputError) as caught:
        prepare(cell({"prompt.max_length": 8, "generation.max_new_tokens": 4}), tokenizer, 256)
    assert str(caught.value) == (
        "No training example fits into 8 tokens, even with an empty context. "
        "Raise prompt.max_length (this model takes 256 tokens) or choose a shorter prompt."
    )
