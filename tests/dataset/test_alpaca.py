import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from bench.dataset import Dataset
from bench.dataset.alpaca import Alpaca, held_out
from bench.dataset.overlap import require_disjoint
from bench.errors import InputError
from bench.example import Example

SETTINGS = yaml.safe_load((Path(__file__).parents[2] / "conf/dataset/alpaca.yaml").read_text())

CAPITAL = {"instruction": "Name the capital of France.", "input": "", "output": "Paris"}
SUM = {"instruction": "Add the numbers.", "input": "1, 2", "output": "3"}
ORDER = {"instruction": "Sort the numbers.", "input": " 1,  2", "output": ""}


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, records: list[dict[str, Any]]) -> str:
    Path(name).write_text("\n".join(map(json.dumps, records)))
    return name


def dataset(**changes: Any) -> Dataset:
    return Dataset.model_validate(SETTINGS | changes)


def examples(records: list[dict[str, Any]], **changes: Any) -> tuple[Example, ...]:
    train = write("train.jsonl", records)
    return dataset(train=train, validation=train, **changes).load().train


def message(records: list[dict[str, Any]], **changes: Any) -> str:
    with pytest.raises(InputError) as caught:
        examples(records, **changes)
    return str(caught.value)


def test_configuration_lists_every_field() -> None:
    assert isinstance(dataset(), Alpaca)
    assert set(SETTINGS) == {"_target_", *Alpaca.model_fields}


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
        id="fe7a342ba4d5f704",
        cluster="cac3e86c5710f8ec",
        question="Sort the numbers.",
        context=" 1,  2",
        references=("",),
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
        "fe7a342ba4d5f704",
    ]
    assert sorted(example.id for example in examples(rows[::-1])) == sorted(ids)


def test_local_validation_file_and_limits() -> None:
    train, validation = write("train.jsonl", [CAPITAL, SUM]), write("validation.jsonl", [ORDER, CAPITAL])
    splits = dataset(train=train, validation=validation, train_limit=1, validation_limit=1).load()
    assert [example.question for example in splits.train] == ["Name the capital of France."]
    assert [example.question for example in splits.validation] == ["Sort the numbers."]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"instruction": "Go."}, "train.jsonl:2: no column 'input'; the columns are 'instruction'"),
        (CAPITAL | {"instruction": " "}, "train.jsonl:2: column 'instruction' is empty; every record needs it"),
        (CAPITAL | {"output": 0.5}, "train.jsonl:2: column 'output' must hold text, got float"),
        (CAPITAL | {"output": ["a"]}, "train.jsonl:2: column 'output' must hold text, got list"),
        (
            CAPITAL | {"instruction": "\ud800"},
            "train.jsonl:2: question: Input should be a valid string, unable to parse raw data as a unicode string",
        ),
    ],
)
def test_unusable_record_is_named_with_its_line(record: dict[str, Any], expected: str) -> None:
    assert message([CAPITAL, record]) == expected


def test_without_a_source() -> None:
    with pytest.raises(ValidationError) as caught:
        dataset(path=None)
    assert caught.value.errors()[0]["msg"] == (
        "Value error, no source: set train to a local file, or path to the name of a data set on the hub"
    )


def document(number: int, question: str) -> Example:
    return Example(id=f"{number}-{question}", cluster=f"doc{number:04}", question=question, references=("x",))


LIBRARY = [document(number, f"What is {part} of {number}?") for number in range(1000) for part in "ab"]


def test_held_out_share_is_near_the_fraction_and_documents_stay_whole() -> None:
    splits = held_out(LIBRARY, 0.1, 0)
    require_disjoint(splits)
    assert len(splits.train) + len(splits.validation) == 2000
    assert 140 <= len(splits.validation) <= 260  # 200 expected; three standard deviations are 57


def test_held_out_keeps_the_order() -> None:
    splits = held_out(LIBRARY, 0.1, 0)
    place = {example.id: number for number, example in enumerate(LIBRARY)}
    for split in (splits.train, splits.validation):
        assert [place[example.id] for example in split] == sorted(place[example.id] for example in split)


def test_held_out_documents_stay_where_they_are_when_others_come_or_the_order_changes() -> None:
    shuffled = random.Random(0).sample(LIBRARY, k=len(LIBRARY))
    few, many = held_out(shuffled[:800], 0.1, 0), held_out(LIBRARY, 0.1, 0)
    assert {example.id for example in few.validation} == {
        example.id for example in many.validation if example in shuffled[:800]
    }


def test_held_out_documents_are_others_for_another_seed() -> None:
    held = [{example.cluster for example in held_out(LIBRARY, 0.1, seed).validation} for seed in (0, 1)]
    assert len(held[0] & held[1]) < 0.3 * min(map(len, held))  # a tenth expected


def test_a_larger_fraction_adds_documents_and_takes_none_back() -> None:
    held = [{example.cluster for example in held_out(LIBRARY, fraction, 0).validation} for fraction in (0.1, 0.2)]
    assert held[0] < held[1]


def test_documents_that_share_a_text_go_to_the_same_side() -> None:
    chained = [*LIBRARY, *(document(number, f"What is a of {(number + 10) % 1000}?") for number in range(1000))]
    groups = {number % 10 for number in range(1000)}
    splits = held_out(chained, 0.3, 1)
    require_disjoint(splits)
    held = {int(example.cluster.removeprefix("doc")) for example in splits.validation}
    assert held == {number for number in range(1000) if number % 10 in {held_one % 10 for held_one in held}}
    assert 0 < len({number % 10 for number in held}) < len(groups)


def test_too_few_documents_to_hold_any_out() -> None:
    expected = "change dataset.validation_fraction or dataset.split_seed, or name a file: dataset.validation=PATH"
    for fraction, side in ((1e-9, "validation"), (1 - 1e-9, "training")):
        with pytest.raises(InputError) as caught:
            held_out(LIBRARY[:4], fraction, 0)
        assert str(caught.value) == f"holding out {fraction} of 2 documents leaves {side} empty; {expected}"


def test_held_out_where_only_training_is_given() -> None:
    rows = [CAPITAL | {"instruction": f"Name town {number}."} for number in range(200)]
    splits = dataset(train=write("train.jsonl", rows), validation_fraction=0.25).load()
    require_disjoint(splits)
    assert len(splits.train) + len(splits.validation) == 200
    assert splits == held_out(examples(rows), 0.25, 0)
