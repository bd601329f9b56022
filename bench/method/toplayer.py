"""Training of the layers nearest to the output, and of nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydantic import NonNegativeInt

from bench.errors import InputError
from bench.method.own_weights import OwnWeights

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


_BLOCKS = ("layers", "h", "blocks")
_FINAL_NORM = ("norm", "final_layernorm", "final_layer_norm", "ln_f", "norm_f")
"""How architectures name these parts of their decoder."""


class TopLayer(OwnWeights):
    """Train the last blocks, and nothing else (Peters et al. 2019, "To Tune or Not to Tune?")."""

    blocks: NonNegativeInt
    """How many decoder blocks, counted from the output."""
    output_embedding: bool
    """Also the output embedding. If it is tied to the input embedding, both are one weight, counted once."""
    final_norm: bool
    """Also the normalisation between the last block and the output embedding."""

    def trained(self, base: PreTrainedModel) -> Iterable[torch.nn.Parameter]:
        # Embeddings that share one weight are trained as one.
        return dict.fromkeys(parameter for part in self._parts(base) for parameter in part.parameters())

    def _parts(self, base: PreTrainedModel) -> list[torch.nn.Module]:
        blocks = list(_part(base, _BLOCKS))
        if self.blocks > len(blocks):
            raise InputError(
                f"method.blocks: must be at most {len(blocks)}, the blocks this model has, got {self.blocks}"
            )
        parts = blocks[len(blocks) - self.blocks :]
        if self.output_embedding:
            parts.append(base.get_output_embeddings())
        if self.final_norm:
            parts.append(_part(base, _FINAL_NORM))
        if not parts:
            raise InputError(
                "method: toplayer with blocks=0 and neither output_embedding nor final_norm trains nothing"
            )
        return parts


def _part(base: PreTrainedModel, names: tuple[str, ...]) -> Any:
    parts = dict(base.get_decoder().named_children())
    for name in names:
        if name in parts:
            return parts[name]
    raise InputError(
        f"method: toplayer needs a decoder with a part named {' or '.join(names)}; {type(base).__name__} has "
        f"{', '.join(parts)}; choose another method"
    )
