"""What all methods share that peft adds to a frozen model: precision, quantisation, saving and loading."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import PositiveFloat

from bench.errors import InputError
from bench.method import Method
from bench.method.own_weights import in_own_precision, train_in_float32

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
        from peft.tuners.tuners_utils import BaseTunerLayer
        from peft.utils.other import TrainableTokensWrapper

        base.requires_grad_(False)
        own = set(base.parameters())
        for layer in base.modules():
            if hasattr(layer, _PACKING):
                setattr(layer, _PACKING, False)
        model = get_peft_model(base, self.configuration(base))
        if isinstance(model.get_output_embeddings(), BaseTunerLayer | TrainableTokensWrapper):
            raise InputError(
                "method: the output embedding cannot have an adapter, since TRL computes the loss without it; leave it "
                "out of target_modules, or choose a model whose embeddings are not tied"
            )
        for parameter in model.parameters():
            if parameter not in own and parameter.dtype == torch.float32:
                parameter.data = parameter.data.to(getattr(torch, self.adapter_dtype))
            elif parameter.requires_grad:
                # One of the base's own, or a copy of it, such as a normalisation's: trained as the model's own are.
                train_in_float32(parameter)
        return model

    def settle(self, model: PreTrainedModel) -> PreTrainedModel:
        return in_own_precision(model)

    def save(self, model: PreTrainedModel, folder: Path) -> int:
        # The default, "auto", would ask the hub whether the vocabulary was resized.
        model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
        return sum(file.stat().st_size for file in folder.glob("*.safetensors"))

    @property
    def loading_code(self) -> str:
        # peft loads adapters in float32, whatever precision they were saved in.
        code = _LOADING if self.adapter_dtype == "float32" else _LOADING_IN_BFLOAT16
        return code + _WITHOUT_PACKING if self.quantized_bits == 4 else code

    @property
    def quantized_bits(self) -> Literal[4, 8] | None:
        """Bits to which the base's weights are quantised; None if they are not."""
        return None

    def quantization(self, dtype: torch.dtype) -> BitsAndBytesConfig | None:
        """4-bit NF4 with double quantisation, computed in `dtype` (Dettmers et al. 2023), or LLM.int8()."""
        from transformers import BitsAndBytesConfig

        match self.quantized_bits:
            case 4:
                return BitsAndBytesConfig(
                    load_in_4bit=True,
                    bnb_4bit_quant_type="nf4",
                    bnb_4bit_use_double_quant=True,
                    bnb_4bit_compute_dtype=dtype,
                )
            case 8:
                return BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=6.0)
            case None:
                return None


_PACKING = "support_avx512bf16_for_cpu"
"""The attribute of a 4-bit layer that lets bitsandbytes repack its weights when it first answers, on some CPUs. Packed
weights pass no gradients, and DoRA and HiRA would read nonsense from them."""

_LOADING = 'from peft import PeftModel\n\nmodel = PeftModel.from_pretrained(model, ".")\n'
_LOADING_IN_BFLOAT16 = """from peft import PeftModel

own = set(model.parameters())
model = PeftModel.from_pretrained(model, ".")
for parameter in set(model.parameters()) - own:
    parameter.data = parameter.data.bfloat16()
"""
_WITHOUT_PACKING = f"""for layer in model.modules():
    if hasattr(layer, "{_PACKING}"):
        # Otherwise the CPU would compute in bfloat16, from weights that some adapters cannot read.
        layer.{_PACKING} = False
"""
