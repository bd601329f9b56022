"""Training of the layers nearest to the output, and of nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import NonNegativeInt, PositiveFloat

from bench.errors import InputError
from bench.method import Method

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


_BLOCKS = ("layers", "h")
_FINAL_NORM = ("norm", "final_layernorm", "final_layer_norm", "ln_f")
"""How architectures name these parts of their decoder."""


class TopLayer(Method):
    """Train the last blocks, and nothing else (Peters et al. 2019, "To Tune or Not to Tune?")."""

    learning_rate: PositiveFloat
    blocks: NonNegativeInt
    """How many decoder blocks, counted from the output."""
    output_embedding: bool
    """Also the output embedding. If it is tied to the input embedding, both are one weight, counted once."""
    final_norm: bool
    """Also the normalisation between the last block and the output embedding."""

    def prepare(self, base: PreTrainedModel) -> PreTrainedModel:
        import torch

        base.requires_grad_(False)
        for module in self._trained(base):
            module.requires_grad_(True)
            # The optimiser's small steps would be rounded away in bfloat16.
            module.to(torch.float32)
        return base

    def settle(self, model: PreTrainedModel, dtype: torch.dtype) -> PreTrainedModel:
        for parameter in model.parameters():
            parameter.data = parameter.data.to(dtype)
        return model

    def _trained(self, base: PreTrainedModel) -> list[torch.nn.Module]:
        blocks = list(_part(base, _BLOCKS))
        if self.blocks > len(blocks):
            raise InputError(
                f"method.blocks: must be at most {len(blocks)}, the blocks this model has, got {self.blocks}"
            )
        trained = blocks[len(blocks) - self.blocks :]
        if self.output_embedding:
            trained.append(base.get_output_embeddings())
        if self.final_norm:
            trained.append(_part(base, _FINAL_NORM))
        if not trained:
            raise InputError(
                "method: toplayer with blocks=0 and neither output_embedding nor final_norm trains nothing"
            )
        return trained


def _part(base: PreTrainedModel, names: tuple[str, ...]) -> Any:
    parts = dict(base.get_decoder().named_children())
    for name in names:
        if name in parts:
            return parts[name]
    raise InputError(
        f"method: toplayer needs a decoder with a part named {' or '.join(names)}; {type(base).__name__} has "
        f"{', '.join(parts)}; choose another method"
    )
