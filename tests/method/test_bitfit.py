from collections.abc import Callable
from typing import Any

import pytest

from bench.errors import InputError
from tests.small_models import move, small

Make = Callable[..., Any]


def gpt2() -> Any:
    return small("gpt2", num_hidden_layers=1)


def test_the_biases_and_nothing_else_are_trained(method: Make, trained_names: Make) -> None:
    model = method("bitfit").prepare(gpt2())
    block = ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj")
    assert trained_names(model) == {f"transformer.h.0.{part}.bias" for part in block} | {"transformer.ln_f.bias"}


def test_what_was_saved_gives_the_same_answers(method: Make, loaded: Make, tmp_path: Any) -> None:
    import torch

    bitfit, base, fresh = method("bitfit"), gpt2(), gpt2()
    fresh.load_state_dict(base.state_dict())
    model = bitfit.settle(bitfit.prepare(base))
    move(model)
    bitfit.save(model, tmp_path)
    ids = torch.arange(8).reshape(1, 8)
    before = fresh.eval()(input_ids=ids).logits
    after = loaded(bitfit, fresh, tmp_path).eval()(input_ids=ids).logits
    assert not torch.equal(after, before)
    assert torch.equal(after, model.eval()(input_ids=ids).logits)


def test_a_model_without_biases(method: Make, load: Make) -> None:
    bitfit = method("bitfit")
    with pytest.raises(InputError) as caught:
        bitfit.prepare(load(bitfit))
    assert str(caught.value) == (
        "method: bitfit trains bias terms, and LlamaForCausalLM has none; choose another method"
    )
