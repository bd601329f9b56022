"""Settings of peft's types: what they are refused for, their precision, and quantised bases."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bench.errors import InputError
from bench.method.peft_types import FLOAT32_TYPES, QUANTIZABLE_TYPES
from bench.recipe import Recipe

Make = Callable[..., Any]

SETTINGS: dict[str, dict[str, Any]] = {
    "ADALORA": {"init_r": 4, "target_r": 2},
    "ADAPTION_PROMPT": {"adapter_layers": 1, "adapter_len": 4},
    "C3A": {"block_size": 32},
    "CARTRIDGE": {"num_virtual_tokens": 4},
    "PREFIX_TUNING": {"num_virtual_tokens": 4},
    "PROMPT_TUNING": {"num_virtual_tokens": 4},
    "P_TUNING": {"num_virtual_tokens": 4},
    "ROAD": {"group_size": 32},
    "SHADOW": {"auxiliary_loss_weight": 0},
    "SHIRA": {"r": 4},
    "TRAINABLE_TOKENS": {"token_indices": [5, 6]},
    "VBLORA": {"vector_length": 16, "num_vectors": 8},
    "WAVEFT": {"n_frequency": 64},
}
LIGHT = (
    "BOFT",
    "FOURIERFT",
    "IA3",
    "LN_TUNING",
    "LOHA",
    "LORA",
    "MISS",
    "OFT",
    "PROMPT_TUNING",
    "PREFIX_TUNING",
)


@pytest.fixture
def peft(method: Make) -> Make:
    """Gives a type of peft with the settings that a model of 64 dimensions needs, and changes."""

    def made(kind: str, **changes: Any) -> Any:
        name = "adalora" if kind == "ADALORA" else "peft"
        return method(name, **{"type": kind, "config": SETTINGS.get(kind), **changes})

    return made


def refusal(chosen: Any, base: Any) -> str:
    with pytest.raises(InputError) as caught:
        chosen.prepare(base)
    return str(caught.value)


def test_a_type_can_be_written_in_small_letters(peft: Make) -> None:
    assert peft("ia3") == peft("IA3")


def test_a_type_that_peft_lacks(peft: Make, load: Make) -> None:
    said = refusal(peft("LORE"), load(peft("LORA")))
    assert said.startswith("method.type: peft has no LORE; it has ADAMSS, ADAPTION_PROMPT, BEFT, BOFT, ")
    assert "XLORA" not in said


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("XLORA", "method.type: XLORA mixes adapters that were trained before; choose method=lora"),
        ("POLY", "method.type: POLY needs to know the task of every example; choose method=lora"),
        ("ADALORA", "method.type: ADALORA must know how many steps training takes; choose method=adalora"),
    ],
)
def test_a_type_that_needs_more_than_a_model_and_data(method: Make, load: Make, kind: str, said: str) -> None:
    chosen = method("peft", type=kind)
    assert refusal(chosen, load(chosen)) == said


@pytest.mark.parametrize("field", ["rank", "inference_mode", "task_type", "base_model_name_or_path"])
def test_a_field_that_cannot_be_set(peft: Make, load: Make, field: str) -> None:
    ia3 = peft("IA3", config={field: "a"})
    assert refusal(ia3, load(ia3)) == (
        f"method.config.{field}: there is no such setting; IA3Config has exclude_modules, fan_in_fan_out, "
        "feedforward_modules, init_ia3_weights, modules_to_save, target_modules"
    )


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        (
            "LORA",
            {"config": {"target_modules": ["query"]}},
            "method.config: peft cannot add LORA to this model: Target modules {'query'} not found in the base model. "
            "Please check the target modules and try again.",
        ),
        (
            "LORA",
            {"config": {"init_lora_weights": "eva"}},
            "method.config.init_lora_weights: must be true, false, gaussian, mica, olora, orthogonal, pissa, got "
            "'eva'; others need data or random numbers that are gone when the adapter is loaded",
        ),
        (
            "C3A",
            {"config": {"block_size": 48}},
            "method.config: peft cannot add C3A to this model: The block size should be a factor of the input size. "
            "However, the input size is 64 and the block size is 48",
        ),
        (
            "LORA",
            {"config": {"target_modules": ["lm_head"]}},
            "method: the output embedding cannot have an adapter, since TRL computes the loss without it; leave it "
            "out of target_modules, or choose a model whose embeddings are not tied",
        ),
        (
            "SHADOW",
            {"config": {}},
            "method.config.auxiliary_loss_weight: must be 0 for SHADOW; TRL computes the answers' loss alone",
        ),
        ("VERA", {"adapter_dtype": "bfloat16"}, "method.adapter_dtype: must be float32 for VERA, got bfloat16"),
        (
            "LORA",
            {"bits": 8, "config": {"use_dora": True}},
            "method.bits: DoRA needs 4 or null, got 8; peft cannot read weights of 8 bits for it",
        ),
        (
            "ADALORA",
            {"config": {"init_r": 4, "target_r": 4}},
            "method.config.target_r: must be less than init_r (4), got 4",
        ),
    ],
)
def test_settings_that_do_not_fit(peft: Make, load: Make, kind: str, changes: dict[str, Any], said: str) -> None:
    assert refusal(peft(kind, **changes), load(peft("LORA"))) == said


def test_a_type_that_cannot_be_quantized(peft: Make, load: Make) -> None:
    assert refusal(peft("LOHA", bits=4), load(peft("LORA"))) == (
        f"method.bits: LOHA needs the base's weights as they are; choose null, or one of {', '.join(QUANTIZABLE_TYPES)}"
    )


def test_recipes_that_virtual_tokens_forbid(method: Make, default_job: Any) -> None:
    recipe: Recipe = default_job.cell.train
    packed = recipe.model_copy(update={"packing": True})
    recomputed = recipe.model_copy(update={"gradient_checkpointing": True})
    prefix, prompt, lora = (
        method("peft", type=kind, config=config)
        for kind, config in (
            ("PREFIX_TUNING", {"num_virtual_tokens": 4}),
            ("PROMPT_TUNING", {"num_virtual_tokens": 4}),
            ("LORA", None),
        )
    )
    assert (prefix.virtual_tokens, prompt.virtual_tokens, lora.virtual_tokens) == (4, 4, 0)
    with pytest.raises(ValueError, match=r"^train\.packing: must be false for method\.type=PROMPT_TUNING, whose"):
        prompt.require_recipe(packed)
    with pytest.raises(
        ValueError, match=r"^train\.gradient_checkpointing: must be false for method\.type=PREFIX_TUNING"
    ):
        prefix.require_recipe(recomputed)
    prompt.require_recipe(recomputed)
    lora.require_recipe(packed)


def test_a_cell_refuses_such_a_recipe(make_cell: Make, method: Make) -> None:
    prefix = method("peft", type="PREFIX_TUNING", config={"num_virtual_tokens": 4}).model_dump(mode="json")
    with pytest.raises(ValidationError, match=r"train\.packing: must be false for method\.type=PREFIX_TUNING"):
        make_cell({"method": prefix, "train.packing": True})


@pytest.mark.parametrize("kind", LIGHT)
def test_over_a_base_in_bfloat16_it_comes_back_the_same(peft: Make, comes_back: Make, kind: str) -> None:
    comes_back(peft(kind), precision="bfloat16")


@pytest.mark.parametrize("kind", ["FOURIERFT", "OFT", "PROMPT_TUNING"])
def test_adapters_in_bfloat16_come_back_the_same(peft: Make, comes_back: Make, kind: str) -> None:
    assert kind not in FLOAT32_TYPES
    comes_back(peft(kind, adapter_dtype="bfloat16"))


def test_copies_of_normalisations_are_trained_in_float32_and_answer_in_the_bases_precision(
    peft: Make, load: Make
) -> None:
    import torch

    norms = peft("LN_TUNING")
    model = norms.prepare(load(norms, precision="bfloat16"))
    assert {weight.dtype for weight in model.parameters() if weight.requires_grad} == {torch.float32}
    settled = norms.settle(model)
    assert {weight.dtype for weight in settled.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("kind", [*QUANTIZABLE_TYPES, "DORA"])
def test_a_quantized_base_gets_what_the_same_weights_in_float32_get(
    peft: Make, load: Make, untied_checkpoint: Path, kind: str
) -> None:
    import torch
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn import Linear4bit

    chosen = peft("LORA", bits=4, config={"use_dora": True}) if kind == "DORA" else peft(kind, bits=4)
    quantized, whole = (load(method, path=str(untied_checkpoint)) for method in (chosen, peft("LORA")))
    layers = dict(whole.named_modules())
    for name, layer in quantized.named_modules():
        if isinstance(layer, Linear4bit):
            layers[name].weight.data = dequantize_4bit(layer.weight.data, layer.weight.quant_state)
    prepared = []
    for base in (quantized, whole):
        torch.manual_seed(0)
        model = chosen.prepare(base)
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data += 0.02 * torch.randn_like(parameter)
        prepared.append(model)
    ids = torch.arange(5, 53).reshape(2, 24)
    answers = [model.eval()(input_ids=ids).logits for model in prepared]
    torch.testing.assert_close(answers[0], answers[1], rtol=1e-3, atol=1e-3)
    answers[0].sum().backward()
    reached = [p.grad is not None and bool(p.grad.any()) for p in prepared[0].parameters() if p.requires_grad]
    assert any(reached)


def test_who_loads_virtual_tokens_is_told_of_padding(peft: Make) -> None:
    warning = "# Ask one question at a time: in a batch, peft puts padding behind virtual tokens.\n"
    told = [kind for kind in ("LORA", *SETTINGS) if peft(kind).loading_code.endswith(warning)]
    assert told == ["PROMPT_TUNING", "P_TUNING"]
