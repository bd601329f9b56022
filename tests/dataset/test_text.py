import json
from pathlib import Path
from typing import Any

import pytest

from bench.dataset import Dataset
from bench.dataset.text import Text
from bench.errors import InputError
from bench.example import Splits, Step
from tests.shipped import shipped

SETTINGS = shipped("dataset", "text")


def loaded(records: list[dict[str, Any]], **changes: Any) -> Splits:
    Path("a.jsonl").write_text("\n".join(map(json.dumps, records)))
    return Dataset.model_validate(
        SETTINGS | {"tune_fraction": 0} | {"train": "a.jsonl", "test": "a.jsonl"} | changes
    ).load()


def test_configuration_lists_every_field() -> None:
    assert isinstance(Dataset.model_validate(SETTINGS), Text)
    assert set(SETTINGS) == {"_target_", *Text.model_fields}


def test_every_text_is_a_document() -> None:
    splits = loaded([{"text": "A ship left.\n"}, {"text": "It rained."}])
    assert [(one.question, one.references) for one in splits.train] == [
        ("A ship left.\n", ("A ship left.\n",)),
        ("It rained.", ("It rained.",)),
    ]
    assert len({one.cluster for one in splits.train}) == 2


def test_texts_of_one_book() -> None:
    records = [{"page": "A ship left.", "book": "Sea"}, {"page": "It rained.", "book": "Sea"}]
    splits = loaded(records, text_column="page", cluster_column="book")
    assert {one.cluster for one in splits.train} == {"Sea"}


def test_a_text_file_is_a_document() -> None:
    Path("b.txt").write_text("A ship left.\nIt rained.\n")
    (one,) = Dataset.model_validate(SETTINGS | {"tune_fraction": 0} | {"train": "b.txt", "test": "b.txt"}).load().train
    assert one.references == ("A ship left.\nIt rained.\n",)


def test_blank_texts_are_left_out_and_counted() -> None:
    splits = loaded([{"text": "A ship left."}, {"text": " \n"}, {"text": None}])
    assert len(splits.train) == 1
    assert splits.steps[0] == Step(name="empty text", split="train", n_dropped=2, samples=("a.jsonl:2", "a.jsonl:3"))


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"body": "x"}, "a.jsonl:1: no column 'text'; name one of the columns 'body' with dataset.text_column"),
        ({"text": ["x"]}, "a.jsonl:1: column 'text' must hold text, got list; write it as a string"),
    ],
)
def test_broken_records(record: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError) as caught:
        loaded([record])
    assert str(caught.value) == expected
