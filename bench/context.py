"""Whether the lengths that a cell asks for fit into the sequences that its model takes."""

from bench.cell import Cell
from bench.errors import InputError

RAISE = "raise prompt.max_length"


def room(cell: Cell, context_length: int | None) -> int:
    """The most tokens that prompt and answer may have together: `prompt.max_length`, or what the model takes if less.

    Args:
        cell: what asks for the lengths.
        context_length: the longest sequence that the model and its tokenizer take, in tokens; None without a limit.

    Raises:
        InputError: nothing would be left for a prompt.
    """
    left = _left(cell, context_length)
    if left is None:
        return cell.prompt.max_length
    for setting, n_tokens in (
        ("generation.max_new_tokens", cell.generation.max_new_tokens),
        ("latency.output_tokens", cell.latency.output_tokens),
    ):
        if n_tokens >= left:
            raise InputError(
                f"{setting}: {n_tokens} leave no room for a prompt, since {_takes(cell, context_length)}; lower it"
            )
    return min(cell.prompt.max_length, left)


def warning(cell: Cell, context_length: int | None) -> str | None:
    """One sentence if examples are shortened to less than `prompt.max_length`, otherwise None."""
    longest = room(cell, context_length)
    if longest == cell.prompt.max_length:
        return None
    return (
        f"{_takes(cell, context_length)}: examples are shortened to {longest} tokens, not to "
        f"prompt.max_length={cell.prompt.max_length}"
    )


def remedy(cell: Cell, context_length: int | None) -> str:
    """What lets longer examples in: a higher `prompt.max_length`, unless the model takes no more than that."""
    left = _left(cell, context_length)
    if left is None or left > cell.prompt.max_length:
        return RAISE
    return f"choose a model with a longer context ({_takes(cell, context_length)})"


def require_examples(cell: Cell, context_length: int | None, split: str, n_examples: int) -> None:
    """Raises InputError if no example of `split` fits into the model's context."""
    if n_examples:
        return
    longest, left = room(cell, context_length), _left(cell, context_length)
    fits = f"No {split} example fits into {longest} tokens, even with an empty context."
    if left is None or left > cell.prompt.max_length:
        takes = "" if context_length is None else f" (this model takes {context_length} tokens)"
        raise InputError(f"{fits} Raise prompt.max_length{takes} or choose a shorter prompt.")
    raise InputError(
        f"{fits} More are not possible, since {_takes(cell, context_length)}: lower generation.max_new_tokens, or "
        "choose a shorter prompt or another model."
    )


def require_room_for_latency(cell: Cell, context_length: int | None, longest_prompt: int) -> None:
    """Raises InputError if the tokens of a latency run do not fit behind a prompt of `longest_prompt` tokens."""
    left = _left(cell, context_length)
    if left is not None and longest_prompt + cell.latency.output_tokens > left:
        raise InputError(
            f"latency.output_tokens: must be at most {left - longest_prompt}, got {cell.latency.output_tokens}: "
            f"{_takes(cell, context_length)}, and the longest prompt has {longest_prompt}. Lower it, or "
            "prompt.max_length."
        )


def _left(cell: Cell, context_length: int | None) -> int | None:
    return None if context_length is None else context_length - cell.method.virtual_tokens


def _takes(cell: Cell, context_length: int | None) -> str:
    virtual = cell.method.virtual_tokens
    used = f", {virtual} of them virtual tokens of {cell.method.name}" if virtual else ""
    return f"{cell.model.name} takes {context_length} tokens{used}"
