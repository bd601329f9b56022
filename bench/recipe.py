"""The training recipe: every setting of the optimisation that changes numbers, except the learning rate."""

from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from bench.settings import Part


class Recipe(Part):
    """How a prepared model is trained. Each method has its own learning rate, since methods need different ones."""

    epochs: PositiveFloat
    max_steps: PositiveInt | None
    """Stop after this many optimiser steps, regardless of `epochs`; null for no limit."""
    effective_batch: PositiveInt
    """Sequences per optimiser step. Gradients of `effective_batch / micro_batch` passes are accumulated."""
    micro_batch: PositiveInt
    """Sequences per forward and backward pass."""
    fit_micro_batch: bool
    """When memory runs out, start again with half the micro batch instead of ending as `oom`."""
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
    """Put several examples into one sequence. Refused for models that would not keep them apart."""
    include_tune: bool
    """Train on the tune split, too. Nothing is evaluated during training then."""
    best_checkpoint: bool
    """Keep the weights of the epoch with the lowest loss on the tune split instead of the last."""
    early_stopping_epochs: PositiveInt | None
    """Stop after so many epochs without a lower loss on the tune split; None for no limit. Needs `best_checkpoint`."""
    checkpoint_steps: PositiveInt | None
    """Write a checkpoint every so many steps, in addition to the one after every epoch; null for none."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.effective_batch % self.micro_batch:
            raise ValueError(
                f"effective_batch must be a multiple of micro_batch ({self.micro_batch}), got {self.effective_batch}"
            )
        if self.early_stopping_epochs is not None and not self.best_checkpoint:
            raise ValueError(
                "early_stopping_epochs needs best_checkpoint=true, which keeps the weights of the best epoch"
            )
        if self.include_tune and self.best_checkpoint:
            raise ValueError(
                "include_tune=true leaves no examples to choose the best checkpoint by; set best_checkpoint=false, and "
                "early_stopping_epochs=null"
            )
        return self
