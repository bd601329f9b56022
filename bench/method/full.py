"""Training of all parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bench.method.own_weights import OwnWeights

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class Full(OwnWeights):
    """Train every parameter of the model."""

    def trained(self, base: PreTrainedModel) -> Iterable[torch.nn.Parameter]:
        return base.parameters()
