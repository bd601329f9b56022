"""Methods: one module each, a frozen model of its settings that says what is done to the base model before training."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import PositiveFloat

from bench.settings import Part

if TYPE_CHECKING:
    import torch
    from transformers import BitsAndBytesConfig, PreTrainedModel


class Method(Part):
    """How a base model is fine-tuned. The verb is `prepare`; the rest has a default that most methods keep."""

    learning_rate: PositiveFloat | None
    """Peak of the schedule. Methods need different ones, so it is not the recipe's. Null: there is nothing to train."""

    @property
    def trains(self) -> bool:
        """Whether there is anything to train."""
        return self.learning_rate is not None

    def quantization(self, dtype: torch.dtype) -> BitsAndBytesConfig | None:
        """How weights are quantised while they are loaded, to be multiplied in `dtype`; None for not at all."""
        return None

    @abstractmethod
    def prepare(self, base: PreTrainedModel) -> PreTrainedModel:
        """The model to train, made of `base`: exactly the parameters that the method trains require gradients.

        Raises:
            InputError: the base model has not what the settings name.
        """

    def settle(self, model: PreTrainedModel, dtype: torch.dtype) -> PreTrainedModel:
        """The trained `model` as it is deployed beside a base in `dtype`: so it answers, is timed and is saved."""
        return model

    def save(self, model: PreTrainedModel, folder: Path) -> int:
        """Write what training changed into `folder` as safetensors; gives its size in bytes."""
        from bench.method.weights import save_trainable

        return save_trainable(model, folder)

    def restore(self, base: PreTrainedModel, folder: Path) -> PreTrainedModel:
        """A freshly loaded `base` with what `save` wrote laid over it: it answers as the trained model did."""
        from bench.method.weights import restore_trainable

        return restore_trainable(base, folder)
