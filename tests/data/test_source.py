import json
import tracemalloc
from pathlib import Path

from bench.data.source import tables


def write(path: Path, n: int, characters: int) -> str:
    """A table of which only the last row has the column `late`."""
    rows = [{"text": f"{number} {'x' * characters}"} for number in range(n - 1)]
    path.write_text("\n".join(map(json.dumps, [*rows, {"text": "end", "late": "y"}])))
    return str(path)


def test_every_row_is_counted_and_the_first_ones_are_described(tmp_path: Path) -> None:
    for n, described in ((10_000, ["text", "late"]), (10_001, ["text"])):
        (table,) = tables({"train": write(tmp_path / "a.jsonl", n, 10), "validation": None})
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
