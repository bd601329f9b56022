"""Low-rank adapters beside frozen weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from bench.errors import InputError
from bench.method import Method
from bench.settings import Strings

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class LoRA(Method):
    """Low-rank adaptation (Hu et al. 2021): the update of each target is scaled by alpha / rank."""

    learning_rate: PositiveFloat
    rank: PositiveInt
    alpha: PositiveFloat
    dropout: float = Field(ge=0, lt=1)
    target_modules: Strings
    """Names of the linear layers that get an adapter, such as `q_proj`."""
    adapter_dtype: Literal["float32", "bfloat16"]
    """Precision in which the adapters are held and trained; the base keeps its own."""

    def prepare(self, base: PreTrainedModel) -> PreTrainedModel:
        import torch
        from peft import LoraConfig, TaskType, get_peft_model

        base.requires_grad_(False)
        config = LoraConfig(
            task_type=TaskType.CAUSAL_LM,
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=list(self.target_modules),
            bias="none",
            use_rslora=False,
            use_dora=False,
            init_lora_weights=True,
        )
        _require_linear_layers(base, self.target_modules)
        model = get_peft_model(base, config)
        for name, parameter in model.named_parameters():
            # peft makes adapters in float32.
            if ".lora_" in name:
                parameter.data = parameter.data.to(getattr(torch, self.adapter_dtype))
        return model

    def save(self, model: PreTrainedModel, folder: Path) -> int:
        # The default, "auto", would ask the hub whether the vocabulary was resized.
        model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
        return sum(file.stat().st_size for file in folder.glob("*.safetensors"))

    @property
    def loading_code(self) -> str:
        code = 'from peft import PeftModel\n\nmodel = PeftModel.from_pretrained(model, ".")\n'
        # peft loads adapters in float32, whatever precision they were saved in.
        return code if self.adapter_dtype == "float32" else code + _TO_BFLOAT16


_TO_BFLOAT16 = """for name, parameter in model.named_parameters():
    if ".lora_" in name:
        parameter.data = parameter.data.bfloat16()
"""


def _require_linear_layers(base: PreTrainedModel, target_modules: tuple[str, ...]) -> None:
    import torch
    from transformers.pytorch_utils import Conv1D  # a linear layer with its weights transposed, as in GPT-2

    kinds = (torch.nn.Linear, Conv1D)
    linear = {name.rpartition(".")[2] for name, module in base.named_modules() if isinstance(module, kinds)}
    absent = [name for name in target_modules if name not in linear]
    if absent or not target_modules:
        given = ", ".join(absent) or "nothing"
        raise InputError(
            f"method.target_modules: this model has no linear layer named {given}; it has {', '.join(sorted(linear))}"
        )
