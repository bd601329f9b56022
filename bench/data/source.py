"""The tables that a data set is read from, and their columns, even where the settings do not fit them."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from bench.data.columns import Column, columns_of
from bench.dataset.files import files_of, read_records
from bench.errors import InputError

DESCRIBED = 10_000
"""At most so many rows of a table are described, the first ones."""


@dataclass(frozen=True)
class Table:
    """A file with rows, before anything is made of them."""

    split: str
    path: str
    n_rows: int
    columns: tuple[Column, ...]


def tables(dataset: Mapping[str, Any]) -> tuple[Table, ...]:
    """The local files that the settings of a data set name; those that are not tables are left out."""
    named = [(split, dataset.get(split)) for split in ("train", "validation")]
    return tuple(table for split, path in named if isinstance(path, str) and (table := _table(split, path)))


def _table(split: str, path: str) -> Table | None:
    try:
        records = (record for file in files_of(path) for _, record in read_records(file))
        described = list(islice(records, DESCRIBED))
        n_rows = len(described) + sum(1 for _ in records)
    except InputError:
        # The data set's own `load` says what is wrong, if it is a table for it.
        return None
    return Table(split, path, n_rows, columns_of(described))
