"""Examples as the model reads them: the text of their tokens, and which of it is trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import TYPE_CHECKING

from bench.encode import Encoded, Room, encode
from bench.example import Example, SplitName
from bench.prompt import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NEARBY = 100
"""Among so many examples, from the first one on, those that are shown are looked for."""


@dataclass(frozen=True)
class Piece:
    """A stretch of an example's text."""

    text: str
    marked: bool
    """Whether it is what the model has to say: what is trained, or for test the reference."""
    n_tokens: int


@dataclass(frozen=True)
class Rendered:
    """An example, or a piece of a text, as the model reads it, with its special tokens."""

    split: SplitName
    id: str
    pieces: tuple[Piece, ...]
    shortened: bool
    """Whether its context lost its end, or the conversation its oldest turns, to fit."""


def rendered(
    split: SplitName,
    examples: Sequence[Example],
    n: int,
    prompt: Prompt,
    tokenizer: "PreTrainedTokenizerBase",
    room: Room,
    demonstrations: Sequence[Example] = (),
) -> list[Rendered]:
    """The first `n` of the examples that fit, by the code that training uses; the last of them is a shortened one if
    there is one nearby.

    Raises:
        InputError: the tokenizer cannot render the prompt.
    """
    shown: list[Rendered] = []
    for example in examples[:NEARBY]:
        encoded, counts = encode([example], prompt, tokenizer, room, demonstrations)
        shown += [
            Rendered(split, example.id, _pieces(item, split, tokenizer), counts.n_truncated > 0) for item in encoded[:1]
        ]
        if len(shown) >= n and shown[-1].shortened:
            return [*shown[: n - 1], shown[-1]]
    return shown[:n]


def _pieces(item: Encoded, split: str, tokenizer: "PreTrainedTokenizerBase") -> tuple[Piece, ...]:
    # Earlier answers of a conversation are trained, but for test they only lead to the last one.
    earlier = item.learned if split == "train" and item.learned else [False] * len(item.prompt_ids)
    marks = (*earlier, *[True] * len(item.completion_ids))
    ids = iter(item.prompt_ids + item.completion_ids)
    stretches = ((marked, list(islice(ids, len(list(same))))) for marked, same in groupby(marks))
    return tuple(Piece(tokenizer.decode(tokens), marked, len(tokens)) for marked, tokens in stretches)
