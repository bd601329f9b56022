"""Loads the base model and its tokenizer: from the hub, a local folder, or with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench import tiny
from bench.errors import InputError
from bench.hub import hub_answers
from bench.model import EMBEDDED, Model

if TYPE_CHECKING:
    import torch
    from transformers import BitsAndBytesConfig, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

FETCHED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")
"""What is fetched of a checkpoint on the hub: no pickled weights, and no code."""

OTHER_WAYS = "point model.path at a local copy, or measure resources alone with model.weights=random."


class Loaded(NamedTuple):
    """A base model, ready on its device, and what belongs to it."""

    base: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    context_length: int
    """The longest sequence in tokens that the model takes."""
    revision: str | None
    """The commit that the hub gave, where it came from there."""


def device() -> torch.device:
    """The first visible GPU, otherwise the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision(model: Model) -> torch.dtype:
    """The precision that `model` is held and computed in on this machine."""
    import torch

    if model.precision != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[model.precision]
    return torch.bfloat16 if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else torch.float32


def load(model: Model, quantization: BitsAndBytesConfig | None, seed: int) -> Loaded:
    """The base model and its tokenizer.

    Raises:
        InputError: the checkpoint is gated, missing or not safetensors, the network is down, or a package is missing.
    """
    from transformers import GenerationConfig

    try:
        if model.weights == "random":
            revision = None
            base = _random(model, quantization, seed)
            tokenizer = _tokenizer(model, _folder(model, model.tokenizer or EMBEDDED, None))
        else:
            folder = _folder(model, model.path, model.revision)
            revision = folder.name if _is_on_hub(model.path) else None
            base = _pretrained(model, folder, quantization)
            tokenizer = _tokenizer(model, folder if model.tokenizer is None else _folder(model, model.tokenizer, None))
    except ImportError as error:
        raise InputError(f"{model.name} needs what is not installed: {_on_one_line(error)}") from error
    n_embedded, n_tokens = base.get_input_embeddings().num_embeddings, max(tokenizer.get_vocab().values()) + 1
    if n_tokens > n_embedded:
        raise InputError(
            f"{model.name} embeds {n_embedded} tokens, and its tokenizer has {n_tokens}. Name the tokenizer that "
            "belongs to it with model.tokenizer, or for random weights raise vocab_size in model.architecture."
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    # Whatever generation is not told it takes from here, such as a repetition penalty: only the answers' ends stay.
    base.generation_config = GenerationConfig(eos_token_id=base.generation_config.eos_token_id)
    limits = (base.config.get_text_config().max_position_embeddings, tokenizer.model_max_length)
    return Loaded(base.eval(), tokenizer, int(min(limits)), revision)


def skeleton(model: Model, quantization: BitsAndBytesConfig | None) -> PreTrainedModel:
    """The architecture without memory, on torch's meta device, for counting parameters."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.quantizers import AutoHfQuantizer

    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(_architecture(model), dtype=precision(model))
    if quantization is not None:
        quantizer = AutoHfQuantizer.from_config(quantization, pre_quantized=False)
        quantizer.preprocess_model(model=base, dtype=precision(model), device_map={"": "meta"})
    return base


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
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    if not any(folder.glob("*.safetensors")):
        raise InputError(
            f"{model.path} has no safetensors weights, and no others are read. Convert it first, {OTHER_WAYS}"
        )
    try:
        return AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=precision(model),
            attn_implementation=model.attention,
            quantization_config=quantization,
            device_map={"": device()},
            use_safetensors=True,
            trust_remote_code=model.trust_remote_code,
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{model.path} is not a checkpoint that transformers loads: {error}") from error


def _random(model: Model, quantization: BitsAndBytesConfig | None, seed: int) -> PreTrainedModel:
    import torch
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    config = _architecture(model)
    try:
        architecture = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
        with torch.device("meta"):
            shapes = architecture(config).state_dict()
    except (ArithmeticError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"model.architecture is none that transformers can build: {_on_one_line(error)}") from error
    # A block of random numbers laid end to end fills billions of weights in seconds; its prime length keeps rows apart.
    block = torch.empty(1_048_573, dtype=precision(model))
    block.normal_(0.0, config.initializer_range, generator=torch.Generator().manual_seed(seed))
    weights = {
        name: torch.ones(weight.shape, dtype=block.dtype)
        if weight.dim() == 1
        else block.repeat(weight.numel() // block.numel() + 1)[: weight.numel()].view(weight.shape)
        for name, weight in shapes.items()
    }
    # The class itself, since AutoModelForCausalLM wants the name of a checkpoint.
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
    from transformers import AutoConfig

    if model.architecture is None:
        raise InputError(
            f"model.weights=random needs model.architecture, the fields of a config.json; {model.name} gives none"
        )
    try:
        return AutoConfig.for_model(**model.architecture)
    except Exception as error:  # Validation of the fields raises types of its own, which depend on the version.
        raise InputError(
            f"model.architecture is no config.json that transformers reads: {_on_one_line(error)}"
        ) from error


def _on_one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _tokenizer(model: Model, folder: Path) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=model.trust_remote_code)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} has no tokenizer that transformers loads: {error}") from error


def _is_on_hub(path: str) -> bool:
    return path != EMBEDDED and not Path(path).expanduser().is_dir()


def _folder(model: Model, path: str, revision: str | None) -> Path:
    """The checkpoint's folder on this machine, fetched from the hub if need be."""
    if not _is_on_hub(path):
        return tiny.FOLDER if path == EMBEDDED else Path(path).expanduser()
    from huggingface_hub import errors, snapshot_download

    absent = f"There is no folder {path}. Give one with a config.json and safetensors weights, or a hub name."
    if path.startswith((".", "/", "~")):
        raise InputError(absent)
    code = ["*.py"] if model.trust_remote_code else []
    try:
        # Libraries try a hub that does not answer for the better part of a minute: it is asked once, before.
        fetched = snapshot_download(
            path,
            revision=revision,
            allow_patterns=[*FETCHED, *code],
            local_files_only=not hub_answers(),
        )
    except errors.HFValidationError as error:
        raise InputError(absent) from error
    except errors.GatedRepoError as error:
        raise InputError(
            f"{path} is gated, and no token with access was found. Accept its licence on its hub page and run "
            f"`hf auth login`, {OTHER_WAYS}"
        ) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        at = f" at revision {revision}" if revision else ""
        raise InputError(f"The hub has no model {path}{at}, or not for you. Check the name, {OTHER_WAYS}") from error
    except (errors.LocalEntryNotFoundError, errors.HfHubHTTPError, errors.OfflineModeIsEnabled, OSError) as error:
        raise InputError(
            f"{path} is not on this machine, and the hub cannot be reached. Check the network, {OTHER_WAYS}"
        ) from error
    return Path(fetched)
