"""How long examples are in tokens, and what the limits of a cell do to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from bench.encode import Encoded, Room, encode
from bench.example import Example, evenly
from bench.prompt import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MEASURED = 2_000
"""At most so many examples of a split are tokenised, spread evenly over it: enough for percentages, and quick."""
COVERED = 0.99
"""The share of answers that a suggested limit leaves whole."""
_UNLIMITED = Room(total=2**31, answer=0)


@dataclass(frozen=True)
class Distribution:
    """Of numbers of tokens."""

    smallest: int
    median: int
    p95: int
    p99: int
    largest: int

    @classmethod
    def of(cls, counts: Sequence[int]) -> Self:
        """Of at least one number. Every quantile is one of the numbers: at least that share is not larger."""
        return cls(*(int(np.quantile(counts, share, method="inverted_cdf")) for share in (0, 0.5, 0.95, COVERED, 1)))


@dataclass(frozen=True)
class SplitLengths:
    """The lengths of a split's examples in tokens, and how many of them the limits change."""

    n_measured: int
    n_sequences: int
    """What is made of them: the examples that fit, and of texts without questions the pieces."""
    n_fewer_shots: int
    """Examples that fit only with fewer demonstrations than asked for."""
    prompt: Distribution
    answer: Distribution
    """Without the end of sequence."""
    both: Distribution
    n_shortened: int
    """Examples whose context loses its end, so that the rest fits."""
    n_dropped: int
    """Examples that are too long even with an empty context."""
    n_answers_too_long: int
    """Examples whose answer has more tokens than are generated."""


def measure(
    examples: Sequence[Example],
    prompt: Prompt,
    tokenizer: "PreTrainedTokenizerBase",
    room: Room,
    max_new_tokens: int,
    demonstrations: Sequence[Example] = (),
) -> SplitLengths:
    """Lengths as the prompt and the tokenizer make them, before anything is shortened to fit into `room`.

    Raises:
        InputError: the tokenizer cannot render the prompt.
    """
    whole, _ = encode(evenly(examples, MEASURED), prompt, tokenizer, _UNLIMITED, demonstrations)
    too_long = [item.example for item in whole if not _fits(item, room)]
    fitted, counts = encode(too_long, prompt, tokenizer, room, demonstrations) if too_long else ([], None)
    answers = [item.n_answer_tokens for item in whole]
    return SplitLengths(
        n_measured=len(whole),
        n_sequences=len(whole) - len(too_long) + len(fitted),
        n_fewer_shots=sum(item.n_shots < len(demonstrations) for item in fitted),
        prompt=Distribution.of([len(item.prompt_ids) for item in whole]),
        answer=Distribution.of(answers),
        both=Distribution.of([len(item.prompt_ids) + tokens for item, tokens in zip(whole, answers, strict=True)]),
        n_shortened=counts.n_truncated if counts else 0,
        n_dropped=counts.n_dropped if counts else 0,
        n_answers_too_long=sum(prompt.asks and tokens > max_new_tokens for tokens in answers),
    )


def _fits(item: Encoded, room: Room) -> bool:
    return len(item.prompt_ids) + max(len(item.completion_ids), room.answer) <= room.total
