"""What all data sets have that are tables, shown with questions and answers."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from bench.dataset import Dataset
from bench.dataset.overlap import require_disjoint
from bench.errors import InputError
from bench.example import Example, Splits, Step
from tests.shipped import shipped

SETTINGS = shipped("dataset", "records")
COLUMNS = {"input_column": None, "cluster_column": "document"}


def library(*documents: str, n: int = 4, suffix: str = "") -> list[dict[str, str]]:
    """Records about each document, one document after the other."""
    return [
        {
            "instruction": f"What is {part} of {document}{suffix}?",
            "output": f"{part} of {document}",
            "document": document,
        }
        for document in documents
        for part in range(n)
    ]


def write(name: str, records: list[dict[str, str]]) -> str:
    Path(name).write_text("\n".join(map(json.dumps, records)))
    return name


def load(train: str, **changes: Any) -> Splits:
    return Dataset.model_validate(SETTINGS | {"tune_fraction": 0} | COLUMNS | {"train": train} | changes).load()


def by_document(examples: tuple[Example, ...]) -> dict[str, int]:
    """How many examples of each document there are, in the order of the documents."""
    counts: dict[str, int] = {}
    for example in examples:
        counts[example.cluster] = counts.get(example.cluster, 0) + 1
    return counts


DOCUMENTS = tuple(f"d{number:02}" for number in range(50))
OTHERS = library("v1", "v2")


def test_a_limit_takes_whole_documents_from_all_over_the_source_and_cuts_the_last() -> None:
    train, test = write("train.jsonl", library(*DOCUMENTS)), write("test.jsonl", OTHERS)
    few = by_document(load(train, test=test, train_limit=22).train)
    assert sorted(few.values()) == [2, 4, 4, 4, 4, 4]
    assert list(few) == sorted(few)  # in the order of the source
    assert max(few) > "d25"
    more = by_document(load(train, test=test, train_limit=40).train)
    assert set(few) < set(more)
    assert set(more.values()) == {4}
    assert set(by_document(load(train, test=test, train_limit=40, split_seed=1).train)) != set(more)


def test_a_limit_chooses_the_same_documents_in_whatever_order_they_are() -> None:
    test = write("test.jsonl", OTHERS)
    chosen = [
        set(load(write("train.jsonl", library(*order)), test=test, train_limit=12).train)
        for order in (DOCUMENTS, DOCUMENTS[::-1])
    ]
    assert chosen[0] == chosen[1]


def test_a_document_that_is_longer_than_the_limit_is_cut() -> None:
    train, test = write("train.jsonl", library("d1", n=9)), write("test.jsonl", OTHERS)
    splits = load(train, test=test, train_limit=5, test_limit=3)
    assert [example.question for example in splits.train] == [f"What is {part} of d1?" for part in range(5)]
    assert len(splits.test) == 3
    assert len(load(train, test=test, train_limit=900).train) == 9


def test_limits_choose_from_what_is_held_out_and_from_what_is_left() -> None:
    train = write("train.jsonl", library(*DOCUMENTS))
    fractions = {"test_fraction": 0.4, "tune_fraction": 0.2}
    whole = load(train, **fractions)
    limited = load(train, **fractions, train_limit=8, tune_limit=3, test_limit=6)
    require_disjoint(limited)
    assert set(limited.train) < set(whole.train)
    assert set(limited.tune) < set(whole.tune)
    assert set(limited.test) < set(whole.test)
    assert sorted(by_document(limited.tune).values()) == [3]
    assert sorted(by_document(limited.train).values()) == [4, 4]
    assert sorted(by_document(limited.test).values()) == [2, 4]
    assert (
        limited.origin
        == whole.origin
        == ("held out of training by document: 20 % for tune, 40 % for test (dataset.split_seed=0)")
    )


def test_equal_records_are_numbered_alike_with_and_without_a_limit() -> None:
    """A limit that leaves nothing out reads the file twice."""
    train = write("train.jsonl", [*library("d1"), *library("d2"), *library("d1")])
    test = write("test.jsonl", OTHERS)
    whole = load(train, test=test)
    assert len({example.id for example in whole.train}) == 12
    assert load(train, test=test, train_limit=12, test_limit=8) == whole


def test_what_is_left_out_is_counted_once_though_a_limit_reads_the_file_twice() -> None:
    train = write(
        "train.jsonl", [*library("d1"), *library("d1"), {"instruction": "Why?", "output": "", "document": "d2"}]
    )
    test = write("test.jsonl", OTHERS)
    quality = SETTINGS["quality"] | {"duplicates": "drop"}
    splits = load(train, test=test, train_limit=3, quality=quality, empty_output="drop")
    assert len(splits.train) == 3
    assert [(step.name, step.n_dropped) for step in splits.steps] == [("empty answer", 1), ("duplicate", 4)]


def test_overlap_is_left_out_before_the_limit_chooses() -> None:
    """Test has d00 to d44, and the text of one of the four questions about d45."""
    train = write("train.jsonl", library(*DOCUMENTS))
    same_text = {"instruction": "what  is 1 of D45?", "output": "x", "document": "other"}
    test = write("test.jsonl", [*library(*DOCUMENTS[:45], suffix="!"), same_text])
    quality = SETTINGS["quality"] | {"overlap": "drop"}
    splits = load(train, test=test, quality=quality, train_limit=19)
    assert by_document(splits.train) == {"d45": 3, "d46": 4, "d47": 4, "d48": 4, "d49": 4}
    require_disjoint(splits)
    assert splits.steps == (
        Step(
            name="also in test",
            split="train",
            n_dropped=181,
            samples=tuple(f"train.jsonl:{part + 1}: What is {part} of d00? → {part} of d00" for part in range(3)),
        ),
    )


def test_training_gives_way_to_tune_and_to_test_and_tune_to_test() -> None:
    files = {
        "train": write("train.jsonl", library("d1", "d2", "d3", "d4")),
        "tune": write("tune.jsonl", library("d2", "d3", "d5", suffix="?")),
        "test": write("test.jsonl", library("d3", "d6", suffix="!")),
    }
    splits = load(**files, quality=SETTINGS["quality"] | {"overlap": "drop"})
    require_disjoint(splits)
    assert {name: [*by_document(part)] for name, part in splits.parts().items()} == {
        "train": ["d1", "d4"],
        "tune": ["d2", "d5"],
        "test": ["d3", "d6"],
    }
    assert [(step.name, step.split, step.n_dropped) for step in splits.steps] == [
        ("also in tune or test", "train", 8),
        ("also in test", "tune", 4),
    ]
    with pytest.raises(InputError, match=r"^tune shares 2 of its 3 documents with training "):
        require_disjoint(load(**files))


def test_test_is_held_out_of_training_beside_a_tune_file() -> None:
    train, tune = write("train.jsonl", library(*DOCUMENTS)), write("tune.jsonl", OTHERS)
    splits = load(train, tune=tune, tune_fraction=0.3, test_fraction=0.4)
    assert [*by_document(splits.tune)] == ["v1", "v2"]
    assert len(splits.train) + len(splits.test) == 200
    assert splits.test == load(train, test_fraction=0.4).test


def test_training_loses_what_is_nearly_in_test() -> None:
    words = "the coastal brigade sailed from the northern port on monday with four grey ships"
    records = [
        {"instruction": f"{words} {end}", "output": "yes", "document": end} for end in ("today", "again", "home")
    ]
    train, test = write("train.jsonl", [*records[:2], *library("d1")]), write("test.jsonl", records[2:])
    quality = SETTINGS["quality"] | {"near_duplicates": 0.5}
    splits = load(train, test=test, quality=quality)
    assert list(by_document(splits.train)) == ["d1"]
    assert len(splits.test) == 1
    assert [(step.name, step.split, step.n_dropped) for step in splits.steps] == [("near duplicate", "train", 2)]
    tune = write("tune.jsonl", records[:1])
    splits = load(write("train.jsonl", [records[1], *library("d1")]), tune=tune, test=test, quality=quality)
    assert [[*by_document(part)] for part in splits.parts().values()] == [["d1"], [], ["home"]]
    assert [(step.name, step.split, step.n_dropped) for step in splits.steps] == [
        ("near duplicate", "train", 1),
        ("near duplicate", "tune", 1),
    ]


def test_documents_with_the_same_question_are_held_out_together() -> None:
    pairs = [{"instruction": f"Question {n // 2}?", "output": str(n), "document": f"d{n}"} for n in range(200)]
    splits = load(write("train.jsonl", pairs), test_fraction=0.3)
    require_disjoint(splits)
    sides = {example.question for example in splits.train}, {example.question for example in splits.test}
    assert not sides[0] & sides[1]
    assert 18 <= len(sides[1]) <= 42  # of 100 pairs, 30 expected; a standard deviation is 4.6


def test_an_empty_split_says_what_was_left_out() -> None:
    train, test = write("train.jsonl", library("d1")), write("test.jsonl", OTHERS)
    splits = load(train, test=test, quality=SETTINGS["quality"] | {"shortest_answer": 100})
    with pytest.raises(InputError) as caught:
        require_disjoint(splits)
    assert str(caught.value) == (
        "the training split is empty; it needs at least one example (left out of the data: 4 for answer too short, "
        "8 for answer too short)"
    )
    alone = load(train, quality=SETTINGS["quality"] | {"shortest_answer": 100})
    assert (alone.train, alone.test) == ((), ())


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_large_file_is_never_held_in_memory(kind: str) -> None:
    """12 MB of text, of which the limits keep a fiftieth."""
    import pandas

    text = "A long report about nothing. " * 100
    records = [
        {"instruction": f"{number} {text}", "output": "yes", "document": f"d{number // 10}"} for number in range(4000)
    ]
    name = f"large.{kind}"
    if kind == "jsonl":
        write(name, records)
    elif kind == "csv":
        pandas.DataFrame(records).to_csv(name, index=False)
    else:
        pandas.DataFrame(records).to_parquet(name, row_group_size=500)
    del records
    load(write("train.jsonl", library(*DOCUMENTS)), train_limit=5)  # what is imported at the first time does not count
    tracemalloc.start()
    splits = load(name, train_limit=75, test_limit=5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(splits.train), len(splits.test)) == (75, 5)
    assert peak < 4e6
