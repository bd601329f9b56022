"""Local files of records. Whatever is wrong with one is one sentence that names the file and the place in it."""

import csv
import hashlib
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.errors import InputError

Record = dict[str, Any]
Numbered = list[tuple[int, Record]]
"""Records with the number, from 1, that finds each: its line in .jsonl and .csv files, a count of records in others."""


def read_records(path: str) -> Numbered:
    """The records of a .json (a list of objects), .jsonl, .csv (with a header) or .parquet file, in the file's order.

    Raises:
        InputError: the file is missing, empty, broken, of another kind, not UTF-8, or holds no records.
    """
    readers = {".json": _json_records, ".jsonl": _jsonl_records, ".csv": _csv_records, ".parquet": _parquet_records}
    suffix = Path(path).suffix
    if suffix not in readers:
        raise InputError(f"{path}: cannot read a {suffix or 'suffixless'} file; name one of {', '.join(readers)}")
    records = readers[suffix](path)
    if not records:
        raise InputError(f"{path} is empty; it must hold at least one record")
    return records


def read_json(path: str) -> Any:
    """The value that a JSON file holds.

    Raises:
        InputError: the file cannot be read, is empty, not UTF-8 or broken (with the line).
    """
    text = _read_text(path)
    if not text.strip():
        raise InputError(f"{path} is empty; it must hold one JSON value")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: broken JSON: {error.msg} (column {error.colno})") from error


def column(record: Record, name: str, path: str, number: int) -> Any:
    """The value of the record's column.

    Raises:
        InputError: there is no such column; the message lists those that there are.
    """
    if name not in record:
        raise InputError(f"{place(path, number)}: no column {name!r}; the columns are {', '.join(map(repr, record))}")
    return record[name]


def place(path: str, number: int) -> str:
    """Where a numbered record is, as an editor or a reader finds it: `a.csv:7`, `a.json, record 7`."""
    return f"{path}:{number}" if Path(path).suffix in (".jsonl", ".csv") else f"{path}, record {number}"


def digest(path: str) -> str:
    """SHA-256 (hex) of the file's bytes: what a cell's key holds in place of the path.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


def _json_records(path: str) -> Numbered:
    value = read_json(path)
    if not isinstance(value, list):
        raise InputError(f"{path}: must hold a list of objects, got {_kind(value)}")
    return _objects(enumerate(value, start=1), path)


def _jsonl_records(path: str) -> Numbered:
    values: list[tuple[int, Any]] = []
    # Not splitlines(): it also splits at characters such as U+2028, which JSON strings may hold.
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values.append((number, json.loads(line)))
        except json.JSONDecodeError as error:
            raise InputError(f"{path}:{number}: broken JSON: {error.msg} (column {error.colno})") from error
    return _objects(values, path)


def _csv_records(path: str) -> Numbered:
    text = _read_text(path)
    # A document can be longer than the csv module's default limit of 131,072 characters a field.
    limit = csv.field_size_limit(max(len(text), 1))
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        numbered: list[tuple[int, list[str]]] = []
        first_line = 1
        for row in reader:
            if row:
                numbered.append((first_line, row))
            first_line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: broken CSV: {error}") from error
    finally:
        csv.field_size_limit(limit)
    if not numbered:
        return []
    header_line, header = numbered[0]
    if len(set(header)) != len(header):
        raise InputError(f"{path}:{header_line}: the header names a column twice: {', '.join(map(repr, header))}")
    for number, row in numbered[1:]:
        if len(row) != len(header):
            raise InputError(f"{path}:{number}: broken CSV: {len(row)} fields where the header has {len(header)}")
    return [(number, dict(zip(header, row, strict=True))) for number, row in numbered[1:]]


def _parquet_records(path: str) -> Numbered:
    import pyarrow
    import pyarrow.parquet

    try:
        with open(path, "rb") as file:
            rows = pyarrow.parquet.read_table(file).to_pylist()
    except pyarrow.ArrowException as error:
        raise InputError(f"{path}: broken Parquet: {str(error).splitlines()[0]}") from error
    except OSError as error:
        raise _unreadable(path, error) from error
    return list(enumerate(rows, start=1))


def _objects(values: Iterable[tuple[int, Any]], path: str) -> Numbered:
    records: Numbered = []
    for number, value in values:
        if not isinstance(value, dict):
            raise InputError(f"{place(path, number)}: every record must be an object, got {_kind(value)}")
        records.append((number, value))
    return records


def _read_text(path: str) -> str:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        return content.decode("utf-8-sig")  # spreadsheets put a byte order mark before the first column's name
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}: not UTF-8; save the file in that encoding") from error


def _unreadable(path: str, error: OSError) -> InputError:
    return InputError(f"{path}: cannot be read ({error.strerror}); name an existing file")


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
