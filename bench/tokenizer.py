"""The tokenizer of a checkpoint, as training and `python -m bench.data` use it. Loading it needs no torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bench.checkpoint import downloaded, model_folder, tokenizer_folder
from bench.errors import InputError, on_one_line
from bench.hub import WEIGHTS
from bench.model import Model

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase


def load_tokenizer(folder: Path, *, trust_remote_code: bool) -> "PreTrainedTokenizerBase":
    """The tokenizer in `folder`, which pads on the left, with the end of sequence if it has no token for padding.

    Raises:
        InputError: there is none that transformers loads, it is empty or not a fast one, or has no end of sequence.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} has no tokenizer that transformers loads: {on_one_line(error)}") from error
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
        # Where there are no files of one, transformers makes up an empty tokenizer.
        raise InputError(f"{folder} has no tokenizer; save the base model's there, or name one with model.tokenizer")
    if tokenizer.eos_token is None or not tokenizer.is_fast:
        lacking = "an end-of-sequence token" if tokenizer.is_fast else "a tokenizer.json"
        raise InputError(f"{folder} has a tokenizer without {lacking}; name another one with model.tokenizer")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return tokenizer


def reading_side(model: Model) -> tuple["PreTrainedTokenizerBase", int | None]:
    """The tokenizer that `model` is used with, and the longest sequence that both take in tokens. Loads no weights.

    Raises:
        InputError: the tokenizer or the model's configuration is missing, or transformers cannot read it.
    """
    from transformers import AutoConfig

    folder = model_folder(model, _without_weights)
    # Not None: what is not on this machine was downloaded.
    source = cast(Path, tokenizer_folder(model, folder, _without_weights))
    tokenizer = load_tokenizer(source, trust_remote_code=model.trust_remote_code)
    try:
        if folder is None:
            config = AutoConfig.for_model(**(model.architecture or {}))
        else:
            config = AutoConfig.from_pretrained(folder, trust_remote_code=model.trust_remote_code)
    except Exception as error:  # Validation of the fields raises types of its own, which depend on the version.
        raise InputError(f"transformers cannot read the configuration of {model.name}: {on_one_line(error)}") from error
    return tokenizer, context_length(config, tokenizer)


def context_length(config: "PretrainedConfig", tokenizer: "PreTrainedTokenizerBase") -> int | None:
    """The longest sequence that a model with this `config` and its tokenizer take, in tokens; None without a limit."""
    from transformers.tokenization_utils_base import VERY_LARGE_INTEGER

    # Models without positions, such as Mamba, set no limit; a tokenizer that sets none says 1e30. MPT has its own name.
    names = ("max_position_embeddings", "max_seq_len")
    limits = (*(getattr(config.get_text_config(), name, None) for name in names), tokenizer.model_max_length)
    return min((int(limit) for limit in limits if limit and limit < VERY_LARGE_INTEGER), default=None)


def _without_weights(name: str, revision: str | None, patterns: Sequence[str]) -> Path:
    return downloaded(name, revision, [pattern for pattern in patterns if pattern != WEIGHTS])
