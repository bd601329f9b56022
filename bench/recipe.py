"""The training recipe: every setting of the optimisation that changes numbers, the learning rate aside."""

from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from bench.settings import Part


class Recipe(Part):
    """How a prepared model is trained; the learning rate is the method's own, since methods need different ones."""

    epochs: PositiveFloat
    max_steps: PositiveInt | None
    """Stop after this many optimiser steps, whatever `epochs` says; null for no such limit."""
    effective_batch: PositiveInt
    """Sequences behind one optimiser step. Gradients of `effective_batch / micro_batch` passes are accumulated."""
    micro_batch: PositiveInt
    """Sequences that are in memory at once."""
    fit_micro_batch: bool
    """Halve the micro batch and start over when memory runs out, instead of ending as `oom`."""
    optimizer: Literal["adamw_torch", "adamw_bnb_8bit", "paged_adamw_8bit"]
    adam_beta1: float = Field(ge=0, lt=1)
    adam_beta2: float = Field(ge=0, lt=1)
    adam_epsilon: PositiveFloat
    weight_decay: NonNegativeFloat
    scheduler: Literal["cosine", "linear", "constant_with_warmup"]
    warmup_fraction: float = Field(ge=0, lt=1)
    """Share of the steps over which the learning rate rises from 0."""
    max_grad_norm: PositiveFloat
    gradient_checkpointing: bool
    """Recompute activations in the backward pass: less memory, more time."""
    packing: bool
    """Lay several examples into one sequence; attention does not cross from one to another."""
    best_checkpoint: bool
    """Keep the weights of the epoch with the lowest validation loss instead of the last."""
    early_stopping_epochs: PositiveInt | None
    """Stop after this many epochs without a lower validation loss; null for never. Needs `best_checkpoint`."""
    checkpoint_steps: PositiveInt | None
    """Besides after every epoch, write a checkpoint to resume from every so many steps; null for no more."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.effective_batch % self.micro_batch:
            raise ValueError(
                f"effective_batch must be a multiple of micro_batch ({self.micro_batch}), got {self.effective_batch}"
            )
        if self.early_stopping_epochs is not None and not self.best_checkpoint:
            raise ValueError(
                "early_stopping_epochs needs best_checkpoint=true: what is kept is the best epoch's weights"
            )
        return self
