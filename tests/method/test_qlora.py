from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]


def test_four_bits_are_nf4_with_double_quantisation(method: Make, load: Make) -> None:
    import torch
    from bitsandbytes.nn.modules import Linear4bit

    qlora = method("qlora", bits=4)
    model = qlora.prepare(load(qlora))
    layer = model.base_model.model.model.layers[0].self_attn.q_proj.base_layer
    assert isinstance(layer, Linear4bit)
    weight: Any = layer.weight
    assert (weight.quant_type, weight.quant_state.nested) == ("nf4", True)
    assert layer.compute_dtype == torch.float32
    assert layer.weight.dtype == torch.uint8


def test_eight_bits_are_llm_int8(method: Make, load: Make) -> None:
    from bitsandbytes.nn.modules import Linear8bitLt

    qlora = method("qlora", bits=8)
    layer = qlora.prepare(load(qlora)).base_model.model.model.layers[0].self_attn.q_proj.base_layer
    assert isinstance(layer, Linear8bitLt)
    assert (layer.state.threshold, layer.state.has_fp16_weights) == (6.0, False)


@pytest.mark.parametrize("bits", [4, 8])
def test_the_adapters_and_nothing_else_are_trained(method: Make, load: Make, trained_names: Make, bits: int) -> None:
    import torch

    qlora = method("qlora", bits=bits)
    model = qlora.prepare(load(qlora))
    assert trained_names(model) == {
        f"base_model.model.model.layers.{block}.self_attn.{layer}.lora_{side}.default.weight"
        for block in range(2)
        for layer in ("q_proj", "v_proj")
        for side in "AB"
    }
    assert {parameter.dtype for parameter in model.parameters() if parameter.requires_grad} == {torch.float32}


@pytest.mark.parametrize("bits", [4, 8])
def test_gradients_reach_the_adapters_through_quantised_weights(method: Make, load: Make, bits: int) -> None:
    import torch

    qlora = method("qlora", bits=bits)
    model = qlora.prepare(load(qlora)).train()
    ids = torch.arange(5, 53).reshape(2, 24)
    model(input_ids=ids, labels=ids).loss.backward()
    for name, parameter in model.named_parameters():
        # A is behind B, which starts as zero.
        if "lora_B" in name:
            assert parameter.grad is not None
            assert parameter.grad.abs().max() > 0
        elif not parameter.requires_grad:
            assert parameter.grad is None


@pytest.mark.parametrize("bits", [4, 8])
def test_saved_and_restored_it_answers_the_same(method: Make, comes_back: Make, bits: int) -> None:
    comes_back(method("qlora", bits=bits))
