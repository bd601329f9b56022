"""Low-rank adapters whose ranks are reallocated while they train."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from bench.errors import InputError
from bench.method.peft import Peft

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig
    from transformers import PreTrainedModel

_AVERAGES = ("ipt", "exp_avg_ipt", "exp_avg_unc")
"""The allocator's running averages of how much each weight matters, by the weight's name."""


class AdaLoRA(Peft):
    """AdaLoRA (Zhang et al. 2023): all adapters start with rank `init_r` and share a budget of `target_r` each."""

    type: Literal["ADALORA"]

    @property
    def one_gpu(self) -> str:
        return "which compares the weights of all layers, and peft does that on one GPU"

    def configuration(self, base: PreTrainedModel) -> PeftConfig:
        from peft import AdaLoraConfig, TaskType

        self._require_precision()
        fields = self._fields(AdaLoraConfig)
        # How many steps there are is known when training begins.
        steps = fields.get("tinit", 0) + fields.get("tfinal", 0) + 1
        config = AdaLoraConfig(task_type=TaskType.CAUSAL_LM, total_step=steps, **fields)
        if config.target_r >= config.init_r:
            raise InputError(
                f"method.config.target_r: must be less than init_r ({config.init_r}), got {config.target_r}"
            )
        return config

    def prepare(self, base: PreTrainedModel) -> PreTrainedModel:
        model = super().prepare(base)
        for name, parameter in model.named_parameters():
            # peft's cast from bfloat16 leaves it trainable, and it is not saved.
            if ".ranknum." in name:
                parameter.requires_grad_(False)
        return model

    def begin(self, model: PreTrainedModel, n_steps: int) -> None:
        config = model.peft_config["default"]
        if config.tinit + config.tfinal >= n_steps:
            raise InputError(
                f"method.config: tinit + tfinal must be less than the {n_steps} steps of training, got "
                f"{config.tinit} + {config.tfinal}"
            )
        model.base_model.rankallocator.set_total_step(n_steps)

    def penalty(self, model: PreTrainedModel) -> torch.Tensor:
        """How far the adapters' factors are from orthogonal: peft adds it to a loss that TRL does not read."""
        import torch

        distances = []
        for name, factor in model.named_parameters():
            if ".lora_A." in name or ".lora_B." in name:
                rows = factor if ".lora_A." in name else factor.T
                distances.append(torch.norm(rows @ rows.T - torch.eye(len(rows), device=rows.device)))
        return model.peft_config["default"].orth_reg_weight * torch.stack(distances).mean()

    def stepped(self, model: PreTrainedModel, step: int) -> None:
        model.base_model.update_and_allocate(step)

    def settle(self, model: PreTrainedModel) -> PreTrainedModel:
        # Saved with their pattern, masked ranks would be cut out, and sums over those that are left round differently.
        model.peft_config["default"].rank_pattern = None
        return super().settle(model)

    def state(self, model: PreTrainedModel) -> dict[str, torch.Tensor]:
        import torch

        allocator = model.base_model.rankallocator
        ranks = model.peft_config["default"].rank_pattern or {}
        averages = {f"{kind}/{name}": value for kind in _AVERAGES for name, value in getattr(allocator, kind).items()}
        return averages | {f"ranks/{name}": torch.tensor(kept) for name, kept in ranks.items()}

    def restore(self, model: PreTrainedModel, state: dict[str, torch.Tensor]) -> None:
        found: dict[str, dict[str, Any]] = {kind: {} for kind in (*_AVERAGES, "ranks")}
        for key, value in state.items():
            kind, _, name = key.partition("/")
            found[kind][name] = value.tolist() if kind == "ranks" else value.to(model.device)
        for kind in _AVERAGES:
            setattr(model.base_model.rankallocator, kind, found[kind])
        model.peft_config["default"].rank_pattern = found["ranks"] or None
