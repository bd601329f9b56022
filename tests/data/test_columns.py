import pytest

from bench.data.columns import Column, columns_of, likely_settings


def test_columns_say_what_they_hold() -> None:
    records = [
        {"question": "Why?", "n": 3, "tags": ["a"], "turns": [{"role": "user", "content": "Hi"}]},
        {"question": " ", "n": 2.5, "tags": [], "late": "x"},
        {"question": None, "n": 3, "tags": ["b"]},
        {"question": "Where?", "n": True, "tags": {}},
    ]
    assert columns_of(records) == (
        Column("question", "text", 0.5, "Why?", 6, repeats=False),
        Column("n", "whole number or number or true or false", 0.0, "3", 3, repeats=True),
        Column("tags", "list", 0.5, "['a']", 5, repeats=False),
        Column("turns", "list of {role, content}", 0.75, "[{'role': 'user', 'content': 'Hi'}]", 35, repeats=False),
        Column("late", "text", 0.75, "x", 1, repeats=False),
    )
    assert columns_of([{"empty": ""}]) == (Column("empty", "nothing", 1.0, "", 0, repeats=False),)


LONG = "A report about an exercise at sea, in which four ships took part and which lasted for two days."


@pytest.mark.parametrize(
    ("record", "settings"),
    [
        pytest.param(
            {"id": "1", "Question": "Why?", "Answer": "So."},
            ["dataset.instruction_column=Question", "dataset.input_column=null", "dataset.output_column=Answer"],
            id="other case",
        ),
        pytest.param(
            {"instruction": "Shorten this.", "input": LONG, "output": "Ships."},
            ["dataset.instruction_column=instruction", "dataset.input_column=input", "dataset.output_column=output"],
            id="as Alpaca",
        ),
        pytest.param(
            {"context": LONG, "user_question": "Who?", "gold_answer": "Four ships"},
            [
                "dataset.instruction_column=user_question",
                "dataset.input_column=context",
                "dataset.output_column=gold_answer",
            ],
            id="as a part of the name",
        ),
        pytest.param(
            {"prompt": "Say hello", "completion": "Hello", "input": "short"},
            ["dataset.instruction_column=prompt", "dataset.input_column=null", "dataset.output_column=completion"],
            id="short texts are no contexts",
        ),
    ],
)
def test_usual_names_are_recognised(record: dict[str, str], settings: list[str]) -> None:
    assert likely_settings(columns_of([record])) == ["dataset=records", *settings]


def test_a_column_of_documents_has_values_that_repeat() -> None:
    records = [
        {"question": "Why?", "answer": "So.", "document": "page 1"},
        {"question": "Who?", "answer": "She.", "document": "page 1"},
    ]
    assert likely_settings(columns_of(records))[-1] == "dataset.cluster_column=document"
    assert likely_settings(columns_of(records[:1]))[-1] == "dataset.output_column=answer"


@pytest.mark.parametrize(
    ("record", "settings"),
    [
        (
            {"id": "1", "conversations": [{"from": "human", "value": "Hi"}]},
            ["dataset=messages", "prompt=chat", "dataset.messages_column=conversations"],
        ),
        ({"title": "A", "body": LONG}, ["dataset=text", "prompt=plain", "dataset.text_column=body"]),
        (
            {"text": "Fine weather", "label": "calm"},
            [
                "dataset=records",
                "dataset.instruction_column=text",
                "dataset.input_column=null",
                "dataset.output_column=label",
            ],
        ),
    ],
    ids=["conversations", "texts", "labelled texts"],
)
def test_conversations_and_texts_are_recognised(record: dict[str, object], settings: list[str]) -> None:
    assert likely_settings(columns_of([record])) == settings


def test_nothing_is_likely_of_unusual_names() -> None:
    assert likely_settings(columns_of([{"a": "x", "b": "y"}])) == []
