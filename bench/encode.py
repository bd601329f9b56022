"""Examples as token ids. Training and generation use the same ids; what is too long is shortened or cut here."""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from bench.example import Example
from bench.prompt import Prompt
from bench.record_sections import SplitCounts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Encoded(NamedTuple):
    """An example as a model sees it, or a piece of one."""

    example: Example
    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]
    """The first reference and the tokens that end it: what the model learns, and perplexity is computed from."""
    learned: tuple[bool, ...] = ()
    """Which of the prompt's tokens are learned, too: the assistant's earlier turns. Empty if none are."""
    n_shots: int = 0
    """Demonstrations in the prompt."""
    n_end: int = 1
    """Tokens of the completion that end it."""

    @property
    def n_answer_tokens(self) -> int:
        """Tokens of the reference without its end, which generation does not have to reach."""
        return len(self.completion_ids) - self.n_end


class Room(NamedTuple):
    """How long a sequence may be, in tokens."""

    total: int
    """Prompt and answer together."""
    answer: int
    """The least room for an answer, even if the reference is shorter; 0 in training."""


def encode(
    examples: Sequence[Example],
    prompt: Prompt,
    tokenizer: "PreTrainedTokenizerBase",
    room: Room,
    demonstrations: Sequence[Example] = (),
) -> tuple[list[Encoded], SplitCounts]:
    """Encode a split. What does not fit loses demonstrations, then the end of its context or its oldest turns.

    An answer is never cut, and without a prompt nothing is lost: a long text becomes several pieces.

    Returns the examples that fit, in their order, and how many were read, shortened and dropped.

    Raises:
        InputError: the prompt cannot be rendered, or the assistant's turns in it cannot be told apart.
    """
    end = prompt.ending(tokenizer)
    encoded: list[Encoded] = []
    n_dropped = n_truncated = 0
    for item in _whole(examples, prompt, tokenizer, demonstrations):
        whole = item._replace(completion_ids=item.completion_ids + end, n_end=len(end))
        if not prompt.asks:
            encoded += _pieces(whole, tokenizer.bos_token_id, room.total)
            continue
        limit = room.total - max(len(whole.completion_ids), room.answer)
        fitting = _fitting(whole, prompt, tokenizer, limit, demonstrations)
        if fitting is None:
            n_dropped += 1
            continue
        shortened, short = fitting
        n_truncated += shortened
        encoded.append(short._replace(example=whole.example, completion_ids=whole.completion_ids, n_end=len(end)))
    return encoded, SplitCounts(n_read=len(examples), n_dropped=n_dropped, n_truncated=n_truncated)


def batched_by_length(encoded: Sequence[Encoded], size: int) -> Iterator[list[int]]:
    """Positions in `encoded` in batches of similar length, longest first, so that memory runs out early or never."""
    order = sorted(range(len(encoded)), key=lambda at: -len(encoded[at].prompt_ids) - len(encoded[at].completion_ids))
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _whole(
    examples: Sequence[Example],
    prompt: Prompt,
    tokenizer: "PreTrainedTokenizerBase",
    demonstrations: Sequence[Example] = (),
) -> Iterator[Encoded]:
    """The examples at full length, without the ends of their answers.

    Prompt and answer are tokenised as one text, which is then split.
    """
    if not examples:
        # Tokenizers fail on an empty list.
        return
    prompts = [prompt.render(example, example.context, tokenizer, demonstrations) for example in examples]
    joined = tokenizer(
        [before + prompt.completion(example.references[0]) for before, example in zip(prompts, examples, strict=True)],
        add_special_tokens=not prompt.brings_special_tokens,
        verbose=False,  # It would warn of texts that are too long, which are shortened afterwards
    )
    for at, (example, before, ids) in enumerate(zip(examples, prompts, joined["input_ids"], strict=True)):
        if ids and ids[-1] == tokenizer.eos_token_id:
            # The tokenizer ends every text with it; the answer gets its own end.
            ids = ids[:-1]
        # A token that spans both texts belongs to the completion: in the prompt it would give the answer away. Ends are
        # compared because some tokenizers, such as Pythia's, leave the blank before a word out of its offsets.
        ends = [end for _, end in joined[at].offsets[: len(ids)]]
        seam = next((token for token, end in enumerate(ends) if end > len(before)), len(ids))
        spans = [] if demonstrations else prompt.earlier_answers(example, tokenizer)
        learned = tuple(any(first < end <= last for first, last in spans) for end in ends[:seam]) if spans else ()
        yield Encoded(example, tuple(ids[:seam]), tuple(ids[seam:]), learned, len(demonstrations))


def _fitting(
    whole: Encoded,
    prompt: Prompt,
    tokenizer: "PreTrainedTokenizerBase",
    limit: int,
    demonstrations: Sequence[Example],
) -> tuple[bool, Encoded] | None:
    """The example with a prompt of at most `limit` tokens, and whether its own text was shortened for that.

    None if not even the shortest prompt fits.
    """
    if len(whole.prompt_ids) <= limit:
        return False, whole
    if (fewer := _with_fewer_shots(whole.example, prompt, tokenizer, limit, demonstrations)) is not None:
        return False, fewer
    shorter = _with_fewer_turns(whole.example, prompt, tokenizer, limit)
    if shorter is None and whole.example.context:
        shorter = _with_less_context(whole.example, prompt, tokenizer, limit)
    return shorter and (True, shorter)


def _with_fewer_shots(
    example: Example,
    prompt: Prompt,
    tokenizer: "PreTrainedTokenizerBase",
    limit: int,
    demonstrations: Sequence[Example],
) -> Encoded | None:
    """The example after as many of the first demonstrations as fit, but not all; None if not even none does."""

    def after(n_shots: int) -> Encoded:
        (item,) = _whole([example], prompt, tokenizer, demonstrations[:n_shots])
        return item

    # Hundreds of demonstrations would be rendered hundreds of times if they were left out one by one.
    shots = range(len(demonstrations))
    n_too_many = bisect_left(shots, True, key=lambda n_shots: len(after(n_shots).prompt_ids) > limit)
    return after(n_too_many - 1) if n_too_many else None


def _with_fewer_turns(
    example: Example, prompt: Prompt, tokenizer: "PreTrainedTokenizerBase", limit: int
) -> Encoded | None:
    """The conversation without as many of its oldest turns as it takes to fit; None if it never does."""
    shorter = example.without_oldest_turns()
    while shorter is not None:
        (item,) = _whole([shorter], prompt, tokenizer)
        if len(item.prompt_ids) <= limit:
            return item
        shorter = shorter.without_oldest_turns()
    return None


def _with_less_context(
    example: Example, prompt: Prompt, tokenizer: "PreTrainedTokenizerBase", limit: int
) -> Encoded | None:
    """The example with as much of the beginning of its context as fits; None if not even an empty one does."""

    def with_context(end: int) -> Encoded:
        (item,) = _whole([example.model_copy(update={"context": example.context[:end]})], prompt, tokenizer)
        return item

    context_ids = tokenizer(example.context, return_offsets_mapping=True, add_special_tokens=False)
    ends = [end for _, end in context_ids["offset_mapping"]]
    kept = len(ends) - (len(with_context(len(example.context)).prompt_ids) - limit)
    # Tokens at the cut can merge or split with the text around them, so the first try may be a few too long.
    while kept > 0:
        item = with_context(ends[kept - 1])
        if len(item.prompt_ids) <= limit:
            return item
        kept -= len(item.prompt_ids) - limit
    item = with_context(0)
    return item if len(item.prompt_ids) <= limit else None


def _pieces(whole: Encoded, bos: int | None, size: int) -> Iterator[Encoded]:
    """A text in pieces of at most `size` tokens, as long as one another.

    The first token of a piece is only context: the beginning of sequence, for tokenizers that have one. No other token
    is repeated, and none is lost.
    """
    head = whole.prompt_ids or (() if bos is None else (bos,))
    n_pieces = math.ceil(len(whole.completion_ids) / (size - len(head)))
    cuts = [len(whole.completion_ids) * piece // n_pieces for piece in range(n_pieces + 1)]
    for start, end in pairwise(cuts):
        ids = head + whole.completion_ids[start:end]
        n_context = max(len(head), 1)
        yield whole._replace(prompt_ids=ids[:n_context], completion_ids=ids[n_context:])
