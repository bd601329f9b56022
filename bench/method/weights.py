"""The changed weights of a method that trains parameters of the base model itself, saved and restored by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import load_file, save_file

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FILE = "changed.safetensors"
LOADING_CODE = f"""from safetensors.torch import load_file

model.load_state_dict(load_file("{FILE}"), strict=False)
"""


def save_trainable(model: PreTrainedModel, folder: Path) -> int:
    """Write every parameter that requires gradients under its name, tied ones once; returns the bytes on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = {name: weight.detach().cpu() for name, weight in model.named_parameters() if weight.requires_grad}
    save_file(changed, folder / FILE, metadata={"format": "pt"})
    return (folder / FILE).stat().st_size


def restore_trainable(base: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """`base` with the saved weights in place of its own; tied weights stay tied, since they are one parameter."""
    changed = load_file(folder / FILE)
    unknown = base.load_state_dict(changed, strict=False).unexpected_keys
    if unknown:
        raise ValueError(f"{folder / FILE} has weights that the base model lacks: {', '.join(unknown)}")
    return base
