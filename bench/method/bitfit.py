"""Training of bias terms alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bench.errors import InputError
from bench.method.own_weights import OwnWeights

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class BitFit(OwnWeights):
    """Train the bias terms, and nothing else (Ben Zaken et al. 2022)."""

    def trained(self, base: PreTrainedModel) -> Iterable[torch.nn.Parameter]:
        biases = [parameter for name, parameter in base.named_parameters() if name.rpartition(".")[2] == "bias"]
        if not biases:
            raise InputError(
                f"method: bitfit trains bias terms, and {type(base).__name__} has none; choose another method"
            )
        return biases
