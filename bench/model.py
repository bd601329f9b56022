"""The base model and its tokenizer: from the hub, a local folder, or the exact architecture with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from bench import tiny
from bench.errors import InputError
from bench.settings import Part

if TYPE_CHECKING:
    import torch
    from transformers import BitsAndBytesConfig, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

EMBEDDED = "embedded"
"""The path that names the model which comes with tunebench."""


class Model(Part):
    """Which model is fine-tuned, and in what precision it is held."""

    path: str = Field(min_length=1)
    """A hub name, a local folder, or `embedded` for the tiny model that comes with tunebench."""
    revision: str | None
    """The commit on the hub; null for the newest, which pins nothing."""
    weights: Literal["pretrained", "random"]
    """`random` builds `architecture` with random weights: its cells measure resources, never quality."""
    architecture: dict[str, Any] | None
    """The model's `config.json`, needed for random weights only."""
    tokenizer: str | None
    """A folder or hub name; null for the checkpoint's own, or the embedded one where weights are random."""
    precision: Literal["auto", "float32", "bfloat16"]
    """`auto` is bfloat16 on a GPU that computes in it, otherwise float32."""
    attention: Literal["sdpa", "eager", "flash_attention_2"]
    trust_remote_code: bool
    """Run code that the checkpoint brings along. Off unless you have read that code."""


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
        InputError: the checkpoint is gated, missing or not safetensors, or the network is down.
    """
    build = _random if model.weights == "random" else _pretrained
    try:
        base = build(model, quantization, seed)
        tokenizer = _tokenizer(model)
    except (OSError, ValueError) as error:
        raise _explained(model, error) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    base.config.use_cache = True
    limits = (base.config.get_text_config().max_position_embeddings, tokenizer.model_max_length)
    return Loaded(base.eval(), tokenizer, int(min(limits)), getattr(base.config, "_commit_hash", None))


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


def _pretrained(model: Model, quantization: BitsAndBytesConfig | None, seed: int) -> PreTrainedModel:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        _place(model.path),
        revision=model.revision,
        dtype=precision(model),
        attn_implementation=model.attention,
        quantization_config=quantization,
        device_map={"": device()},
        use_safetensors=True,
        trust_remote_code=model.trust_remote_code,
    )


def _random(model: Model, quantization: BitsAndBytesConfig | None, seed: int) -> PreTrainedModel:
    import torch
    from transformers import AutoModelForCausalLM

    config = _architecture(model)
    with torch.device("meta"):
        shapes = AutoModelForCausalLM.from_config(config).state_dict()
    # A block of random numbers laid end to end fills billions of weights in seconds; its prime length keeps rows apart.
    block = torch.empty(1_048_573, dtype=precision(model))
    block.normal_(0.0, config.initializer_range, generator=torch.Generator().manual_seed(seed))
    weights = {
        name: torch.ones(weight.shape, dtype=block.dtype)
        if weight.dim() == 1
        else block.repeat(weight.numel() // block.numel() + 1)[: weight.numel()].view(weight.shape)
        for name, weight in shapes.items()
    }
    return AutoModelForCausalLM.from_pretrained(
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
    return AutoConfig.for_model(**model.architecture)


def _tokenizer(model: Model) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    own = EMBEDDED if model.weights == "random" else model.path
    return AutoTokenizer.from_pretrained(
        _place(model.tokenizer or own),
        revision=model.revision if model.tokenizer is None and model.weights == "pretrained" else None,
        trust_remote_code=model.trust_remote_code,
    )


def _place(path: str) -> str:
    if path == EMBEDDED:
        return str(tiny.FOLDER)
    if path.startswith((".", "/", "~")) and not Path(path).expanduser().is_dir():
        raise InputError(f"model.path: there is no folder {path}. Give a folder with a config.json, or a hub name.")
    return str(Path(path).expanduser()) if Path(path).expanduser().is_dir() else path


def _explained(model: Model, error: Exception) -> InputError:
    """What the user can do about a checkpoint that did not load; the libraries' own text comes along."""
    from huggingface_hub import errors

    if isinstance(error, InputError):
        return error
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    other = (
        f"point model.path at a local copy, or measure resources alone with model.weights=random "
        f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no further word'})"
    )
    if any(isinstance(link, errors.GatedRepoError) for link in chain) or "gated repo" in str(error):
        return InputError(
            f"{model.path} is gated and no token with access was found. Accept its licence on its hub page and run "
            f"`hf auth login`, {other}"
        )
    if any(isinstance(link, errors.RepositoryNotFoundError | errors.RevisionNotFoundError) for link in chain):
        return InputError(f"The hub has no model {model.path} at revision {model.revision}. Check the name, {other}")
    if "safetensors" in str(error):
        return InputError(f"{model.path} has no safetensors weights, and no others are read. Convert it first, {other}")
    if not Path(_place(model.path)).is_dir():
        return InputError(
            f"{model.path} is not on this machine and the hub cannot be reached. Check the network, {other}"
        )
    return InputError(f"{model.path} is not a checkpoint that transformers can load. Check its files, {other}")
