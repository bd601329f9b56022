"""The tables that a data set is read from, and their columns, even where the settings do not fit them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from bench.data.columns import Column, columns_of
from bench.dataset.files import Record, files_of, read_records
from bench.errors import InputError

DESCRIBED = 10_000
"""At most so many rows of a table are described, the first ones."""
DESCRIBED_CHARACTERS = 2**24
"""Fewer rows are described if they are longer than this in all, since they are held in memory."""


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
        described = list(_first(records))
        n_rows = len(described) + sum(1 for _ in records)
    except InputError:
        # The data set's own `load` says what is wrong, if it is a table for it.
        return None
    return Table(split, path, n_rows, columns_of(described))


def _first(records: Iterator[Record]) -> Iterator[Record]:
    n_characters = 0
    for record in islice(records, DESCRIBED):
        yield record
        n_characters += len(str(record))
        if n_characters > DESCRIBED_CHARACTERS:
            return
