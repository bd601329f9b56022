import json
from pathlib import Path
from typing import Any

import pytest

from bench.dataset import Dataset
from bench.dataset.overlap import require_disjoint
from bench.dataset.records import Records
from bench.dataset.split import Fractions, hold_out
from bench.errors import InputError
from bench.example import Example, Step
from tests.shipped import shipped

SETTINGS = shipped("dataset", "records")

CAPITAL = {"instruction": "Name the capital of France.", "input": "", "output": "Paris"}
SUM = {"instruction": "Add the numbers.", "input": "1, 2", "output": "3"}
ORDER = {"instruction": "Sort the numbers.", "input": " 1,  2", "output": "1, 2"}


def write(name: str, records: list[dict[str, Any]]) -> str:
    Path(name).write_text("\n".join(map(json.dumps, records)))
    return name


def dataset(**changes: Any) -> Dataset:
    return Dataset.model_validate(SETTINGS | {"tune_fraction": 0} | changes)


def examples(records: list[dict[str, Any]], **changes: Any) -> tuple[Example, ...]:
    train = write("train.jsonl", records)
    return dataset(train=train, test=train, **changes).load().train


def message(records: list[dict[str, Any]], **changes: Any) -> str:
    with pytest.raises(InputError) as caught:
        examples(records, **changes)
    return str(caught.value)


def test_configuration_lists_every_field() -> None:
    assert isinstance(dataset(), Records)
    assert set(SETTINGS) == {"_target_", *Records.model_fields}


def test_records_become_examples() -> None:
    capital, numbers, order = examples([CAPITAL, SUM, ORDER])
    # Hashes are the first 16 digits that sha256sum gives for JSON lists of [normalised context or question] and of
    # [cluster, instruction, input, output].
    assert capital == Example(
        id="e096df12986ea439", cluster="95164934030de040", question="Name the capital of France.", references=("Paris",)
    )
    assert numbers == Example(
        id="ffed7c0d6d256bf7",
        cluster="cac3e86c5710f8ec",
        question="Add the numbers.",
        context="1, 2",
        references=("3",),
    )
    assert order == Example(
        id="b621632bbc984ab4",
        cluster="cac3e86c5710f8ec",
        question="Sort the numbers.",
        context=" 1,  2",
        references=("1, 2",),
    )


def test_columns_can_have_other_names() -> None:
    record = {"key": 7, "Question": "Why?", "Text": None, "Answer": "So.", "document": "d1"}
    columns = {
        "instruction_column": "Question",
        "input_column": "Text",
        "output_column": "Answer",
        "id_column": "key",
        "cluster_column": "document",
    }
    expected = Example(id="7", cluster="d1", question="Why?", references=("So.",))
    assert examples([record], **columns) == (expected,)
    assert examples([record], **columns | {"input_column": None}) == (expected,)


def test_hashed_ids_are_unique_and_do_not_depend_on_the_order() -> None:
    rows = [CAPITAL, SUM, CAPITAL, CAPITAL, ORDER]
    ids = [example.id for example in examples(rows)]
    assert ids == [
        "e096df12986ea439",
        "ffed7c0d6d256bf7",
        "e096df12986ea439-2",
        "e096df12986ea439-3",
        "b621632bbc984ab4",
    ]
    assert sorted(example.id for example in examples(rows[::-1])) == sorted(ids)


def test_local_test_file() -> None:
    train, test = write("train.jsonl", [CAPITAL, SUM]), write("test.jsonl", [ORDER, CAPITAL])
    splits = dataset(train=train, test=test).load()
    assert [example.question for example in splits.train] == ["Name the capital of France.", "Add the numbers."]
    assert [example.question for example in splits.test] == ["Sort the numbers.", "Name the capital of France."]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            {"instruction": "Go."},
            "train.jsonl:2: no column 'input'; name one of the columns 'instruction' with dataset.input_column, or set "
            "it to null",
        ),
        (CAPITAL | {"instruction": " "}, "train.jsonl:2: column 'instruction' is empty; every record needs it"),
        (CAPITAL | {"output": 0.5}, "train.jsonl:2: column 'output' must hold text, got float; write it as a string"),
        (CAPITAL | {"output": ["a"]}, "train.jsonl:2: column 'output' must hold text, got list; write it as a string"),
        (
            CAPITAL | {"instruction": "\ud800"},
            "train.jsonl:2: question: Input should be a valid string, unable to parse raw data as a unicode string",
        ),
    ],
)
def test_unusable_record_is_named_with_its_line(record: dict[str, Any], expected: str) -> None:
    assert message([CAPITAL, record]) == expected


def test_without_a_source() -> None:
    with pytest.raises(InputError) as caught:
        dataset(path=None).load()
    assert str(caught.value) == (
        "records has no source; name a local file with dataset.train=PATH, or a data set on the hub with "
        "dataset.path=NAME"
    )


EMPTY = {"instruction": "Name nothing.", "input": "", "output": " "}


def test_an_empty_answer_is_refused_unless_it_was_asked_for() -> None:
    assert message([CAPITAL, EMPTY]) == (
        "train.jsonl:2: column 'output' is empty, which would train the model to answer nothing; set "
        "dataset.empty_output=drop to leave such records out, or keep if an empty answer is right; "
        "the default is refuse"
    )
    assert [example.references for example in examples([CAPITAL, EMPTY], empty_output="keep")] == [("Paris",), (" ",)]


def test_empty_answers_that_are_dropped_are_counted_and_shown() -> None:
    train = write("train.jsonl", [EMPTY, CAPITAL, EMPTY, EMPTY, EMPTY])
    splits = dataset(train=train, test=write("test.jsonl", [SUM]), empty_output="drop").load()
    assert [example.references for example in splits.train] == [("Paris",)]
    samples = ("train.jsonl:1", "train.jsonl:3", "train.jsonl:4")
    assert splits.steps == (Step(name="empty answer", split="train", n_dropped=4, samples=samples),)


def test_the_first_of_several_cluster_columns_that_a_record_has_names_its_document() -> None:
    columns = ["document", "instruction"]
    with_document, without = examples([CAPITAL | {"document": "d1"}, CAPITAL], cluster_column=columns)
    assert (with_document.cluster, without.cluster) == ("d1", "Name the capital of France.")
    assert message([CAPITAL], cluster_column=["document", "page"]) == (
        "train.jsonl:1: no column 'document' or 'page'; name one of the columns 'instruction', 'input', 'output' with "
        "dataset.cluster_column, or set it to null"
    )


def test_tune_and_test_are_held_out_where_only_training_is_given() -> None:
    rows = [CAPITAL | {"instruction": f"Name town {number}."} for number in range(200)]
    splits = dataset(train=write("train.jsonl", rows), test_fraction=0.25, tune_fraction=0.1).load()
    require_disjoint(splits)
    assert splits == hold_out(examples(rows), Fractions(tune=0.1, test=0.25), 0)


def test_a_folder_is_read_file_by_file(tmp_path: Path) -> None:
    Path("parts").mkdir()
    Path("parts/.cache").write_text("not data")
    Path("parts/older").mkdir()
    write("parts/older/a.jsonl", [SUM])
    write("parts/b.jsonl", [SUM])
    write("parts/a.jsonl", [CAPITAL, ORDER])
    own = dataset(train="parts", test=write("test.jsonl", [CAPITAL | {"instruction": "Who?"}]))
    assert [example.question for example in own.load().train] == [
        "Name the capital of France.",
        "Sort the numbers.",
        "Add the numbers.",
    ]
    before = own.identity()["train"]
    assert [name for name, _ in before] == ["a.jsonl", "b.jsonl"]
    write("parts/b.jsonl", [SUM | {"output": ""}])
    assert own.identity()["train"] != before
    with pytest.raises(InputError) as refused:
        own.load()
    assert str(refused.value).startswith("parts/b.jsonl:1: column 'output' is empty")


@pytest.mark.parametrize(
    ("names", "given"),
    [([], "no files"), (["a.csv", "b.jsonl.gz"], "files of several kinds (.csv, .jsonl)")],
)
def test_a_folder_of_no_or_several_kinds_is_refused(names: list[str], given: str) -> None:
    Path("parts").mkdir()
    for name in names:
        Path("parts", name).touch()
    with pytest.raises(InputError) as refused:
        dataset(train="parts").load()
    assert str(refused.value) == (f"parts has {given}; a folder of data must hold files of one kind, such as .jsonl")
