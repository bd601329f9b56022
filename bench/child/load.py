"""Loading the base model and its tokenizer, from the hub, a local folder, or with random weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, cast

import torch
from safetensors import SafetensorError
from transformers import (
    CONFIG_MAPPING,
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    GenerationConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from bench.checkpoint import downloaded, model_folder, require_checkpoint, tokenizer_folder
from bench.errors import InputError, on_one_line
from bench.model import Model
from bench.tokenizer import context_length, load_tokenizer

_NOT_LOADED = (OSError, ValueError, SafetensorError)
_NOT_BUILT = (ArithmeticError, ImportError, KeyError, RuntimeError, TypeError, ValueError)
"""What transformers raises for files and for configurations that it cannot use."""


class Loaded(NamedTuple):
    """A base model on its device, or spread over all visible GPUs, and its tokenizer."""

    base: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    context_length: int | None
    """The longest sequence that model and tokenizer take, in tokens; None if they set no limit."""
    revision: str | None
    """The commit that the hub served; None for a model that is not from the hub."""


def device() -> torch.device:
    """The first visible GPU, otherwise the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_map() -> dict[str, torch.device] | str:
    """Where transformers puts a model: on that device, or an equal share on each of several visible GPUs."""
    return "balanced" if torch.cuda.device_count() > 1 else {"": device()}


def require_spreadable(model: Model, base: PreTrainedModel) -> None:
    """Raise InputError if transformers does not know which parts of this architecture must stay on one device."""
    if not base._no_split_modules:
        raise InputError(
            f"gpus_per_cell: must be 1 for {model.name}, a {base.config.model_type} model, which transformers cannot "
            "spread over several GPUs"
        )


def placement(base: PreTrainedModel) -> dict[str, str]:
    """The device of each part of a model that was spread over several GPUs; empty for a model on one device."""
    return {part: f"cuda:{index}" for part, index in getattr(base, "hf_device_map", {}).items() if part}


def _require_spread(model: Model, base: PreTrainedModel) -> None:
    """Check where the parts of a model are that was to be spread over all visible GPUs.

    Raises:
        InputError: it is so small that one GPU holds all of it.
        MemoryError: it is so large that some parts would have to stay in host memory.
    """
    n_gpus, used = torch.cuda.device_count(), set(base.hf_device_map.values())
    if used & {"cpu", "disk"}:
        raise MemoryError(f"{model.name} does not fit on {n_gpus} GPUs; raise gpus_per_cell, or quantise the model")
    if len(used) < n_gpus:
        raise InputError(f"gpus_per_cell: must be at most {len(used)} for {model.name}, which is small, got {n_gpus}")


def precision(model: Model) -> torch.dtype:
    """The precision in which this machine holds and computes `model`."""
    if model.precision != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[model.precision]
    return torch.bfloat16 if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else torch.float32


def load(model: Model, quantization: BitsAndBytesConfig | None, seed: int) -> Loaded:
    """The base model and its tokenizer.

    Raises:
        InputError: the checkpoint is gated, missing, incomplete or not in safetensors, the hub cannot be reached, or a
            package is missing, or the model cannot be spread over the GPUs that are visible.
        MemoryError: it does not fit on them.
    """
    try:
        folder = model_folder(model, downloaded)
        if spread := torch.cuda.device_count() > 1:
            require_spreadable(model, skeleton(model, folder))
        base = _base(model, folder, quantization, seed)
        if spread:
            _require_spread(model, base)
        # Not None: what is not on this machine was downloaded.
        source = cast(Path, tokenizer_folder(model, folder, downloaded))
        tokenizer = load_tokenizer(source, trust_remote_code=model.trust_remote_code)
    except ImportError as error:
        raise InputError(f"{model.name} needs a package that is not installed: {on_one_line(error)}") from error
    revision = folder.name if folder and model.folder is None else None
    if revision:
        # An adapter's configuration names its base by this, which would be a folder in the cache.
        base.name_or_path = model.path
    require_vocabulary(model, base, tokenizer)
    # generate() takes settings that it is not given from here, such as a repetition penalty: keep only the end tokens.
    base.generation_config = GenerationConfig(eos_token_id=base.generation_config.eos_token_id)
    config = base.config.get_text_config()
    if hasattr(config, "output_router_logits"):
        # A mixture of experts that returns router logits fails to generate in batches with padding.
        config.output_router_logits = False
    return Loaded(base.eval(), tokenizer, context_length(config, tokenizer), revision)


def skeleton(model: Model, folder: Path | None) -> PreTrainedModel:
    """The model on torch's meta device, where it takes no memory: enough to check whether a method fits it.

    Its configuration is that of the checkpoint in `folder`, or `model.architecture` if there is no folder.

    Raises:
        InputError: there is no configuration, or transformers cannot build a causal language model from it.
    """
    config = _configuration(model, folder)
    failure = f"transformers cannot build {model.name} from its configuration"
    with _explained(failure, *_NOT_BUILT), torch.device("meta"):
        # In float32 whatever the model's precision is: to find that out would start CUDA.
        return AutoModelForCausalLM.from_config(
            config,
            dtype=torch.float32,
            attn_implementation=_attention(model),
            trust_remote_code=model.trust_remote_code,
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


def _base(model: Model, folder: Path | None, quantization: BitsAndBytesConfig | None, seed: int) -> PreTrainedModel:
    if folder is not None:
        require_checkpoint(model, folder)
        if model.weights == "pretrained":
            return _pretrained(model, folder, quantization)
    return _random(model, folder, quantization, seed)


def _pretrained(model: Model, folder: Path, quantization: BitsAndBytesConfig | None) -> PreTrainedModel:
    # What has been downloaded just now could not be checked before the first cell.
    _configuration(model, folder)
    with _explained(f"{model.path} is not a checkpoint that transformers loads", *_NOT_LOADED):
        base, loaded = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=precision(model),
            attn_implementation=_attention(model),
            quantization_config=quantization,
            device_map=device_map(),
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


def _random(model: Model, folder: Path | None, quantization: BitsAndBytesConfig | None, seed: int) -> PreTrainedModel:
    built = skeleton(model, folder)
    # A repeated block of random numbers fills billions of weights in seconds; its prime length keeps rows different.
    block = torch.empty(1_048_573, dtype=precision(model))
    spread = getattr(built.config.get_text_config(), "initializer_range", 0.02)
    block.normal_(0.0, spread, generator=torch.Generator().manual_seed(seed))
    weights = {
        name: _drawn(name, weight, block) for name, weight in built.state_dict().items() if weight.is_floating_point()
    }
    # AutoModelForCausalLM needs the name of a checkpoint, the class itself does not.
    return type(built).from_pretrained(
        None,
        config=built.config,
        state_dict=weights,
        dtype=precision(model),
        attn_implementation=_attention(model),
        quantization_config=quantization,
        device_map=device_map(),
    )


def _drawn(name: str, weight: torch.Tensor, block: torch.Tensor) -> torch.Tensor:
    """A weight of that shape: from `block`, but 0 for a bias, and 1 for a scale, as that of a normalisation."""
    if weight.dim() == 1:
        return torch.full(weight.shape, 0.0 if name.endswith("bias") else 1.0, dtype=block.dtype)
    return block.repeat(weight.numel() // block.numel() + 1)[: weight.numel()].view(weight.shape)


def _configuration(model: Model, folder: Path | None) -> PretrainedConfig:
    """That of the checkpoint in `folder`, or `model.architecture` if there is no folder.

    Raises:
        InputError: it cannot be read, or is not that of a causal language model with the attention that was asked for.
    """
    config = _read(model, folder)
    own_code = model.trust_remote_code and "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {})
    # Of an encoder-decoder such as BART, transformers builds the decoder, without the encoder that it learned to read.
    if config.is_encoder_decoder or (type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING and not own_code):
        raise InputError(
            f"{model.name} is a {config.model_type} model, which is no causal language model; take another"
        )
    if model.attention == "sdpa" and not getattr(
        MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None), "_supports_sdpa", True
    ):
        raise InputError(
            f"model.attention: must be auto or eager for {model.name}, a {config.model_type} model, got sdpa"
        )
    return config


def _read(model: Model, folder: Path | None) -> PretrainedConfig:
    if folder is not None:
        with _explained(f"{model.path} is not a checkpoint that transformers loads", *_NOT_LOADED):
            found, _ = PretrainedConfig.get_config_dict(folder)
            if found.get("model_type") not in CONFIG_MAPPING and "auto_map" in found and not model.trust_remote_code:
                raise InputError(
                    f"{model.path} brings code of its own, which runs with your rights; read it, and allow it with "
                    "model.trust_remote_code=true"
                )
            return AutoConfig.from_pretrained(folder, trust_remote_code=model.trust_remote_code)
    # Validation of the fields raises types of its own, which depend on the version.
    with _explained("transformers cannot read model.architecture", Exception):
        return AutoConfig.for_model(**(model.architecture or {}))


def _attention(model: Model) -> str | None:
    """None leaves the choice to transformers: sdpa where the model supports it, otherwise eager."""
    return None if model.attention == "auto" else model.attention


@contextmanager
def _explained(what: str, *kinds: type[Exception]) -> Iterator[None]:
    """Turn exceptions of these kinds into the sentence `what`, with their message."""
    try:
        yield
    except InputError:
        raise
    except kinds as error:
        raise InputError(f"{what}: {on_one_line(error)}") from error


def require_vocabulary(model: Model, base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raises InputError if the tokenizer has more tokens than the model embeds. A model may embed more."""
    n_embedded, n_tokens = base.get_input_embeddings().num_embeddings, max(tokenizer.get_vocab().values()) + 1
    if n_tokens > n_embedded:
        raise InputError(
            f"{model.name} embeds {n_embedded} tokens, and its tokenizer has {n_tokens}. Name the tokenizer that "
            "belongs to it with model.tokenizer, or for random weights raise vocab_size in model.architecture."
        )
