"""Low-rank adapters beside weights quantised to 4 or 8 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bench.method.adapter import quantization
from bench.method.lora import LoRA

if TYPE_CHECKING:
    import torch
    from transformers import BitsAndBytesConfig


class QLoRA(LoRA):
    """LoRA over a quantised base (Dettmers et al. 2023)."""

    bits: Literal[4, 8]

    def quantization(self, dtype: torch.dtype) -> BitsAndBytesConfig | None:
        return quantization(self.bits, dtype)
