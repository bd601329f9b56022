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
        import torch

        base.requires_grad_(False)
        for parameter in self.trained(base):
            parameter.requires_grad_(True)
            # The optimiser's small steps would be rounded away in bfloat16.
            parameter.data = parameter.data.to(torch.float32)
        return base

    def settle(self, model: PreTrainedModel, dtype: torch.dtype) -> PreTrainedModel:
        for parameter in model.parameters():
            parameter.data = parameter.data.to(dtype)
        return model
