"""Low-rank adapters beside weights quantised to 4 or 8 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bench.method.lora import LoRA

if TYPE_CHECKING:
    import torch
    from transformers import BitsAndBytesConfig


class QLoRA(LoRA):
    """LoRA over a quantised base (Dettmers et al. 2023): 4-bit NF4 with double quantisation, or LLM.int8()."""

    bits: Literal[4, 8]

    def quantization(self, dtype: torch.dtype) -> BitsAndBytesConfig | None:
        from transformers import BitsAndBytesConfig

        if self.bits == 8:
            return BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=6.0)
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
