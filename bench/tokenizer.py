"""The tokenizer of a checkpoint, as training and `python -m bench.data` use it. Loading it needs no torch."""

from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import InputError, on_one_line

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load_tokenizer(folder: Path, *, trust_remote_code: bool) -> "PreTrainedTokenizerBase":
    """The tokenizer in `folder`, which pads on the left, with the end of sequence if it has no token for padding.

    Raises:
        InputError: there is none that transformers loads, it has no end of sequence, or it is not a fast one.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} has no tokenizer that transformers loads: {on_one_line(error)}") from error
    if tokenizer.eos_token is None or not tokenizer.is_fast:
        lacking = "an end-of-sequence token" if tokenizer.is_fast else "a tokenizer.json"
        raise InputError(f"{folder} has a tokenizer without {lacking}; name another one with model.tokenizer")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return tokenizer
