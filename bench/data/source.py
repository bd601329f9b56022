"""The tables that a data set is read from, and their columns, even where the settings do not fit them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.data.columns import Column, columns_of
from bench.dataset.files import Record, files_of, read_records
from bench.dataset.hub_data import read_hub_data
from bench.dataset.table import usual_test_split
from bench.errors import InputError
from bench.example import SPLIT_WORDS

DESCRIBED = 10_000
"""At most so many rows of a table are described, the first ones."""
DESCRIBED_CHARACTERS = 2**24
"""Fewer rows are described if they are longer than this in all, since they are held in memory."""
Read = Callable[[], Iterator[Record]]


@dataclass(frozen=True)
class Table:
    """A file, a folder or a split of the hub with rows, before anything is made of them."""

    split: str
    path: str
    n_rows: int
    """Those that can be read."""
    columns: tuple[Column, ...]
    fault: str
    """Why the rows after these cannot be read; empty if all can."""


def tables(dataset: Mapping[str, Any]) -> tuple[Table, ...]:
    """The local files and splits of the hub that the settings of a data set name; what is no table is left out."""
    found = (_table(split, path, read) for split, path, read in (*_local(dataset), *_of_the_hub(dataset)))
    return tuple(table for table in found if table.columns)


def _local(dataset: Mapping[str, Any]) -> Iterator[tuple[str, str, Read]]:
    for split in SPLIT_WORDS:
        if isinstance(path := dataset.get(split), str):
            yield split, path, partial(_of_files, path)


def _of_the_hub(dataset: Mapping[str, Any]) -> Iterator[tuple[str, str, Read]]:
    path = dataset.get("path")
    if not path or dataset.get("train"):
        return
    try:
        splits = read_hub_data(path, dataset.get("revision"), dataset.get("config"))
    except InputError:
        # The data set's own `load` says why.
        return
    named = {split: dataset.get(f"{split}_split") for split in SPLIT_WORDS}
    named |= {"train": named["train"] or "train", "test": named["test"] or usual_test_split(splits, named["tune"])}
    for split, name in named.items():
        if name in splits and not dataset.get(split):
            yield split, f"{path} {name}", partial(_of_rows, splits[name])


def _of_files(path: str) -> Iterator[Record]:
    return (record for file in files_of(path) for _, record in read_records(file))


def _of_rows(rows: Callable[[], Any]) -> Iterator[Record]:
    return (record for _, record in rows())


def _table(split: str, path: str, read: Read) -> Table:
    described: list[Record] = []
    n_rows, n_characters, fault = 0, 0, ""
    try:
        for record in read():
            if n_rows < DESCRIBED and n_characters < DESCRIBED_CHARACTERS:
                described.append(record)
                n_characters += len(str(record))
            n_rows += 1
    except InputError as error:
        fault = str(error)
    return Table(split, path, n_rows, columns_of(described), fault)
