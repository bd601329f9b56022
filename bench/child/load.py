"""Loading the base model and its tokenizer, from the hub, a local folder, or with random weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    GenerationConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from bench.errors import InputError, on_one_line
from bench.hub import snapshot
from bench.model import EMBEDDED, Model, checkpoint_folder
from bench.tokenizer import load_tokenizer

_OTHERWISE = "point model.path at a local copy, or measure resources alone with model.weights=random."
_NOT_LOADED = (OSError, ValueError, SafetensorError)
_NOT_BUILT = (ArithmeticError, ImportError, KeyError, RuntimeError, TypeError, ValueError)
"""What transformers raises for files and for configurations that it cannot use."""


class Loaded(NamedTuple):
    """A base model on its device, and its tokenizer."""

    base: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    context_length: int
    """The longest sequence that model and tokenizer take, in tokens."""
    revision: str | None
    """The commit that the hub served; None for a model that is not from the hub."""


def device() -> torch.device:
    """The first visible GPU, otherwise the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision(model: Model) -> torch.dtype:
    """The precision in which this machine holds and computes `model`."""
    if model.precision != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[model.precision]
    return torch.bfloat16 if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else torch.float32


def load(model: Model, quantization: BitsAndBytesConfig | None, seed: int) -> Loaded:
    """The base model and its tokenizer.

    Raises:
        InputError: the checkpoint is gated, missing, incomplete or not in safetensors, the hub cannot be reached, or a
            package is missing.
    """
    revision = None
    try:
        if model.weights == "random":
            base = _random(model, quantization, seed)
            folder = _folder(model, model.tokenizer or EMBEDDED)
        else:
            folder = _folder(model, model.path)
            base = _pretrained(model, folder, quantization)
            if checkpoint_folder(model.path) is None:
                revision = folder.name
                # An adapter's configuration names its base by this, which would be a folder in the cache.
                base.name_or_path = model.path
            if model.tokenizer:
                folder = _folder(model, model.tokenizer)
        tokenizer = load_tokenizer(folder, trust_remote_code=model.trust_remote_code)
    except ImportError as error:
        raise InputError(f"{model.name} needs a package that is not installed: {on_one_line(error)}") from error
    _check_vocabulary(model, base, tokenizer)
    # generate() takes settings that it is not given from here, such as a repetition penalty: keep only the end tokens.
    base.generation_config = GenerationConfig(eos_token_id=base.generation_config.eos_token_id)
    config = base.config.get_text_config()
    if hasattr(config, "output_router_logits"):
        # A mixture of experts that returns router logits fails to generate in batches with padding.
        config.output_router_logits = False
    # Models without positions, such as Mamba, set no limit.
    positions = getattr(config, "max_position_embeddings", tokenizer.model_max_length)
    return Loaded(base.eval(), tokenizer, int(min(positions, tokenizer.model_max_length)), revision)


def skeleton(model: Model, folder: Path | None) -> PreTrainedModel:
    """The model on torch's meta device, where it takes no memory: enough to check whether a method fits it.

    Its configuration is that of the checkpoint in `folder`, or `model.architecture` if there is no folder.

    Raises:
        InputError: there is no configuration, or transformers cannot build a model from it.
    """
    trusted = {"trust_remote_code": model.trust_remote_code}
    if folder is None:
        config = _architecture(model)
    else:
        with _explained(f"{model.path} is not a checkpoint that transformers loads", *_NOT_LOADED):
            config = AutoConfig.from_pretrained(folder, **trusted)
    failure = f"transformers cannot build {model.name} from its configuration"
    with _explained(failure, *_NOT_BUILT), torch.device("meta"):
        # In float32 whatever the model's precision is: to find that out would start CUDA.
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32, **trusted)


def require_safetensors(model: Model, folder: Path) -> None:
    """Check that the checkpoint in `folder` has weights that can be read.

    Raises:
        InputError: it has none.
    """
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            f"{model.path} has no safetensors weights, and no others are read. Convert it first, {_OTHERWISE}"
        )


def count_parameters(model: torch.nn.Module) -> tuple[int, int]:
    """Trainable and all parameters. Tied ones count once, quantised ones at their unpacked size."""
    trainable = total = 0
    for parameter in model.parameters():
        packed = getattr(parameter, "quant_state", None)
        size = packed.shape.numel() if packed is not None else parameter.numel()
        total += size
        trainable += size if parameter.requires_grad else 0
    return trainable, total


def _pretrained(model: Model, folder: Path, quantization: BitsAndBytesConfig | None) -> PreTrainedModel:
    require_safetensors(model, folder)
    with _explained(f"{model.path} is not a checkpoint that transformers loads", *_NOT_LOADED):
        base, loaded = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=precision(model),
            attn_implementation=model.attention,
            quantization_config=quantization,
            device_map={"": device()},
            use_safetensors=True,
            trust_remote_code=model.trust_remote_code,
            output_loading_info=True,
        )
    if missing := sorted(loaded["missing_keys"]):
        # transformers would draw them at random.
        raise InputError(
            f"{model.path} lacks {len(missing)} of the model's weights, such as {missing[0]}; save it again"
        )
    return base


def _random(model: Model, quantization: BitsAndBytesConfig | None, seed: int) -> PreTrainedModel:
    config = _architecture(model)
    with _explained("transformers cannot build model.architecture", *_NOT_BUILT), torch.device("meta"):
        architecture = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
        shapes = architecture(config).state_dict()
    # A repeated block of random numbers fills billions of weights in seconds; its prime length keeps rows different.
    block = torch.empty(1_048_573, dtype=precision(model))
    block.normal_(0.0, config.initializer_range, generator=torch.Generator().manual_seed(seed))
    weights = {
        name: torch.ones(weight.shape, dtype=block.dtype)
        if weight.dim() == 1
        else block.repeat(weight.numel() // block.numel() + 1)[: weight.numel()].view(weight.shape)
        for name, weight in shapes.items()
    }
    # AutoModelForCausalLM needs the name of a checkpoint, the class itself does not.
    return architecture.from_pretrained(
        None,
        config=config,
        state_dict=weights,
        dtype=precision(model),
        attn_implementation=model.attention,
        quantization_config=quantization,
        device_map={"": device()},
    )


def _architecture(model: Model) -> PretrainedConfig:
    if model.architecture is None:
        raise InputError(
            f"model.weights=random needs model.architecture, the fields of a config.json; {model.name} gives none"
        )
    # Validation of the fields raises types of its own, which depend on the version.
    with _explained("transformers cannot read model.architecture", Exception):
        return AutoConfig.for_model(**model.architecture)


@contextmanager
def _explained(what: str, *kinds: type[Exception]) -> Iterator[None]:
    """Turn exceptions of these kinds into the sentence `what`, with their message."""
    try:
        yield
    except kinds as error:
        raise InputError(f"{what}: {on_one_line(error)}") from error


def _check_vocabulary(model: Model, base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    n_embedded, n_tokens = base.get_input_embeddings().num_embeddings, max(tokenizer.get_vocab().values()) + 1
    if n_tokens > n_embedded:
        raise InputError(
            f"{model.name} embeds {n_embedded} tokens, and its tokenizer has {n_tokens}. Name the tokenizer that "
            "belongs to it with model.tokenizer, or for random weights raise vocab_size in model.architecture."
        )


def _folder(model: Model, path: str) -> Path:
    """The folder of the checkpoint or tokenizer `path` on this machine, downloaded from the hub if need be."""
    revision = model.revision if path == model.path else None
    return checkpoint_folder(path) or snapshot(path, revision, model.files, _OTHERWISE)
