"""Low-rank adapters beside weights quantised to 4 or 8 bits."""

from typing import Literal

from bench.method.lora import LoRA


class QLoRA(LoRA):
    """LoRA over a quantised base (Dettmers et al. 2023)."""

    bits: Literal[4, 8]

    @property
    def quantized_bits(self) -> Literal[4, 8]:
        return self.bits
