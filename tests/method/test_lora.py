from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from bench.errors import InputError
from tests.small_models import small

Make = Callable[..., Any]


def adapters(*modules: str) -> set[str]:
    return {
        f"base_model.model.model.layers.{block}.{module}.lora_{side}.default.weight"
        for block in range(2)
        for module in modules
        for side in "AB"
    }


@pytest.mark.parametrize("targets", [("q_proj", "v_proj"), ("down_proj",)])
def test_the_adapters_and_nothing_else_are_trained(
    method: Make, load: Make, trained_names: Make, targets: tuple[str, ...]
) -> None:
    lora = method("lora", target_modules=targets)
    owner = {"q_proj": "self_attn", "v_proj": "self_attn", "down_proj": "mlp"}
    model = lora.prepare(load(lora))
    assert trained_names(model) == adapters(*(f"{owner[target]}.{target}" for target in targets))


def test_an_untrained_adapter_changes_nothing(method: Make, load: Make, logits: Make) -> None:
    import torch

    lora = method("lora")
    base = load(lora)
    before = logits(base)
    assert torch.equal(logits(lora.prepare(base)), before)


def test_the_update_is_scaled_by_alpha_over_rank(method: Make, load: Make) -> None:
    import torch

    lora = method("lora", rank=4, alpha=6, dropout=0.0, target_modules=["q_proj"])
    layer = lora.prepare(load(lora)).base_model.model.model.layers[1].self_attn.q_proj
    down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    assert (tuple(down.shape), tuple(up.shape)) == ((4, 64), (64, 4))
    torch.manual_seed(2)
    up.data = torch.randn_like(up)
    given = torch.randn(3, 64)
    by_hand = given @ layer.base_layer.weight.T + 1.5 * (given @ down.T) @ up.T
    torch.testing.assert_close(layer(given), by_hand)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_adapters_have_the_precision_asked_for_and_the_base_its_own(
    method: Make, load: Make, dtype: str, precision: str
) -> None:
    import torch

    lora = method("lora", adapter_dtype=dtype)
    model = lora.prepare(load(lora, precision=precision))
    of_adapters = {parameter.dtype for parameter in model.parameters() if parameter.requires_grad}
    of_base = {parameter.dtype for parameter in model.parameters() if not parameter.requires_grad}
    assert (of_adapters, of_base) == ({getattr(torch, dtype)}, {getattr(torch, precision)})


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (["q_proj", "c_attn", "w1"], "c_attn, w1"),
        ([], "nothing"),
        (["self_attn"], "self_attn"),
        (["embed_tokens"], "embed_tokens"),
    ],
)
def test_a_layer_that_the_model_lacks(method: Make, load: Make, targets: list[str], said: str) -> None:
    lora = method("lora", target_modules=targets)
    with pytest.raises(InputError) as caught:
        lora.prepare(load(lora))
    assert str(caught.value) == (
        f"method.target_modules: this model has no linear layer named {said}; "
        "it has down_proj, gate_proj, k_proj, lm_head, o_proj, q_proj, up_proj, v_proj; "
        "name those, or give all-linear"
    )


@pytest.mark.parametrize(
    ("targets", "layers"),
    [
        (
            "all-linear",
            [*(f"self_attn.{name}_proj" for name in "qkvo"), "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"],
        ),
        (None, ["self_attn.q_proj", "self_attn.v_proj"]),
    ],
)
def test_layers_can_be_all_linear_ones_or_those_of_pefts_choice(
    method: Make, load: Make, trained_names: Make, targets: str | None, layers: list[str]
) -> None:
    lora = method("lora", target_modules=targets)
    assert trained_names(lora.prepare(load(lora))) == adapters(*layers)


def test_an_architecture_for_which_peft_has_no_choice(method: Make) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(AutoConfig.for_model("xlnet"))
    with pytest.raises(InputError) as caught:
        method("lora", target_modules=None).prepare(base)
    assert str(caught.value) == (
        "method.target_modules: peft has no choice for the architecture xlnet; name layers of this model (it has "
        "layer_1, layer_2, lm_loss), or give all-linear"
    )


def test_one_name_is_a_list_of_one(method: Make) -> None:
    with pytest.raises(ValidationError) as caught:
        method("lora", target_modules="q_proj")
    (error,) = caught.value.errors()
    assert (error["loc"], str(error["ctx"]["error"])) == (
        ("target_modules",),
        "must be a list of names such as [q_proj,v_proj], all-linear, or null for peft's choice, got 'q_proj'",
    )


@pytest.mark.parametrize(
    ("architecture", "layer"),
    [
        ("gpt2", "transformer.h.0.attn.c_attn"),
        ("gpt_neox", "gpt_neox.layers.0.attention.query_key_value"),
        ("falcon", "transformer.h.0.self_attention.query_key_value"),
        ("mpt", "transformer.blocks.0.attn.Wqkv"),
        ("phi3", "model.layers.0.self_attn.qkv_proj"),
    ],
)
def test_a_layer_that_computes_queries_keys_and_values_stands_for_each_of_them(
    method: Make, trained_names: Make, architecture: str, layer: str
) -> None:
    base: Any = small(architecture, num_hidden_layers=1)
    for targets in (["q_proj", "v_proj"], ["k_proj"]):
        model = method("lora", target_modules=targets).prepare(base)
        names = {f"base_model.model.{layer}.lora_{matrix}.default.weight" for matrix in "AB"}
        assert trained_names(model) == names
        base = model.unload()


def test_layers_that_peft_refuses(method: Make) -> None:
    with pytest.raises(InputError) as caught:
        method("lora", target_modules=["out_proj"]).prepare(small("mamba"))
    assert str(caught.value).startswith("method.target_modules: peft refuses them for this model: ")
    assert "Module 'out_proj' is incompatible with Mamba-based models" in str(caught.value)


def test_gpt2s_transposed_layers_can_get_adapters(method: Make, trained_names: Make) -> None:
    model = method("lora", target_modules=["c_attn"]).prepare(small("gpt2", num_hidden_layers=1))
    layer = "base_model.model.transformer.h.0.attn.c_attn.lora_{}.default.weight"
    assert trained_names(model) == {layer.format("A"), layer.format("B")}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_saved_and_restored_it_answers_the_same(method: Make, comes_back: Make, dtype: str, precision: str) -> None:
    size = comes_back(method("lora", adapter_dtype=dtype), precision=precision)
    # Rank 8 on q (64 to 64) and v (64 to 32) of two blocks, and a header of names and shapes.
    weights = 2 * 8 * ((64 + 64) + (64 + 32)) * {"float32": 4, "bfloat16": 2}[dtype]
    assert weights < size < weights + 2_000
