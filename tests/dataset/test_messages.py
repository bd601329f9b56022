import json
from pathlib import Path
from typing import Any

import pytest

from bench.dataset import Dataset
from bench.dataset.messages import Messages
from bench.dataset.overlap import require_disjoint
from bench.errors import InputError
from bench.example import Example, Message, Splits, Step
from tests.shipped import shipped

SETTINGS = shipped("dataset", "messages")
ROLES = "system, developer, user, human, assistant, gpt, tool, function, observation"

HI = {"role": "user", "content": "Hi"}
HELLO = {"role": "assistant", "content": "Hello"}


def loaded(records: list[dict[str, Any]], **changes: Any) -> Splits:
    Path("a.jsonl").write_text("\n".join(map(json.dumps, records)))
    return Dataset.model_validate(
        SETTINGS | {"tune_fraction": 0} | {"train": "a.jsonl", "test": "a.jsonl"} | changes
    ).load()


def example(record: dict[str, Any], **changes: Any) -> Example:
    (read,) = loaded([record], **changes).train
    return read


def test_configuration_lists_every_field() -> None:
    assert isinstance(Dataset.model_validate(SETTINGS), Messages)
    assert set(SETTINGS) == {"_target_", *Messages.model_fields}


def test_a_conversation_is_scored_on_its_last_answer() -> None:
    talk = example(
        {"messages": [{"role": "system", "content": "Be kind."}, HI, HELLO, {**HI, "content": "Bye"}, HELLO]}
    )
    assert talk.messages == (
        Message(role="system", content="Be kind."),
        Message(role="user", content="Hi"),
        Message(role="assistant", content="Hello"),
        Message(role="user", content="Bye"),
    )
    assert (talk.question, talk.context, talk.references) == ("Bye", "", ("Hello",))
    assert talk.cluster == talk.id


@pytest.mark.parametrize(
    "record",
    [
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
        {"messages": [HI | {"content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]}, HELLO]},
        {"messages": [HI, HELLO, {"role": "user", "content": "Thanks"}]},
        {"messages": [{**HI, "name": "Ann"}, {**HELLO, "tool_calls": None}], "source": "web"},
    ],
    ids=["ShareGPT", "parts", "after the last answer", "other keys"],
)
def test_the_same_conversation_in_other_words(record: dict[str, Any]) -> None:
    assert example(record) == example({"messages": [HI, HELLO]})


def test_tools_answer_as_messages() -> None:
    turns = (("human", "Hi"), ("function", "3"), ("gpt", "So."))
    talk = example({"conversations": [{"from": role, "value": text} for role, text in turns]})
    assert [message.role for message in talk.messages] == ["user", "tool"]


def test_documents_and_ids_from_columns() -> None:
    record = {"messages": [HI, HELLO], "key": 7, "page": "Greetings"}
    read = example(record, id_column="key", cluster_column="page")
    assert (read.id, read.cluster) == ("7", "Greetings")


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            {"turns": []},
            "no column 'messages' or 'conversations'; name one of the columns 'turns' with dataset.messages_column",
        ),
        ({"messages": []}, 'expected a list of messages such as {"role": "user", "content": "Hi"}, got an empty list'),
        ({"messages": "Hi"}, 'expected a list of messages such as {"role": "user", "content": "Hi"}, got str'),
        ({"messages": [HI, "Hello"]}, "message 2 must have 'role' and 'content', or 'from' and 'value', got str"),
        (
            {"messages": [{"speaker": "Ann", "text": "Hi"}]},
            "message 1 must have 'role' and 'content', or 'from' and 'value', got 'speaker', 'text'",
        ),
        (
            {"messages": [HI, {"role": "bot", "content": "x"}]},
            f"message 2 has the role 'bot'; it must be one of {ROLES}",
        ),
        (
            {"messages": [HI, {"role": "assistant", "content": " "}]},
            "message 2 (assistant) is empty; every message needs text, since text is all that is learned",
        ),
        (
            {"messages": [{"from": "human"}, HELLO]},
            "message 1 (human) is empty; every message needs text, since text is all that is learned",
        ),
        (
            {"messages": [HI, {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]},
            "message 2 (assistant) calls a tool without any text; every message needs text, since text is all that is "
            "learned",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}, HELLO]},
            "message 1 holds 'image_url'; its content must be a text or a list of parts of the type 'text'",
        ),
        (
            {"messages": [{"role": "user", "content": 3}, HELLO]},
            "message 1 holds 3; its content must be a text or a list of parts of the type 'text'",
        ),
        ({"messages": [HI]}, "no message of the assistant; a conversation needs an answer to learn"),
        (
            {"messages": [{"role": "system", "content": "Greet."}, HELLO, HI]},
            "no message of the user before the assistant's last one; an answer needs a question",
        ),
        (
            {"messages": [HI, {"role": "assistant", "content": "\ud800"}]},
            "references[0]: Input should be a valid string, unable to parse raw data as a unicode string",
        ),
    ],
)
def test_broken_conversations(record: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError) as caught:
        loaded([{"messages": [HI, HELLO]}, record])
    assert str(caught.value) == f"a.jsonl:2: {expected}"


def test_broken_conversations_are_dropped_and_counted_if_asked() -> None:
    splits = loaded([{"messages": [HI, HELLO]}, {"messages": [HI]}, {"messages": []}], broken="drop")
    assert len(splits.train) == 1
    assert splits.steps[0] == Step(
        name="broken conversation", split="train", n_dropped=2, samples=("a.jsonl:2", "a.jsonl:3")
    )


def test_conversations_are_held_out_whole() -> None:
    records = [
        {"messages": [{**HI, "content": f"Hi {at}"}, HELLO, {**HI, "content": "Thanks"}, HELLO]} for at in range(40)
    ]
    splits = loaded(records, test=None)
    assert len(splits.train) + len(splits.test) == 40
    assert require_disjoint(splits).n_shared_texts == 0
