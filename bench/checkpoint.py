"""The files that a model and its tokenizer are loaded from. Needs no torch."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import tiny
from bench.errors import InputError
from bench.hub import WEIGHTS, cached_snapshot, snapshot
from bench.model import Model, checkpoint_folder

OTHERWISE = "point model.path at a local copy, or measure resources alone with model.weights=random."

FromHub = Callable[[str, str | None, Sequence[str]], Path | None]
"""Gives the folder with the files of a hub's model: its name, its revision, and glob patterns."""


def downloaded(name: str, revision: str | None, patterns: Sequence[str]) -> Path:
    """The folder, downloaded if need be; raises InputError as `snapshot` does."""
    return snapshot(name, revision, patterns, OTHERWISE)


def model_folder(model: Model, from_hub: FromHub = cached_snapshot) -> Path | None:
    """The folder with the model's config.json and, unless they are drawn at random, its weights.

    None if none of it is needed, or if `from_hub` has none: by default, models that are not on this machine.
    """
    if not model.reads_checkpoint:
        return None
    return model.folder or from_hub(model.path, model.revision, _patterns(model, model.weights == "pretrained"))


def tokenizer_folder(model: Model, checkpoint: Path | None, from_hub: FromHub = cached_snapshot) -> Path | None:
    """The folder with the tokenizer: the one that the settings name, that of the `checkpoint`, or the embedded one.

    None if it is neither in `checkpoint`, as `model_folder` gives it, nor known to `from_hub`.
    """
    if model.tokenizer is not None:
        revision = model.revision if model.tokenizer == model.path else None
        return checkpoint_folder(model.tokenizer) or from_hub(model.tokenizer, revision, _patterns(model, False))
    if model.weights == "random" and not (checkpoint and any(checkpoint.glob("tokenizer*"))):
        return tiny.FOLDER
    return checkpoint


def require_checkpoint(model: Model, folder: Path) -> None:
    """Check that `folder` has a configuration, and weights that can be read unless they are drawn at random.

    Weights that are quantised already are refused: the method says how a base is quantised.

    Raises:
        InputError: it has not.
    """
    if not (folder / "config.json").is_file():
        raise InputError(f"{model.path} has no config.json, so no model can be loaded from it. {_advice(folder)}")
    if model.weights == "pretrained" and not any(folder.glob(WEIGHTS)):
        raise InputError(
            f"{model.path} has no safetensors weights, and no others are read. Convert it first, {OTHERWISE}"
        )
    if quantization := _quantization(folder):
        raise InputError(
            f"{model.path} has weights that are quantised already ({quantization}); take the model that they were made "
            "from, and quantise it with method=qlora"
        )


def _quantization(folder: Path) -> str | None:
    """How the checkpoint's weights are quantised, such as `gptq`; None if they are not, or that is not known."""
    try:
        settings = json.loads((folder / "config.json").read_bytes()).get("quantization_config")
    except (ValueError, AttributeError):
        return None
    return settings and str(settings.get("quant_method", "by an unknown method"))


def _advice(folder: Path) -> str:
    if (folder / "adapter_config.json").is_file():
        return "It is an adapter: merge it into its base model first (peft's merge_and_unload), and save that."
    if below := sorted(folder.glob("*/config.json")):
        return f"Did you mean {below[0].parent}?"
    return "Name the folder that save_pretrained wrote."


def _patterns(model: Model, weights: bool) -> tuple[str, ...]:
    return tuple(pattern for pattern in model.files if weights or pattern != WEIGHTS)
