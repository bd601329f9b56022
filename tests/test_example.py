import hashlib

import pytest
from pydantic import ValidationError

from bench.example import Example, Message, fingerprint

ONE = Example(id="1", cluster="c", question="Who?", context="Ünal.", references=("Ünal", "he"))
TWO = Example(id="2", cluster="c", question="When?", references=("",))

ASKED = Message(role="user", content="Who?")


def test_fingerprint_is_sha256_over_one_json_line_per_example() -> None:
    lines = (
        '{"id":"1","cluster":"c","question":"Who?","context":"Ünal.","references":["Ünal","he"]}\n'
        '{"id":"2","cluster":"c","question":"When?","context":"","references":[""]}\n'
    )
    assert fingerprint([ONE, TWO]) == hashlib.sha256(lines.encode()).hexdigest()
    assert fingerprint([]) == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        {"id": "3"},
        {"cluster": "d"},
        {"question": "Who"},
        {"context": ""},
        {"references": ("he", "Ünal")},
        {"messages": (ASKED,)},
    ],
)
def test_fingerprint_sees_every_field(change: dict[str, object]) -> None:
    assert fingerprint([ONE.model_copy(update=change)]) != fingerprint([ONE])


def test_fingerprint_sees_the_order() -> None:
    assert fingerprint([ONE, TWO]) != fingerprint([TWO, ONE])


@pytest.mark.parametrize("field", ["id", "cluster", "question", "references"])
def test_what_an_example_cannot_be_without(field: str) -> None:
    content = ONE.model_dump() | {field: () if field == "references" else ""}
    with pytest.raises(ValidationError) as caught:
        Example.model_validate(content)
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]


def test_a_message_says_something() -> None:
    with pytest.raises(ValidationError) as caught:
        Message.model_validate({"role": "narrator", "content": ""})
    assert [error["loc"] for error in caught.value.errors()] == [("role",), ("content",)]


def test_a_conversation_is_read_back_as_it_was_written() -> None:
    conversation = ONE.model_copy(update={"messages": (ASKED,)})
    assert Example.model_validate_json(conversation.model_dump_json()) == conversation
    assert "messages" not in ONE.model_dump()


@pytest.mark.parametrize("change", [{"question": "\ud800"}, {"context": "\ud800"}, {"references": ("\ud800",)}])
def test_half_a_character_is_no_text(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Example.model_validate(ONE.model_dump() | change)


def test_the_oldest_turns_go_first_and_the_system_message_stays() -> None:
    turns = [("system", "Be brief."), ("assistant", "Hi."), ("user", "1"), ("assistant", "2"), ("user", "3")]
    messages = tuple(Message.model_validate({"role": role, "content": text}) for role, text in turns)
    shorter = ONE.model_copy(update={"messages": messages}).without_oldest_turns()
    assert shorter == ONE.model_copy(update={"messages": (messages[0], messages[4])})
    assert shorter is not None
    assert shorter.without_oldest_turns() is None
    assert ONE.without_oldest_turns() is None
