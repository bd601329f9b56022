"""What all methods share that peft adds to a frozen model: precision, quantisation, saving and loading."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import PositiveFloat

from bench.method import Method

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig
    from transformers import BitsAndBytesConfig, PreTrainedModel


class Adapter(Method):
    """Trains the parameters that peft adds to the base model, whose own weights stay as they are."""

    learning_rate: PositiveFloat
    adapter_dtype: Literal["float32", "bfloat16"]
    """Precision in which the added parameters are held and trained; the base keeps its own."""

    @abstractmethod
    def configuration(self, base: PreTrainedModel) -> PeftConfig:
        """What peft adds to `base`.

        Raises:
            InputError: it does not fit the base model.
        """

    def prepare(self, base: PreTrainedModel) -> PreTrainedModel:
        import torch
        from peft import get_peft_model

        base.requires_grad_(False)
        own = set(base.parameters())
        model = get_peft_model(base, self.configuration(base))
        # peft adds them in float32, or in the base's precision.
        for parameter in set(model.parameters()) - own:
            parameter.data = parameter.data.to(getattr(torch, self.adapter_dtype))
        return model

    def save(self, model: PreTrainedModel, folder: Path) -> int:
        # The default, "auto", would ask the hub whether the vocabulary was resized.
        model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
        return sum(file.stat().st_size for file in folder.glob("*.safetensors"))

    @property
    def loading_code(self) -> str:
        # peft loads adapters in float32, whatever precision they were saved in.
        return _LOADING if self.adapter_dtype == "float32" else _LOADING_IN_BFLOAT16


_LOADING = 'from peft import PeftModel\n\nmodel = PeftModel.from_pretrained(model, ".")\n'
_LOADING_IN_BFLOAT16 = """from peft import PeftModel

own = set(model.parameters())
model = PeftModel.from_pretrained(model, ".")
for parameter in set(model.parameters()) - own:
    parameter.data = parameter.data.bfloat16()
"""


def quantization(bits: Literal[4, 8], dtype: torch.dtype) -> BitsAndBytesConfig:
    """4-bit NF4 with double quantisation, computed in `dtype` (Dettmers et al. 2023), or LLM.int8()."""
    from transformers import BitsAndBytesConfig

    if bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=6.0)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
