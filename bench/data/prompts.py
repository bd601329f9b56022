"""Examples as the model reads them: the text of their tokens, and which of it is trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import TYPE_CHECKING

from bench.encode import Encoded, Room, encode
from bench.example import Example
from bench.prompt import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NEARBY = 100
"""Among so many examples, from the first one on, those that are shown are looked for."""


@dataclass(frozen=True)
class Piece:
    """A stretch of an example's text."""

    text: str
    trained: bool
    """Whether the loss is computed on it. In validation: whether it is the reference, which the model does not see."""
    n_tokens: int


@dataclass(frozen=True)
class Rendered:
    """An example as the model reads it, with its special tokens."""

    split: str
    id: str
    pieces: tuple[Piece, ...]
    shortened: bool
    """Whether its context lost its end to fit."""


def rendered(
    split: str, examples: Sequence[Example], n: int, prompt: Prompt, tokenizer: "PreTrainedTokenizerBase", room: Room
) -> list[Rendered]:
    """The first `n` of the examples that fit, by the code that training uses; the last of them is a shortened one if
    there is one nearby.

    Raises:
        InputError: the tokenizer cannot render the prompt.
    """
    shown: list[Rendered] = []
    for example in examples[:NEARBY]:
        encoded, counts = encode([example], prompt, tokenizer, room)
        shown += [
            Rendered(split, item.example.id, _pieces(item, tokenizer), counts.n_truncated > 0) for item in encoded
        ]
    return [*shown[: n - 1], *sorted(shown[n - 1 :], key=lambda item: not item.shortened)[:1]]


def _pieces(item: Encoded, tokenizer: "PreTrainedTokenizerBase") -> tuple[Piece, ...]:
    learned = (*(item.learned or [False] * len(item.prompt_ids)), *[True] * len(item.completion_ids))
    ids = iter(item.prompt_ids + item.completion_ids)
    stretches = ((trained, list(islice(ids, len(list(same))))) for trained, same in groupby(learned))
    return tuple(Piece(tokenizer.decode(tokens), trained, len(tokens)) for trained, tokens in stretches)
