"""The columns of a table: what they hold, and which of them are likely the question, the context and the answer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median_high
from typing import Any

Record = dict[str, Any]

KINDS = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    list: "list",
    dict: "object",
}
"""How the types of values are called."""
QUESTIONS = (
    *("question", "instruction", "prompt", "query", "problem", "user", "input", "source"),
    *("sentence", "review", "text", "content", "body"),
)
ANSWERS = ("answer", "output", "response", "completion", "reply", "target", "label", "solution", "summary", "assistant")
CONTEXTS = ("context", "input", "passage", "document", "article", "paragraph", "background")
DOCUMENTS = ("document", "doc", "article", "source", "title", "url", "page", "group")
CONVERSATIONS = ("messages", "conversations", "conversation", "dialogue")
TEXTS = ("text", "content", "body")
"""Usual names of columns, the likeliest first."""
SHORTEST_CONTEXT = 60
"""Characters that at least half of a column's values have if they are texts to take answers from."""


@dataclass(frozen=True)
class Column:
    """A column of a table, described by the records that were read."""

    name: str
    kind: str
    """The type of its values in words; several are joined by "or"."""
    empty_share: float
    """Of the records, the share without a value: None, blank, an empty list, or no such key."""
    sample: str
    """The first value that is not empty; the empty string if there is none."""
    median_characters: int
    """Of the values that are not empty; 0 if there is none."""
    repeats: bool
    """Whether a value occurs more than once."""


def columns_of(records: Sequence[Record]) -> tuple[Column, ...]:
    """A description of every column that occurs in `records`, in order of appearance."""
    names = dict.fromkeys(name for record in records for name in record)
    return tuple(_column(name, [record.get(name) for record in records]) for name in names)


def _column(name: str, values: Sequence[Any]) -> Column:
    filled = [value for value in values if not _is_empty(value)]
    kinds = dict.fromkeys(_kind(value) for value in filled)
    texts = [str(value) for value in filled]
    return Column(
        name=name,
        kind=" or ".join(kinds) or "nothing",
        empty_share=1 - len(filled) / len(values),
        sample=texts[0] if texts else "",
        median_characters=median_high(map(len, texts)) if texts else 0,
        repeats=len(set(texts)) < len(texts),
    )


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], {})


def _kind(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return f"list of {{{', '.join(map(str, value[0]))}}}"
    return KINDS.get(type(value), type(value).__name__)


def likely_settings(columns: Iterable[Column]) -> list[str]:
    """The overrides that likely fit a table with these columns, such as `dataset=records`; empty if none are likely."""
    columns = tuple(columns)
    if talks := [column.name for column in columns if column.name.lower() in CONVERSATIONS]:
        return ["dataset=messages", "prompt=chat", f"dataset.messages_column={talks[0]}"]
    texts = [column for column in columns if column.kind.startswith(("text", "whole number"))]
    answer = _named(ANSWERS, texts)
    question = _named(QUESTIONS, [column for column in texts if column != answer])
    if question and answer:
        others = [column for column in texts if column not in (question, answer)]
        context = _named(CONTEXTS, [column for column in others if column.median_characters >= SHORTEST_CONTEXT])
        document = _named(DOCUMENTS, [column for column in others if column != context and column.repeats])
        return [
            "dataset=records",
            f"dataset.instruction_column={question.name}",
            f"dataset.input_column={context.name if context else 'null'}",
            f"dataset.output_column={answer.name}",
            *([f"dataset.cluster_column={document.name}"] if document else []),
        ]
    if text := _named(TEXTS, texts):
        return ["dataset=text", "prompt=plain", f"dataset.text_column={text.name}"]
    return []


def _named(usual: Sequence[str], columns: Sequence[Column]) -> Column | None:
    """The column with the likeliest of the usual names: the whole name first, then as a part, as in `user_question`."""
    for fits in (str.__eq__, str.__contains__):
        for name in usual:
            for column in columns:
                if fits(column.name.lower(), name):
                    return column
    return None
