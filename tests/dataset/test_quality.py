import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bench.dataset import Dataset
from bench.dataset.quality import Quality, similarity, word_sequences
from bench.example import Splits, Step
from tests.shipped import shipped

SETTINGS = shipped("dataset", "records")
OFF = SETTINGS["quality"]

Row = tuple[str, str, str]


def write(name: str, rows: list[Row]) -> str:
    records = [dict(zip(("instruction", "input", "output"), row, strict=True)) for row in rows]
    Path(name).write_text("\n".join(map(json.dumps, records)))
    return name


VALIDATION: Row = ("Who sails?", "Nobody.", "nobody")


def load(rows: list[Row], test: list[Row] | None = None, **quality: Any) -> Splits:
    files = {"train": write("train.jsonl", rows), "test": write("test.jsonl", test or [VALIDATION])}
    return Dataset.model_validate(SETTINGS | {"tune_fraction": 0} | files | {"quality": OFF | quality}).load()


def test_configuration_lists_every_field() -> None:
    assert set(OFF) == set(Quality.model_fields)


ROWS: list[Row] = [
    ("Who?", "A ship left.", "a ship"),
    ("Where to?", "It left for the far north.", "the north"),
    ("Which ship?", "The Arvon, of course.", "As an AI language model, I cannot say"),
    ("Why?", "", ""),
]


@pytest.mark.parametrize(
    ("quality", "step", "lines"),
    [
        ({"shortest_answer": 7}, "answer too short", [1]),
        ({"longest_answer": 9}, "answer too long", [3]),
        ({"shortest_question": 5}, "question too short", [1]),
        ({"longest_question": 8}, "question too long", [2, 3]),
        ({"shortest_context": 13}, "context too short", [1]),
        ({"longest_context": 20}, "context too long", [2, 3]),
        ({"drop_answers": ["as an ai .*model"]}, "answer that matches 'as an ai .*model'", [3]),
    ],
)
def test_an_example_that_a_step_leaves_out_is_counted_and_shown(
    quality: dict[str, Any], step: str, lines: list[int]
) -> None:
    rows = [row for row in ROWS if row[2]]
    splits = load(rows, **quality)
    assert [example.question for example in splits.train] == [
        row[0] for number, row in enumerate(rows, start=1) if number not in lines
    ]
    (counted,) = [found for found in splits.steps if found.split == "train"]
    assert (counted.name, counted.n_dropped) == (step, len(lines))
    assert [sample.split(": ")[0] for sample in counted.samples] == [f"train.jsonl:{line}" for line in lines]


def test_an_answer_that_is_empty_on_purpose_is_not_too_short() -> None:
    files = {"train": write("train.jsonl", ROWS), "test": write("test.jsonl", [VALIDATION])}
    quality = OFF | {"shortest_answer": 7}
    splits = Dataset.model_validate(
        SETTINGS | {"tune_fraction": 0} | files | {"quality": quality, "empty_output": "keep"}
    ).load()
    assert "Why?" in [example.question for example in splits.train]


def test_of_equal_examples_the_first_stays() -> None:
    rows = [ROWS[0], ("WHO?", "A  ship left.", "A ship"), ROWS[1], ROWS[0]]
    splits = load(rows, duplicates="drop")
    assert [example.question for example in splits.train] == ["Who?", "Where to?"]
    assert splits.steps == (
        Step(
            name="duplicate",
            split="train",
            n_dropped=2,
            samples=("train.jsonl:2: WHO? → A ship", "train.jsonl:4: Who? → a ship"),
        ),
    )
    assert len(load(rows).train) == 4


LONG = "The coastal brigade sailed from the northern port on Monday with four grey ships and came back on Friday night"


def test_of_similar_examples_the_first_stays() -> None:
    words = LONG.split()
    near = " ".join([*words[:-1], "evening"])
    far = " ".join(reversed(words))
    rows = [("When?", LONG, "Monday"), ("When?", near, "Monday"), ("When?", far, "Monday")]
    splits = load(rows, near_duplicates=0.5)
    assert [example.context for example in splits.train] == [LONG, far]
    assert [(step.name, step.n_dropped) for step in splits.steps] == [("near duplicate", 1)]


def test_other_questions_about_a_text_are_no_duplicates() -> None:
    """The text is most of each example, and the last question is asked twice."""
    rows = [("When?", LONG, "Monday"), ("How many ships?", LONG, "four"), ("How many ships?", f"{LONG} late", "four")]
    splits = load(rows, near_duplicates=0.5)
    assert [example.question for example in splits.train] == ["When?", "How many ships?"]
    assert [step.samples for step in splits.steps] == [
        ("train.jsonl:3: How many ships? → four",),
    ]


def test_a_text_that_is_nearly_in_test_is_left_out_whatever_is_asked() -> None:
    splits = load(
        [("When?", LONG, "Monday"), ROWS[0]],
        test=[("How many ships?", f"{LONG} late", "four"), ("Of what colour?", f"{LONG} late", "grey")],
        near_duplicates=0.5,
    )
    assert ([example.question for example in splits.train], len(splits.test)) == (["Who?"], 2)


def test_hardly_any_similar_example_is_missed() -> None:
    """Question and answer have 53 words and so 49 sequences of five. A word in the middle is in five of these, so that
    two examples that differ in it share 44 of 54, which is 81 %. A pair is a candidate if all 7 hashes of one of 18
    bands are equal: 1 - (1 - 0.81^7)^18 = 99 %.
    """
    texts = [" ".join(f"w{n}x{at}" for at in range(51)) for n in range(100)]
    rows = [(f"When {n}?", "", text) for n, text in enumerate(texts)]
    similar = [(question, context, answer.replace("x25 ", "y ")) for question, context, answer in rows]
    (step,) = load([*rows, *similar], near_duplicates=0.81).steps
    assert 97 <= step.n_dropped <= 100
    assert load([*rows, *similar], near_duplicates=0.82).steps == ()


def test_examples_with_the_same_word_sequences_are_the_strictest_near_duplicates() -> None:
    rows = [("When?", LONG, "Monday"), ("When?", LONG.upper(), "Monday"), ("When?", f"{LONG} late", "Monday")]
    splits = load(rows, near_duplicates=1.0)
    assert [example.context for example in splits.train] == [LONG, f"{LONG} late"]


def test_similarity_is_the_share_of_word_sequences_in_common() -> None:
    """Of a b c, b c d and b c e, c d f: the first alone is in both."""
    assert word_sequences("a b c d", 3, "en") == {"a b c", "b c d"}
    assert similarity(word_sequences("a b c d", 3, "en"), word_sequences("a b c e", 3, "en")) == 1 / 3
    assert word_sequences("a b", 3, "en") == {"a b"}
    assert word_sequences("", 3, "en") == frozenset()
    assert similarity(frozenset(), frozenset()) == 1
    assert word_sequences("军舰启航", 3, "zh") == {"军 舰 启", "舰 启 航"}


def test_documents_of_test_are_left_out_of_training() -> None:
    rows = [ROWS[0], ("Who stays?", "NOBODY. ", "no one")]
    splits = load(rows, overlap="drop")
    assert [example.question for example in splits.train] == ["Who?"]
    assert splits.steps == (
        Step(
            name="also in test",
            split="train",
            n_dropped=1,
            samples=("train.jsonl:2: Who stays? → no one",),
        ),
    )
    assert len(load(rows).train) == 2


def test_steps_of_both_splits_are_told_apart() -> None:
    splits = load(ROWS[:2], test=[VALIDATION, ROWS[1]], longest_context=10)
    assert [(step.split, step.n_dropped) for step in splits.steps] == [("train", 2), ("test", 1)]


def test_a_pattern_that_is_no_regular_expression_is_refused() -> None:
    with pytest.raises(ValidationError) as refused:
        Quality.model_validate(OFF | {"drop_answers": ["("]})
    assert "'(' is not a regular expression (missing ), unterminated subpattern at position 0)" in str(refused.value)
