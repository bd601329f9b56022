import json
import tracemalloc
from pathlib import Path

import pytest

from bench.data import source
from bench.data.source import tables


def write(path: Path, n: int, characters: int) -> str:
    """A table of which only the last row has the column `late`."""
    rows = [{"text": f"{number} {'x' * characters}"} for number in range(n - 1)]
    path.write_text("\n".join(map(json.dumps, [*rows, {"text": "end", "late": "y"}])))
    return str(path)


def test_every_row_is_counted_and_the_first_ones_are_described(tmp_path: Path) -> None:
    for n, described in ((10_000, ["text", "late"]), (10_001, ["text"])):
        (table,) = tables({"train": write(tmp_path / "a.jsonl", n, 10), "test": None})
        assert (table.split, table.n_rows, [column.name for column in table.columns]) == ("train", n, described)


def test_long_rows_are_not_all_held_in_memory(tmp_path: Path) -> None:
    """60 MB, of which 17 are described."""
    path = write(tmp_path / "a.jsonl", 61, 1_000_000)
    tracemalloc.start()
    (table,) = tables({"train": path})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (table.n_rows, table.columns[0].median_characters) == (61, 1_000_002)
    assert peak < 30e6


def test_rows_before_a_fault_are_described(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("question,answer\nWhy?,So.\nWho?\n")
    (table,) = tables({"train": str(path)})
    assert ([column.sample for column in table.columns], table.n_rows) == (["Why?", "So."], 1)
    assert table.fault == f"{path}:3: broken CSV: 1 fields where the header has 2"
    assert tables({"train": str(tmp_path / "missing.csv")}) == ()


def test_splits_of_the_hub_are_described(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hub = {
        name: lambda name=name: iter([(1, {"q": name}), (2, {"q": "x"})]) for name in ("train", "test", "dev", "small")
    }
    monkeypatch.setattr(source, "read_hub_data", lambda *given: {("a/b", None, "en"): hub}[given])
    settings = {"path": "a/b", "revision": None, "config": "en", "train_split": "train", "test_split": "dev"}
    found = [(table.split, table.path, table.n_rows, table.columns[0].sample) for table in tables(settings)]
    assert found == [("train", "a/b train", 2, "train"), ("test", "a/b dev", 2, "dev")]
    usual = tables(settings | {"test_split": None, "tune_split": "small"})
    assert [(table.split, table.path) for table in usual] == [
        ("train", "a/b train"),
        ("tune", "a/b small"),
        ("test", "a/b test"),
    ]
    # What is for tune is not scored, too.
    chosen = tables(settings | {"test_split": None, "tune_split": "test"})
    assert [(table.split, table.path) for table in chosen] == [("train", "a/b train"), ("tune", "a/b test")]
    own = write(tmp_path / "own.jsonl", 3, 10)
    assert [table.path for table in tables(settings | {"test": own})] == [own, "a/b train"]
    assert [table.path for table in tables(settings | {"train": own})] == [own]
