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
    """How a base model is fine-tuned. The verb is `prepare`; most methods keep the defaults of the rest."""

    learning_rate: PositiveFloat | None
    """Peak of the schedule; None if there is nothing to train. It is not the recipe's, since methods need different
    ones."""

    @property
    def trains(self) -> bool:
        """Whether there is anything to train."""
        return self.learning_rate is not None

    def quantization(self, dtype: torch.dtype) -> BitsAndBytesConfig | None:
        """How to quantise weights as they are loaded, so that they are multiplied in `dtype`; None for not at all."""
        return None

    @abstractmethod
    def prepare(self, base: PreTrainedModel) -> PreTrainedModel:
        """The model to train, made from `base`: exactly the parameters that the method trains require gradients.

        Raises:
            InputError: the base model lacks something that the settings name.
        """

    def settle(self, model: PreTrainedModel, dtype: torch.dtype) -> PreTrainedModel:
        """The trained `model` in the form in which it answers, is timed and is saved, on a base in `dtype`."""
        return model

    def save(self, model: PreTrainedModel, folder: Path) -> int:
        """Write the weights that training changed into `folder` as safetensors; returns their size in bytes."""
        from bench.method.weights import save_trainable

        return save_trainable(model, folder)

    def restore(self, base: PreTrainedModel, folder: Path) -> PreTrainedModel:
        """A freshly loaded `base` with the weights that `save` wrote: it answers as the trained model did."""
        from bench.method.weights import restore_trainable

        return restore_trainable(base, folder)

    @property
    def loading_code(self) -> str:
        """Python that does what `restore` does without tunebench, for a base `model`, in the folder of the weights."""
        from bench.method.weights import LOADING_CODE

        return LOADING_CODE
