"""Checkpoints that training resumes from. One is complete only with a manifest of its files, which is written last."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from bench import store
from bench.method import Method

MANIFEST = "manifest.json"
"""File name to size in bytes, for every other file of the checkpoint."""
WEIGHTS = "weights.safetensors"
"""The trained parameters, by name, and what the method needs to go on, under names that begin with `method:`."""
REVISION = "revision"
"""The file beside the checkpoints with the commit of the base model that they belong to."""


def path_of(folder: Path, step: int) -> Path:
    """Where the trainer puts the checkpoint of `step`."""
    return folder / f"checkpoint-{step}"


def seal(checkpoint: Path) -> None:
    """Write the manifest: its existence means that all other files were written."""
    sizes = {file.name: file.stat().st_size for file in checkpoint.iterdir()}
    store.write_atomically(checkpoint / MANIFEST, json.dumps(sizes))


def save_weights(checkpoint: Path, model: PreTrainedModel, method: Method) -> None:
    """Write what training has changed, exactly: peft's own files leave out parts, or give them another shape."""
    checkpoint.mkdir(parents=True, exist_ok=True)
    state = {f"method:{name}": value.contiguous() for name, value in method.state(model).items()}
    save_file(trainable_weights(model) | state, checkpoint / WEIGHTS)


def load_weights(checkpoint: Path, model: PreTrainedModel, method: Method) -> None:
    """Set what `save_weights` wrote."""
    saved = load_file(checkpoint / WEIGHTS)
    restore_weights(model, saved)
    state = {name.removeprefix("method:"): value for name, value in saved.items() if name.startswith("method:")}
    method.restore(model, state)


def trainable_weights(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Copies of the trainable parameters by name, in host memory: on the device they would count as the model's."""
    return {
        name: weight.detach().to("cpu", copy=True).contiguous()
        for name, weight in model.named_parameters()
        if weight.requires_grad
    }


def restore_weights(model: PreTrainedModel, weights: dict[str, torch.Tensor]) -> None:
    """Set the parameters of `model` that are in `weights`, in the precision that they have there."""
    for name, weight in model.named_parameters():
        if name in weights:
            weight.data = weights[name].to(weight.device, copy=True)


def clear(folder: Path) -> None:
    """Remove every checkpoint, and keep the base model's commit."""
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint, ignore_errors=True)


def pin(folder: Path, revision: str) -> None:
    """Note the commit of the base model that the checkpoints belong to."""
    folder.mkdir(exist_ok=True)
    store.write_atomically(folder / REVISION, revision)


def pinned(folder: Path) -> str | None:
    """The commit of the base model that the checkpoints belong to; None if it was not noted."""
    try:
        return (folder / REVISION).read_text()
    except FileNotFoundError:
        return None


def newest_complete(folder: Path, warn: Callable[[str], None]) -> Path | None:
    """The checkpoint with the most steps that training can resume from, or None.

    Newer ones that it cannot resume from are removed; `warn` gets a sentence for each.
    """
    names = (path.name.removeprefix("checkpoint-") for path in folder.glob("checkpoint-*"))
    for step in sorted((int(name) for name in names if name.isdigit()), reverse=True):
        checkpoint = path_of(folder, step)
        fault = _fault(checkpoint) or _fault_of_best(checkpoint)
        if fault is None:
            return checkpoint
        shutil.rmtree(checkpoint)
        warn(f"{checkpoint.name} was removed ({fault}); training resumes from an earlier checkpoint or from the start")
    return None


def _fault(checkpoint: Path) -> str | None:
    """Why `checkpoint` is incomplete; None if it is complete."""
    try:
        sizes = json.loads((checkpoint / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return f"it has no readable {MANIFEST}"
    if WEIGHTS not in sizes:
        return f"{WEIGHTS} is missing"
    for name, size in sizes.items():
        file = checkpoint / name
        if not file.exists():
            return f"{name} is missing"
        if file.stat().st_size != size:
            return f"{name} has {file.stat().st_size} of {size} bytes"
    return None


def _fault_of_best(checkpoint: Path) -> str | None:
    """Why the earlier checkpoint with the best weights, which training reads at its end, is incomplete; or None."""
    best = json.loads((checkpoint / "trainer_state.json").read_bytes())["best_global_step"]
    fault = _fault(path_of(checkpoint.parent, best)) if best else None
    return fault and f"it refers to checkpoint-{best}, but {fault}"
