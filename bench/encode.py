"""Examples as token ids. Training and generation use the same ids; a context that is too long is shortened here."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from bench.example import Example
from bench.prompt import Prompt
from bench.record import SplitCounts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Encoded(NamedTuple):
    """An example as a model sees it."""

    example: Example
    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]
    """The first reference and an end-of-sequence token: what the model learns, and perplexity is computed from."""


class Room(NamedTuple):
    """How long a sequence may be, in tokens."""

    total: int
    """Prompt and answer together."""
    answer: int
    """The least room for an answer, even if the reference is shorter; 0 in training."""


def encode(
    examples: Sequence[Example], prompt: Prompt, tokenizer: "PreTrainedTokenizerBase", room: Room
) -> tuple[list[Encoded], SplitCounts]:
    """Encode a split. If prompt and answer do not fit, the context loses its end; an answer is never cut.

    Returns the examples that fit, in their order, and how many were read, shortened and dropped.
    """
    prompts = [prompt.render(example, example.context, tokenizer) for example in examples]
    pairs = [(text, prompt.completion(example.references[0])) for text, example in zip(prompts, examples, strict=True)]
    encoded: list[Encoded] = []
    n_truncated = 0
    split = _ids(pairs, prompt, tokenizer)
    for example, (_, after), (prompt_ids, completion_ids) in zip(examples, pairs, split, strict=True):
        limit = room.total - max(len(completion_ids), room.answer)
        if len(prompt_ids) > limit:
            shorter = _shortened(example, after, prompt, tokenizer, limit, excess=len(prompt_ids) - limit)
            if shorter is None:
                continue
            prompt_ids = shorter
            n_truncated += 1
        encoded.append(Encoded(example, tuple(prompt_ids), tuple(completion_ids)))
    counts = SplitCounts(n_read=len(examples), n_dropped=len(examples) - len(encoded), n_truncated=n_truncated)
    return encoded, counts


def batched_by_length(encoded: Sequence[Encoded], size: int) -> Iterator[list[int]]:
    """Positions in `encoded` in batches of similar length, longest first, so that memory runs out early or never."""
    order = sorted(range(len(encoded)), key=lambda at: -len(encoded[at].prompt_ids) - len(encoded[at].completion_ids))
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _ids(
    pairs: Sequence[tuple[str, str]], prompt: Prompt, tokenizer: "PreTrainedTokenizerBase"
) -> list[tuple[list[int], list[int]]]:
    """Prompt and completion ids of every pair of texts. Each pair is tokenised as one text and then split."""
    eos = tokenizer.eos_token_id
    joined = tokenizer(
        [before + after for before, after in pairs],
        add_special_tokens=not prompt.brings_special_tokens,
    )
    split: list[tuple[list[int], list[int]]] = []
    for at, ((before, _), ids) in enumerate(zip(pairs, joined["input_ids"], strict=True)):
        if ids and ids[-1] == eos:
            # The tokenizer ends every text with it; the completion gets its own below.
            ids = ids[:-1]
        # A token that spans both texts belongs to the completion: in the prompt it would give the answer away. Ends are
        # compared because some tokenizers, such as Pythia's, leave the blank before a word out of its offsets.
        ends = (end for _, end in joined[at].offsets)
        seam = next((token for token, end in enumerate(ends) if end > len(before)), len(ids))
        split.append((ids[:seam], [*ids[seam:], eos]))
    return split


def _shortened(
    example: Example, after: str, prompt: Prompt, tokenizer: "PreTrainedTokenizerBase", limit: int, excess: int
) -> list[int] | None:
    """The ids of the prompt before `after`, with as much of the beginning of its context as fits into `limit` tokens.

    The prompt with the whole context has `excess` tokens more. None if not even an empty context fits.
    """
    context_ids = tokenizer(example.context, return_offsets_mapping=True, add_special_tokens=False)
    ends = [end for _, end in context_ids["offset_mapping"]]
    kept = len(ends) - excess
    # Tokens at the cut can merge or split with the text around them, so the first try may be a few too long.
    while kept > 0:
        context = example.context[: ends[kept - 1]]
        ((ids, _),) = _ids([(prompt.render(example, context, tokenizer), after)], prompt, tokenizer)
        if len(ids) <= limit:
            return ids
        kept -= len(ids) - limit
    ((ids, _),) = _ids([(prompt.render(example, "", tokenizer), after)], prompt, tokenizer)
    return ids if len(ids) <= limit and example.context else None
