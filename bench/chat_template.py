"""Chat templates: the one that is shipped, a date that stays, and where a rendered conversation has its answers."""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SIMPLE = Path(__file__).with_name("simple_chat.jinja")
"""Roles and texts in plain words, for tokenizers without a chat template."""

Turn = dict[str, str]
"""`role` and `content`, as chat templates take them."""
Render = Callable[[Sequence[Turn]], str]

_MARK = "\ue000"
"""A character that no text has (it is for private use), and that no template strips as white space."""


class Ending(NamedTuple):
    """What a template puts after an answer, up to the token that ends the turn."""

    text: str
    ids: tuple[int, ...]


def with_fixed_date(chat_template: str, today: str) -> str:
    """The chat template with a macro in place of transformers' `strftime_now`, which reads the clock.

    Passing a function of that name to `apply_chat_template` does not work: transformers turns it into text.
    """
    if "strftime_now" not in chat_template:
        return chat_template
    day = date.fromisoformat(today)
    codes = [f"%{dash}{letter}" for letter in "ABHIMSYabdjmpy" for dash in ("", "-")]
    filled = "".join(f"|replace({code!r}, {day.strftime(code)!r})" for code in codes)
    return f"{{%- macro strftime_now(format) -%}}{{{{ format{filled} }}}}{{%- endmacro -%}}{chat_template}"


def around_answer(render: Render, turns: Sequence[Turn]) -> tuple[str, str]:
    """The text before and after the answer to `turns`, where a conversation has one."""
    before, _, after = render([*turns, {"role": "assistant", "content": _MARK}]).rpartition(_MARK)
    return before, after


def find_ending(render: Render, turns: Sequence[Turn], tokenizer: "PreTrainedTokenizerBase") -> Ending | None:
    """How the answer to `turns` ends; None if the template puts no special token after an answer."""
    _, after = around_answer(render, turns)
    encoded = tokenizer(after, add_special_tokens=False)
    special = {id for id, token in tokenizer.added_tokens_decoder.items() if token.special}
    last = next((at for at, id in enumerate(encoded["input_ids"]) if id in special), None)
    if last is None:
        return None
    return Ending(after[: encoded[0].offsets[last][1]], tuple(encoded["input_ids"][: last + 1]))


def answer_spans(render: Render, turns: Sequence[Turn]) -> list[tuple[int, int]] | None:
    """Where each of the assistant's turns stands in the rendered text: positions of its first character and after it.

    A turn is what changes when its content does, so this needs no markers in the template, and follows those that strip
    or shorten a turn. None if a turn has more effects on the text than standing in it.
    """
    text = render(turns)
    spans = []
    for at, turn in enumerate(turns):
        if turn["role"] != "assistant":
            continue
        before, *after = render([*turns[:at], turn | {"content": _MARK}, *turns[at + 1 :]]).split(_MARK)
        if len(after) != 1 or not (text.startswith(before) and text.endswith(after[0])):
            return None
        span = (len(before), len(text) - len(after[0]))
        if span[0] > span[1]:
            return None
        spans.append(span)
    return spans
