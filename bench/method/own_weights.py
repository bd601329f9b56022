"""What methods share that train weights of the base model itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import PositiveFloat

from bench.method import Method

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


_OWN = "own_dtype"
"""The attribute of a weight that is trained in float32 with the precision that it had."""


class OwnWeights(Method):
    """Trains some of the model's own weights in float32; they answer in the base's precision, as they would be used."""

    learning_rate: PositiveFloat

    @abstractmethod
    def trained(self, base: PreTrainedModel) -> Iterable[torch.nn.Parameter]:
        """The parameters to train.

        Raises:
            InputError: the base model has none.
        """

    def prepare(self, base: PreTrainedModel) -> PreTrainedModel:
        base.requires_grad_(False)
        for parameter in self.trained(base):
            parameter.requires_grad_(True)
            train_in_float32(parameter)
        return base

    def settle(self, model: PreTrainedModel) -> PreTrainedModel:
        return in_own_precision(model)


def train_in_float32(parameter: torch.nn.Parameter) -> None:
    """Hold one of the base's own weights in float32: in bfloat16, the optimiser's small steps would be rounded away."""
    setattr(parameter, _OWN, parameter.dtype)
    parameter.data = parameter.data.float()


def in_own_precision(model: PreTrainedModel) -> PreTrainedModel:
    """Round such weights to the precision that each had, which is not the base's for what it keeps in float32."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(getattr(parameter, _OWN, parameter.dtype))
    return model
