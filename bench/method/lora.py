"""Low-rank adapters beside frozen weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from bench.errors import InputError, on_one_line
from bench.method.adapter import Adapter
from bench.settings import Strings

if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import PreTrainedModel

ALL_LINEAR = "all-linear"
SEPARATE = ("q_proj", "k_proj", "v_proj")
FUSED = ("qkv_proj", "query_key_value", "c_attn", "Wqkv")
"""How architectures name the one layer that computes what these three do."""


class LoRA(Adapter):
    """Low-rank adaptation (Hu et al. 2021): the update of each target is scaled by alpha / rank."""

    rank: PositiveInt
    alpha: PositiveFloat
    dropout: float = Field(ge=0, lt=1)
    target_modules: Strings | Literal["all-linear"] | None
    """Names of the linear layers that get an adapter, such as `q_proj`; `all-linear` for all but the output embedding;
    None for those that peft chooses for the architecture. Where one layer computes queries, keys and values, as in
    GPT-2, it stands for `q_proj`, `k_proj` and `v_proj`."""

    @field_validator("target_modules", mode="before")
    @classmethod
    def _names_or_all_linear(cls, value: Any) -> Any:
        if isinstance(value, str) and value != ALL_LINEAR:
            raise ValueError(
                f"must be a list of names such as [q_proj,v_proj], {ALL_LINEAR}, or null for peft's choice, "
                f"got {value!r}"
            )
        return value

    def prepare(self, base: PreTrainedModel) -> PreTrainedModel:
        try:
            return super().prepare(base)
        except InputError:
            raise
        except ValueError as error:  # Such as for Mamba, whose kernels read some weights themselves.
            raise InputError(
                f"method.target_modules: peft refuses them for this model: {on_one_line(error)}"
            ) from error

    def configuration(self, base: PreTrainedModel) -> PeftConfig:
        from peft import LoraConfig, TaskType

        targets = _targets(base, self.target_modules)
        return LoraConfig(
            task_type=TaskType.CAUSAL_LM,
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=targets,
            bias="none",
            use_rslora=False,
            use_dora=False,
            init_lora_weights=True,
        )


def _targets(base: PreTrainedModel, names: tuple[str, ...] | str | None) -> list[str] | str | None:
    """The target modules for peft, given those of the settings."""
    import torch
    from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as CHOICES
    from transformers.pytorch_utils import Conv1D  # a linear layer with its weights transposed, as in GPT-2

    if isinstance(names, str) or (names is None and base.config.model_type in CHOICES):
        return names
    kinds = (torch.nn.Linear, Conv1D)
    linear = {name.rpartition(".")[2] for name, module in base.named_modules() if isinstance(module, kinds)}
    has = f"it has {', '.join(sorted(linear))}"
    if names is None:
        raise InputError(
            f"method.target_modules: peft has no choice for the architecture {base.config.model_type}; name layers "
            f"of this model ({has}), or give {ALL_LINEAR}"
        )
    fused = next((name for name in FUSED if name in linear), None)
    found = [fused if fused and name in SEPARATE and name not in linear else name for name in names]
    absent = [name for name in found if name not in linear]
    if absent or not found:
        given = ", ".join(absent) or "nothing"
        raise InputError(
            f"method.target_modules: this model has no linear layer named {given}; {has}; name those, or give "
            f"{ALL_LINEAR}"
        )
    return [*dict.fromkeys(found)]
