"""Methods: one module each, a frozen model of its settings that says what is done to the base model before training."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import PositiveFloat

from bench.example import Example
from bench.settings import Part

if TYPE_CHECKING:
    import torch
    from transformers import BitsAndBytesConfig, PreTrainedModel

    from bench.recipe import Recipe

FILE = "changed.safetensors"


class Method(Part):
    """How a base model is fine-tuned. A method implements `prepare`; for the rest, the defaults usually do."""

    learning_rate: PositiveFloat | None
    """Peak of the schedule; None if there is nothing to train. It is no part of the recipe, since methods need
    different ones."""

    @property
    def trains(self) -> bool:
        """Whether there is anything to train."""
        return self.learning_rate is not None

    @property
    def one_gpu(self) -> str | None:
        """Why the method cannot train a model that is spread over several GPUs; None if it can."""
        return None

    @property
    def depends_on_seed(self) -> bool:
        """Whether another seed can give other answers."""
        return self.trains

    @property
    def virtual_tokens(self) -> int:
        """How many positions of the model the method itself needs, in front of every sequence."""
        return 0

    def quantization(self, dtype: torch.dtype) -> BitsAndBytesConfig | None:
        """How to quantise the base as it is loaded, for computing in `dtype`; None to leave it as it is."""
        return None

    @abstractmethod
    def prepare(self, base: PreTrainedModel) -> PreTrainedModel:
        """The model to train, made from `base`: exactly the parameters that the method trains require gradients.

        Raises:
            InputError: the base model lacks something that the settings name.
        """

    def demonstrations(self, training: Sequence[Example], seed: int) -> tuple[Example, ...]:
        """Training examples that every prompt shows with their answers, in this order.

        Raises:
            InputError: there are not enough.
        """
        return ()

    def require_recipe(self, recipe: Recipe) -> None:
        """Raise ValueError if the method cannot be trained with `recipe`."""

    def begin(self, model: PreTrainedModel, n_steps: int) -> None:
        """Called before the first step of a training of `n_steps` optimiser steps, or before it is resumed.

        Raises:
            InputError: the settings do not fit a training of this length.
        """

    def penalty(self, model: PreTrainedModel) -> torch.Tensor | None:
        """What is added to the loss of every step, as a scalar; the loss that is reported stays that of the answers."""
        return None

    def stepped(self, model: PreTrainedModel, step: int) -> None:
        """Called after the optimiser's update of `step`, counted from 1, while its gradients are still there."""

    def state(self, model: PreTrainedModel) -> dict[str, torch.Tensor]:
        """What a checkpoint needs besides the trained parameters to go on from it."""
        return {}

    def restore(self, model: PreTrainedModel, state: dict[str, torch.Tensor]) -> None:
        """Set what `state` gave when the checkpoint was written."""

    def settle(self, model: PreTrainedModel) -> PreTrainedModel:
        """The trained `model` in the form in which it answers, is timed and is saved."""
        return model

    def save(self, model: PreTrainedModel, folder: Path) -> int:
        """Write the parameters that training changed into `folder` as safetensors; returns their size in bytes."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        # Parameters that share one tensor have one name here, and are written once.
        changed = {name: weight.detach().cpu() for name, weight in model.named_parameters() if weight.requires_grad}
        save_file(changed, folder / FILE, metadata={"format": "pt"})
        return (folder / FILE).stat().st_size

    @property
    def loading_code(self) -> str:
        """Python that puts the weights that `save` wrote into a freshly loaded base `model`, run in their folder."""
        return f"""from safetensors.torch import load_file

model.load_state_dict(load_file("{FILE}"), strict=False)
"""
