"""Virtual tokens in front of the prompt, at the same distance from it in every row of a batch."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def place_virtual_tokens(base: PreTrainedModel) -> None:
    """Let `base` count positions without the padding.

    peft puts the embeddings of its virtual tokens in front of the padding of a shorter prompt, and drops position ids:
    the padding would come between them, and an example's answer would depend on the longest one of its batch.
    """
    if "position_ids" in inspect.signature(base.forward).parameters:
        base.register_forward_pre_hook(_with_positions, with_kwargs=True)


def _with_positions(_: Any, args: tuple[Any, ...], inputs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    mask = inputs.get("attention_mask")
    if mask is None or mask.dim() != 2 or inputs.get("position_ids") is not None:
        return args, inputs
    tokens = inputs["input_ids"] if inputs.get("inputs_embeds") is None else inputs["inputs_embeds"]
    positions = (mask.long().cumsum(dim=1) - 1).clamp(min=0)
    return args, inputs | {"position_ids": positions[:, -tokens.shape[1] :]}
