"""Each method on tiny models of many architectures: trained, saved, and loaded again to the same answers."""

from collections.abc import Callable
from functools import cache
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest

from bench import tiny
from bench.cell import Cell
from bench.child.generate import answer, left_padded, reference_likelihoods
from bench.child.interrupt import StopRequest
from bench.child.load import Loaded, load, skeleton
from bench.child.phases import Phases
from bench.child.train import train
from bench.encode import Encoded, Room, encode
from bench.example import Example
from bench.tokenizer import load_tokenizer
from tests.small_models import small, write

MakeCell = Callable[..., Cell]
Base = Callable[..., Loaded]

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": {"tie_word_embeddings": True},
    "mistral": {},
    "mixtral": {},
    "qwen2": {},
    "qwen2_moe": {},
    "qwen3": {},
    # Tied, their scaled embeddings would repeat the last token of the prompt.
    "gemma2": {"tie_word_embeddings": False},
    "gemma3_text": {"tie_word_embeddings": False},
    "phi3": {},
    "olmo2": {},
    "gpt2": {"max_position_embeddings": 128},
    "gpt_neox": {},
    "falcon": {},
    "opt": {"max_position_embeddings": 128},
    "bloom": {},
}
METHODS = ("baseline", "lora", "qlora", "toplayer", "full")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the folder of a checkpoint with the embedded tokenizer, which has fewer tokens than the vocabulary."""
    tokenizer = load_tokenizer(tiny.FOLDER, trust_remote_code=False)

    @cache
    def folder(name: str) -> Path:
        return write(tmp_path_factory.mktemp(name), small(name, vocab_size=1344, **ARCHITECTURES[name]), tokenizer)

    return folder


def examples(n: int) -> list[Example]:
    """Questions of very different lengths."""
    return [
        Example(
            id=str(at),
            cluster=str(at),
            question=f"Who was at drill {at}?",
            context=at * "A ship left the port. ",
            references=(f"ship {at} of 3" if at % 2 else "the coastal brigade",),
        )
        for at in range(n)
    ]


@pytest.fixture
def cell(make_cell: MakeCell, folders: Callable[[str], Path]) -> Callable[..., Cell]:
    """Gives a cell of two steps with a method on an architecture."""

    def make(name: str, method: str, **changes: Any) -> Cell:
        return make_cell(
            {
                "model": "local",
                "model.path": str(folders(name)),
                "model.precision": "float32",
                "method": method,
                "prompt.max_length": 128,
                "train.max_steps": 2,
                "train.effective_batch": 4,
                "train.micro_batch": 2,
                "generation.max_new_tokens": 6,
            }
            | changes
        )

    return make


def loaded_of(cell: Cell) -> Loaded:
    import torch

    return load(cell.model, cell.method.quantization(torch.float32), cell.seed)


def encoded_for(cell: Cell, tokenizer: Any, n: int) -> list[Encoded]:
    return encode(examples(n), cell.prompt, tokenizer, Room(cell.prompt.max_length, 8))[0]


def answers_of(model: Any, tokenizer: Any, cell: Cell, asked: list[Encoded], batch: int = 4) -> list[str]:
    return answer(model, tokenizer, asked, batch, cell.generation.max_new_tokens, (), progress=lambda _: None)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_was_trained_comes_back(
    cell: Callable[..., Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, method: str
) -> None:
    import torch

    asked = cell(name, method)
    base, tokenizer, _, _ = loaded_of(asked)
    torch.manual_seed(0)
    model = asked.method.prepare(base)
    test = encoded_for(asked, tokenizer, 4)
    ids, mask = left_padded([item.prompt_ids for item in test], tokenizer.pad_token_id, model.device)

    def logits(of: Any) -> torch.Tensor:
        with torch.no_grad():
            return of(input_ids=ids, attention_mask=mask).logits

    before = logits(model)
    if asked.method.trains:
        _, sender = Pipe(duplex=False)
        training = encoded_for(asked, tokenizer, 8)
        train(
            model,
            tokenizer,
            training,
            test,
            asked,
            tmp_path / "steps",
            torch.float32,
            Phases(sender, StopRequest()),
            StopRequest(),
        )
        model = asked.method.settle(model)
        assert not torch.equal(logits(model), before)
    expected = logits(model)
    expected_answers = answers_of(model, tokenizer, asked, test)
    asked.method.save(model, tmp_path / "saved")

    monkeypatch.chdir(tmp_path / "saved")
    there: dict[str, Any] = {"model": loaded_of(asked).base}
    exec(asked.method.loading_code, there)
    assert torch.equal(logits(there["model"].eval()), expected)
    assert answers_of(there["model"], tokenizer, asked, test) == expected_answers
    assert len(set(expected_answers)) > 1


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_batch_gives_what_single_examples_give(cell: Callable[..., Cell], name: str) -> None:
    """Positions and masks are right under padding."""
    asked = cell(name, "baseline", **{"generation.max_new_tokens": 12})
    model, tokenizer, _, _ = loaded_of(asked)
    test = encoded_for(asked, tokenizer, 4)
    assert len({len(item.prompt_ids) for item in test}) > 1
    assert answers_of(model, tokenizer, asked, test) == answers_of(model, tokenizer, asked, test, batch=1)
    together, single = (reference_likelihoods(model, tokenizer, test, batch) for batch in (4, 1))
    assert [each.nll_nats for each in together] == pytest.approx([each.nll_nats for each in single], rel=1e-4)
    assert [each.tokens for each in together] == [each.tokens for each in single]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_check_before_the_first_cell_accepts_it(cell: Callable[..., Cell], name: str, method: str) -> None:
    asked = cell(name, method)
    trained = asked.method.prepare(skeleton(asked.model, asked.model.folder))
    assert any(parameter.requires_grad for parameter in trained.parameters()) == asked.method.trains
