from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.errors import InputError

Make = Callable[..., Any]

PARTS = (
    *(f"self_attn.{name}_proj" for name in "qkvo"),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
    "input_layernorm",
    "post_attention_layernorm",
)


def blocks(*numbers: int) -> set[str]:
    return {f"model.layers.{number}.{part}.weight" for number in numbers for part in PARTS}


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"blocks": 1}, blocks(1)),
        ({"blocks": 2}, blocks(0, 1)),
        ({"blocks": 1, "final_norm": True}, blocks(1) | {"model.norm.weight"}),
        ({"blocks": 0, "final_norm": True}, {"model.norm.weight"}),
        ({"blocks": 1, "output_embedding": True}, blocks(1) | {"lm_head.weight"}),
        ({"blocks": 0, "output_embedding": True, "final_norm": True}, {"model.norm.weight", "lm_head.weight"}),
    ],
)
@pytest.mark.parametrize("tied", [True, False])
def test_exactly_what_is_asked_for_is_trained(
    method: Make,
    load: Make,
    trained_names: Make,
    untied_checkpoint: Path,
    settings: dict[str, Any],
    names: set[str],
    tied: bool,
) -> None:
    toplayer = method("toplayer", **settings)
    base = load(toplayer) if tied else load(toplayer, path=str(untied_checkpoint))
    model = toplayer.prepare(base)
    assert model is base
    if tied:
        # The one weight that both embeddings share is known by the first one's name.
        names = {name.replace("lm_head", "model.embed_tokens") for name in names}
        assert base.lm_head.weight is base.model.embed_tokens.weight
    assert trained_names(model) == names


def test_more_blocks_than_there_are(method: Make, load: Make) -> None:
    toplayer = method("toplayer", blocks=3)
    with pytest.raises(InputError) as caught:
        toplayer.prepare(load(toplayer))
    assert str(caught.value) == "method.blocks: must be at most 2, the blocks this model has, got 3"


@pytest.mark.parametrize(
    ("architecture", "blocks", "norm"),
    [("gpt2", "h", "ln_f"), ("phi", "layers", "final_layernorm"), ("mpt", "blocks", "norm_f")],
)
def test_other_names_for_the_same_parts(
    method: Make, trained_names: Make, architecture: str, blocks: str, norm: str
) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(AutoConfig.for_model(architecture))
    names = trained_names(method("toplayer", final_norm=True).prepare(base))
    last = len(getattr(base.get_decoder(), blocks)) - 1
    assert {name.partition(".")[2].removesuffix(".weight").removesuffix(".bias") for name in names} >= {norm}
    assert {name.split(".")[1] for name in names} == {blocks, norm}
    assert {name.split(".")[2] for name in names if f".{blocks}." in name} == {str(last)}


def test_a_decoder_without_such_parts(method: Make) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(AutoConfig.for_model("xlnet"))
    with pytest.raises(InputError) as caught:
        method("toplayer").prepare(base)
    assert str(caught.value) == (
        "method: toplayer needs a decoder with a part named layers or h or blocks; XLNetLMHeadModel has "
        "word_embedding, layer, dropout; choose another method"
    )


def test_nothing_to_train(method: Make, load: Make) -> None:
    toplayer = method("toplayer", blocks=0)
    with pytest.raises(InputError) as caught:
        toplayer.prepare(load(toplayer))
    assert str(caught.value) == (
        "method: toplayer with blocks=0 and neither output_embedding nor final_norm trains nothing"
    )


@pytest.mark.parametrize("output_embedding", [True, False])
def test_what_is_trained_is_held_in_float32_and_settled_into_the_bases_precision(
    method: Make, load: Make, output_embedding: bool
) -> None:
    import torch

    toplayer = method("toplayer", output_embedding=output_embedding)
    model = toplayer.prepare(load(toplayer, precision="bfloat16"))
    for parameter in model.parameters():
        assert parameter.dtype == (torch.float32 if parameter.requires_grad else torch.bfloat16)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    settled = toplayer.settle(model)
    assert {parameter.dtype for parameter in settled.parameters()} == {torch.bfloat16}
    assert settled.lm_head.weight is settled.model.embed_tokens.weight


def test_what_an_architecture_keeps_in_float32_stays_in_it(method: Make, load: Make) -> None:
    """As the routers of some mixtures of experts."""
    import torch

    toplayer = method("toplayer", blocks=1)
    base = load(toplayer, precision="bfloat16")
    kept = {f"model.layers.{at}.input_layernorm.weight" for at in (0, 1)}
    for name, weight in base.named_parameters():
        if name in kept:
            weight.data = weight.data.float()
    settled = toplayer.settle(toplayer.prepare(base))
    assert {name for name, weight in settled.named_parameters() if weight.dtype == torch.float32} == kept


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("output_embedding", [True, False])
@pytest.mark.parametrize("tied", [True, False])
def test_saved_and_restored_it_answers_the_same(
    method: Make, comes_back: Make, untied_checkpoint: Path, precision: str, output_embedding: bool, tied: bool
) -> None:
    toplayer = method("toplayer", output_embedding=output_embedding, final_norm=True)
    changes = {"precision": precision} | ({} if tied else {"path": str(untied_checkpoint)})
    size = comes_back(toplayer, **changes)
    block = 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128 + 2 * 64
    trained = block + 64 + (VOCABULARY * 64 if output_embedding else 0)
    weights = trained * {"float32": 4, "bfloat16": 2}[precision]
    assert weights < size < weights + 2_000


VOCABULARY = 384
