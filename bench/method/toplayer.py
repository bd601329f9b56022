"""Training of the layers nearest to the output, and of nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import NonNegativeInt, PositiveFloat

from bench.errors import InputError
from bench.method import Method

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


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
        decoder = base.get_decoder()
        if self.blocks > len(decoder.layers):
            raise InputError(
                f"method.blocks: must be at most {len(decoder.layers)}, the blocks this model has, got {self.blocks}"
            )
        trained: list[torch.nn.Module] = list(decoder.layers[len(decoder.layers) - self.blocks :])
        if self.output_embedding:
            trained.append(base.get_output_embeddings())
        if self.final_norm:
            trained.append(decoder.norm)
        if not trained:
            raise InputError(
                "method: toplayer with blocks=0 and neither output_embedding nor final_norm trains nothing"
            )
        return trained
