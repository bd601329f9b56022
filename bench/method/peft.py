"""Every method of the peft library, by the name of its type and the fields of its configuration."""

from __future__ import annotations

import dataclasses
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Literal

from pydantic import field_validator

from bench.errors import InputError, on_one_line
from bench.method.adapter import Adapter
from bench.method.peft_types import FIXED_FIELDS, FLOAT32_TYPES, INITIALISATIONS, QUANTIZABLE_TYPES, REFUSED_TYPES
from bench.method.virtual_tokens import place_virtual_tokens

if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import PreTrainedModel

    from bench.recipe import Recipe

_CACHED = ("PREFIX_TUNING", "CARTRIDGE")
"""Types whose virtual tokens are keys and values, not embeddings."""
_ONE_AT_A_TIME = "# Ask one question at a time: in a batch, peft puts padding behind virtual tokens.\n"
_REFUSALS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What peft raises for fields that it cannot use."""


class Peft(Adapter):
    """A method of peft (https://huggingface.co/docs/peft)."""

    type: str
    """The name of a `peft.PeftType`, such as IA3."""
    config: dict[str, Any] | None
    """Fields of the type's configuration class, such as `target_modules`; None for its defaults."""
    bits: Literal[4, 8] | None
    """Quantise the base to so many bits; None to leave it as it is."""

    @field_validator("type")
    @classmethod
    def _as_peft_writes_it(cls, value: str) -> str:
        return value.upper()

    @property
    def quantized_bits(self) -> Literal[4, 8] | None:
        return self.bits

    @property
    def virtual_tokens(self) -> int:
        count = (self.config or {}).get("num_virtual_tokens", 0)
        return count if isinstance(count, int) else 0

    def require_recipe(self, recipe: Recipe) -> None:
        if self.virtual_tokens and recipe.packing:
            raise ValueError(
                f"train.packing: must be false for method.type={self.type}, whose virtual tokens would be in front of "
                "the first of the packed examples alone"
            )
        if self.type in _CACHED and recipe.gradient_checkpointing:
            raise ValueError(
                f"train.gradient_checkpointing: must be false for method.type={self.type}, whose keys and values would "
                "be dropped with the activations"
            )

    def prepare(self, base: PreTrainedModel) -> PreTrainedModel:
        try:
            model = super().prepare(base)
        except InputError:
            raise
        except _REFUSALS as error:
            raise InputError(
                f"method.config: peft cannot add {self.type} to this model: {on_one_line(error)}"
            ) from error
        if self.type == "ADAPTION_PROMPT":
            # It keeps the forward of before the trainer replaced the base's.
            model.base_model.forward = base.__call__
        if self._embeds_virtual_tokens:
            place_virtual_tokens(base)
        return model

    @property
    def loading_code(self) -> str:
        return super().loading_code + (_ONE_AT_A_TIME if self._embeds_virtual_tokens else "")

    @property
    def _embeds_virtual_tokens(self) -> bool:
        return self.virtual_tokens > 0 and self.type not in _CACHED

    def configuration(self, base: PreTrainedModel) -> PeftConfig:
        from peft import TaskType
        from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

        classes = {kind.value: chosen for kind, chosen in PEFT_TYPE_TO_CONFIG_MAPPING.items()}
        usable = sorted(set(classes) - set(REFUSED_TYPES))
        if self.type in REFUSED_TYPES:
            raise InputError(f"method.type: {self.type} {REFUSED_TYPES[self.type]}")
        if self.type not in classes:
            raise InputError(f"method.type: peft has no {self.type}; it has {', '.join(usable)}")
        self._require_precision()
        fields = self._fields(classes[self.type])
        try:
            return classes[self.type](task_type=TaskType.CAUSAL_LM, **fields)
        except _REFUSALS as error:
            raise InputError(f"method.config: peft refuses it for {self.type}: {on_one_line(error)}") from error

    def _require_precision(self) -> None:
        if self.bits is not None and self.type not in QUANTIZABLE_TYPES:
            raise InputError(
                f"method.bits: {self.type} needs the base's weights as they are; choose null, or one of "
                f"{', '.join(QUANTIZABLE_TYPES)}"
            )
        if self.bits == 8 and (self.config or {}).get("use_dora"):
            raise InputError("method.bits: DoRA needs 4 or null, got 8; peft cannot read weights of 8 bits for it")
        if self.adapter_dtype == "bfloat16" and self.type in FLOAT32_TYPES:
            raise InputError(f"method.adapter_dtype: must be float32 for {self.type}, got bfloat16")

    def _fields(self, chosen: Any) -> dict[str, Any]:
        """The fields of the configuration, checked by name; peft checks their values."""
        given = deepcopy(self.config or {})
        accepted = [field.name for field in dataclasses.fields(chosen) if field.init and field.name not in FIXED_FIELDS]
        for name in given:
            if name not in accepted:
                has = f"{chosen.__name__} has {', '.join(sorted(accepted))}"
                raise InputError(f"method.config.{name}: there is no such setting; {has}")
        if "auxiliary_loss_weight" in accepted and given.get("auxiliary_loss_weight") != 0:
            raise InputError(
                f"method.config.auxiliary_loss_weight: must be 0 for {self.type}; TRL computes the answers' loss alone"
            )
        start = given.get("init_lora_weights", True)
        if isinstance(start, str) and start not in INITIALISATIONS:
            raise InputError(
                f"method.config.init_lora_weights: must be true, false, {', '.join(INITIALISATIONS)}, got {start!r}; "
                "others need data or random numbers that are gone when the adapter is loaded"
            )
        return given
