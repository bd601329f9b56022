"""Models of architectures that keep tokens apart, and of some that do not."""

from collections.abc import Callable
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling
from trl.trainer.utils import add_fused_lm_head

from bench.cell import Cell
from bench.child.interrupt import StopRequest
from bench.child.phases import Phases
from bench.child.run import run
from bench.child.soundness import require_causal, require_loss, require_packing
from bench.errors import InputError
from bench.model import Model
from tests.small_models import small, write

KEEPS_ALL_APART = ("llama", "mixtral", "gemma3_text", "gpt2", "gpt_neox")


def named(kind: str) -> PreTrainedModel:
    model = small(kind)
    model.name_or_path = "mine"
    return model


def packed() -> DataCollatorForLanguageModeling:
    return DataCollatorForLanguageModeling(pad_token_id=2, padding_free=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", KEEPS_ALL_APART)
def test_most_are_sound(kind: str, dtype: torch.dtype) -> None:
    model = small(kind, dtype=dtype)
    require_causal(model, batch=8)
    require_packing(model, packed())
    add_fused_lm_head(model)
    require_loss(model, DataCollatorForLanguageModeling(pad_token_id=2))


@pytest.mark.parametrize("kind", ["falcon", "bloom", "opt", "gpt_oss", "mamba"])
def test_examples_that_would_see_those_before_them(kind: str) -> None:
    """What it is about: the same text has another likelihood in a packed sequence."""
    model = small(kind)
    with pytest.raises(InputError) as caught:
        require_packing(model, packed())
    assert str(caught.value) == (
        f"train.packing: must be false for a {kind} model, whose examples would see those before them in one sequence"
    )
    rows = [{"input_ids": [9, 8, 7]}, {"input_ids": [6, 5, 4]}]
    inputs = packed()(rows)
    del inputs["labels"]
    with torch.no_grad():
        together = model(**inputs, use_cache=False).logits[0, 3:]
        alone = model(input_ids=torch.tensor([[6, 5, 4]]), use_cache=False).logits[0]
    assert not torch.allclose(together, alone, atol=1e-2)


def test_a_hybrid_without_its_kernels() -> None:
    model = small("bamba")
    with pytest.raises(InputError, match=r"^train\.packing: must be false for this bamba model: .*packed sequences"):
        require_packing(model, packed())


def test_an_encoder_sees_what_it_is_to_predict() -> None:
    with pytest.raises(InputError) as caught:
        require_causal(named("roberta"), batch=1)
    assert str(caught.value) == (
        "mine is a roberta model that sees the tokens which it is to predict, so that it is no causal language model; "
        "take another"
    )


def test_padding_that_would_be_read() -> None:
    model = small("rwkv")
    require_causal(model, batch=1)
    with pytest.raises(InputError) as caught:
        require_causal(model, batch=2)
    assert str(caught.value) == (
        "generation.batch: must be 1 for a rwkv model, got 2: in a batch, it would read the padding of shorter prompts"
    )


def test_a_loss_that_is_not_the_models() -> None:
    model = small("modernbert-decoder")
    add_fused_lm_head(model)
    with pytest.raises(InputError) as caught:
        require_loss(model, DataCollatorForLanguageModeling(pad_token_id=2))
    assert str(caught.value) == (
        "TRL computes the loss of a modernbert-decoder model without what that does around its output embedding, so "
        "that training would learn something else; take another model"
    )


@pytest.mark.parametrize(
    ("kind", "packing", "message"),
    [("opt", True, "train.packing: must"), ("modernbert-decoder", False, "TRL computes")],
)
def test_training_does_not_begin(
    training: Callable[..., Any],
    make_cell: Callable[..., Cell],
    small_model: Callable[..., Model],
    tokenizer: Any,
    tmp_path: Path,
    kind: str,
    packing: bool,
    message: str,
) -> None:
    write(tmp_path / "model", small(kind), tokenizer)
    cell = make_cell({"method": "full", "train.packing": packing})
    with pytest.raises(InputError, match=message):
        training(cell, small_model(path=str(tmp_path / "model")), tmp_path / "checkpoints")


def test_a_cell_ends_before_it_asks_an_encoder(make_cell: Callable[..., Cell], tokenizer: Any, tmp_path: Path) -> None:
    write(tmp_path / "model", small("roberta"), tokenizer)
    cell = make_cell({"model": "local", "model.path": str(tmp_path / "model"), "method": "baseline"})
    receiver, sender = Pipe(duplex=False)
    with receiver, pytest.raises(InputError, match="sees the tokens which it is to predict"):
        run(cell, tmp_path, Phases(sender, StopRequest()), StopRequest())
