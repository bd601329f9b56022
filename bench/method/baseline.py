"""The untrained model, which every other method is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.method import Method

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Baseline(Method):
    """Train nothing."""

    learning_rate: None

    def prepare(self, base: PreTrainedModel) -> PreTrainedModel:
        base.requires_grad_(False)
        return base
