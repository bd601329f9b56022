"""Conversations in the records of a table: OpenAI's `messages` (role, content), or `conversations` (from, value)."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from bench.dataset.files import Record, validated
from bench.dataset.table import Table, content_id
from bench.errors import InputError
from bench.example import Example
from bench.settings import Strings

Name = Annotated[str, Field(min_length=1)]

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}
"""What roles are called in data, and in `Message`."""
_KEYS = (("role", "content"), ("from", "value"))


class Messages(Table):
    """Conversations, which are scored on the assistant's last turn and trained on all of them.

    What comes after that turn is not used.
    """

    unusable: ClassVar[str] = "broken conversation"

    messages_column: Name | Strings
    """The column with the list of messages; of several, the first one that a record has."""
    broken: Literal["refuse", "drop"]
    """What to do with conversations that cannot be used: stop and say what is wrong, or leave them out."""
    cluster_column: Name | Strings | None
    """The column that names the document a conversation is about; of several, the first one that a record has. None if
    every conversation is a document of its own."""

    def _example(self, record: Record, at: str) -> Example | None:
        given = record[str(self._column(record, "messages_column", at))]
        cluster = self._filled(record, "cluster_column", at) if self.cluster_column else None
        id = self._filled(record, "id_column", at) if self.id_column else None
        try:
            *messages, last = _used(_turns(given, at), at)
        except InputError:
            if self.broken == "drop":
                return None
            raise
        own_id = content_id(*(text for message in (*messages, last) for text in message.values()))
        example = {
            "id": id or own_id,
            "cluster": cluster or own_id,
            "question": next(message["content"] for message in reversed(messages) if message["role"] == "user"),
            "references": (last["content"],),
            "messages": tuple(messages),
        }
        return validated(Example, example, at)


def _turns(given: Any, at: str) -> list[dict[str, str]]:
    """Every message with `role` and `content` as `Message` has them."""
    if not isinstance(given, list) or not given:
        kind = "an empty list" if isinstance(given, list) else type(given).__name__
        raise InputError(f'{at}: expected a list of messages such as {{"role": "user", "content": "Hi"}}, got {kind}')
    return [_turn(message, f"{at}: message {number}") for number, message in enumerate(given, start=1)]


def _turn(message: Any, at: str) -> dict[str, str]:
    keys = next((keys for keys in _KEYS if isinstance(message, dict) and keys[0] in message), None)
    if keys is None:
        given = ", ".join(map(repr, message)) if isinstance(message, dict) else type(message).__name__
        raise InputError(f"{at} must have 'role' and 'content', or 'from' and 'value', got {given}")
    role, content = (message.get(key) for key in keys)
    if role not in ROLES:
        raise InputError(f"{at} has the role {role!r}; it must be one of {', '.join(ROLES)}")
    text = _content(content, at)
    if not text.strip():
        reason = "calls a tool without any text" if message.get("tool_calls") else "is empty"
        raise InputError(f"{at} ({role}) {reason}; every message needs text, since text is all that is learned")
    return {"role": ROLES[role], "content": text}


def _content(content: Any, at: str) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    for part in parts:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            given = part.get("type", part) if isinstance(part, dict) else part
            raise InputError(f"{at} holds {given!r}; its content must be a text or a list of parts of the type 'text'")
    return "".join(part["text"] for part in parts)


def _used(turns: list[dict[str, str]], at: str) -> list[dict[str, str]]:
    """The turns up to the assistant's last one."""
    last = max((number for number, turn in enumerate(turns) if turn["role"] == "assistant"), default=None)
    if last is None:
        raise InputError(f"{at}: no message of the assistant; a conversation needs an answer to learn")
    if all(turn["role"] != "user" for turn in turns[:last]):
        raise InputError(f"{at}: no message of the user before the assistant's last one; an answer needs a question")
    return turns[: last + 1]
