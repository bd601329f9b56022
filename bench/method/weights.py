"""The changed weights of a method that trains parameters of the base model itself: written and laid back by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import load_file, save_file

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FILE = "changed.safetensors"


def save_trainable(model: PreTrainedModel, folder: Path) -> int:
    """Write every parameter that requires gradients, tied ones once, under its own name; gives bytes on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = {name: weight.detach().cpu() for name, weight in model.named_parameters() if weight.requires_grad}
    save_file(changed, folder / FILE, metadata={"format": "pt"})
    return (folder / FILE).stat().st_size


def restore_trainable(base: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """Lay the saved weights over `base`; a tied pair stays tied, since both ends are one parameter."""
    changed = load_file(folder / FILE)
    unknown = base.load_state_dict(changed, strict=False).unexpected_keys
    if unknown:
        raise ValueError(f"{folder / FILE} holds weights that the base model has not: {', '.join(unknown)}")
    return base
