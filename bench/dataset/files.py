"""Local files of records. Whatever is wrong with a file is one sentence that names the file and the place in it.

The formats are `.json` (a list of objects), `.jsonl` (an object in each line), `.csv` (with a header; separated by
commas, semicolons or tabs), `.tsv` (with a header), `.parquet` and `.txt` (one record, whose column `text` holds the
file); all but Parquet also with gzip, as `.jsonl.gz`. Files are read record by record, so that they may be larger than
memory; only `.json` and `.txt` files are read whole.
"""

import csv
import gzip
import io
import json
import os
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bench.errors import InputError

Kind = TypeVar("Kind", bound=BaseModel)
_BATCH = 100
"""Rows of a Parquet file that become records at once."""
_LONGEST_FIELD = 2**27
"""Characters of a CSV field. A document can be longer than the csv module's own limit of 131,072; a quotation mark that
is never closed makes a field of the rest of the file."""
_NESTED = r'(?:[\[{]\s*(?:"[^"]*"\s*:\s*)?){100}'
"""A hundred brackets that are opened one after the other."""

Record = dict[str, Any]
Numbered = Iterator[tuple[int, Record]]
"""Records with their numbers: the line in .jsonl, .csv and .tsv files, a count from 1 in other files."""


def files_of(path: str) -> list[str]:
    """The files of a folder in the order of their names, or `path` itself if it is none. Hidden files do not count.

    Raises:
        InputError: the folder is empty, or its files are of several kinds.
    """
    folder = Path(os.path.expanduser(path))
    if not folder.is_dir():
        return [path]
    files = sorted(str(file) for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    kinds = sorted({_suffix(file) for file in files})
    if len(kinds) != 1:
        given = f"files of several kinds ({', '.join(kinds)})" if kinds else "no files"
        raise InputError(f"{path} has {given}; a folder of data must hold files of one kind, such as .jsonl")
    return files


def read_records(path: str) -> Numbered:
    """The records of a file, in its order.

    Raises:
        InputError: the file is missing, empty, broken, of another kind, not UTF-8, or holds no records. Except for the
            kind, this is found out when the record is read.
    """
    readers = {
        ".json": _json_records,
        ".jsonl": _jsonl_records,
        ".csv": _csv_records,
        ".tsv": _csv_records,
        ".parquet": _parquet_records,
        ".txt": _txt_records,
    }
    suffix = _suffix(path)
    if suffix not in readers or (suffix == ".parquet" and path.endswith(".gz")):
        with _opened(path):  # a missing one is said to be missing
            pass
        given = "".join(Path(path).suffixes[-2:] if path.endswith(".gz") else Path(path).suffix) or "suffixless"
        raise InputError(
            f"{path}: cannot read a {given} file; name a .json, .jsonl, .csv, .tsv or .txt file (with or without "
            ".gz), or a .parquet file"
        )
    return _at_least_one(readers[suffix](path), path)


def _at_least_one(records: Numbered, path: str) -> Numbered:
    number = None
    for number, record in records:
        yield number, record
    if number is None:
        raise InputError(f"{path} is empty; it must hold at least one record")


def read_json(path: str) -> Any:
    """The value that a JSON file holds.

    Raises:
        InputError: the file cannot be read, is empty, not UTF-8 or broken (with the line).
    """
    text = _read_text(path)
    if not text.strip():
        raise InputError(f"{path} is empty; it must hold one JSON value")
    return _parse_json(text, path)


def validated(kind: type[Kind], value: Any, at: str) -> Kind:
    """`value` as a `kind`.

    Raises:
        InputError: it does not fit; the sentence starts with `at` and names the first field that is wrong.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        # The rest names a class that the user does not know
        message = first["msg"].removeprefix("Value error, ").partition(" or instance of ")[0]
        raise InputError(f"{at}: {field}: {message}" if field else f"{at}: {message}") from error


def place(path: str, number: int) -> str:
    """Where a numbered record is, such as `a.csv:7` (a line, as editors write it) or `a.json, record 7`."""
    return f"{path}:{number}" if _suffix(path) in (".jsonl", ".csv", ".tsv") else f"{path}, record {number}"


def _suffix(path: str) -> str:
    return Path(path.removesuffix(".gz")).suffix


@contextmanager
def _opened(path: str) -> Iterator[io.BufferedReader]:
    try:
        with open(os.path.expanduser(path), "rb") as file:
            yield file
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); name an existing file") from error


@contextmanager
def _opened_text(path: str, newline: str) -> Iterator[io.TextIOWrapper]:
    """The characters of a file; lines end as `newline` says, and keep their ends."""
    with _opened(path) as file:
        content = gzip.GzipFile(fileobj=file) if path.endswith(".gz") else file
        try:
            # Spreadsheets put a byte order mark before the first column's name.
            yield io.TextIOWrapper(content, "utf-8-sig", newline=newline)
        except UnicodeDecodeError as error:
            raise InputError(f"{path}:{_undecodable_line(path)}: not UTF-8; save the file in that encoding") from error
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InputError(f"{path}: broken gzip: {error}") from error


def _undecodable_line(path: str) -> int:
    with (gzip.open if path.endswith(".gz") else open)(os.path.expanduser(path), "rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return number  # it ends in the middle of a character


def _read_text(path: str) -> str:
    with _opened_text(path, newline="") as file:
        return file.read()


def _parse_json(text: str, path: str, first_line: int = 1) -> Any:
    """The JSON value of `text`, which starts at `first_line` of the file."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at, fault = error.pos, f"broken JSON: {error.msg} (column {error.colno})"
        if error.msg == "Extra data" and _suffix(path) == ".json":
            fault += "; name a file with an object in each line .jsonl"
        if _suffix(path) not in (".json", ".jsonl"):
            fault += "; choose dataset=records for a table of questions and answers"
    except RecursionError:
        at, fault = _position(_NESTED, text), "JSON that is nested too deeply to be read"
    except ValueError:  # Python's guard against numbers that take minutes to convert
        limit = sys.get_int_max_str_digits()
        fault = f"a whole number has more than {limit} digits; write it as a string"
        at = _position(rf"\d{{{limit + 1}}}", text)
    raise InputError(f"{path}:{first_line + text.count(chr(10), 0, at)}: {fault}")


def _position(pattern: str, text: str) -> int:
    """Where `pattern` occurs first in `text`; 0 if it does not."""
    match = re.search(pattern, text)
    return match.start() if match else 0


def _json_records(path: str) -> Numbered:
    value = read_json(path)
    if not isinstance(value, list):
        raise InputError(f"{path}: must hold a list of objects, got {_kind(value)}")
    yield from _objects(enumerate(value, start=1), path)


def _jsonl_records(path: str) -> Numbered:
    # JSON strings may hold other characters at which text files can be split into lines, such as a carriage return.
    with _opened_text(path, newline="\n") as file:
        lines = enumerate(file, start=1)
        yield from _objects(
            ((number, _parse_json(line.removesuffix("\n"), path, number)) for number, line in lines if line.strip()),
            path,
        )


def _txt_records(path: str) -> Numbered:
    text = _read_text(path)
    if text.strip():
        yield 1, {"text": text}


def _csv_records(path: str) -> Numbered:
    rows = _csv_rows(path)
    header_line, header = next(rows, (1, []))
    if len(set(header)) != len(header):
        raise InputError(f"{path}:{header_line}: the header names a column twice: {', '.join(map(repr, header))}")
    for number, row in rows:
        if len(row) != len(header):
            raise InputError(f"{path}:{number}: broken CSV: {len(row)} fields where the header has {len(header)}")
        yield number, dict(zip(header, row, strict=True))


def _csv_rows(path: str) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not blank, with the line on which it starts."""
    with _opened_text(path, newline="") as file:
        blank, header = 0, ""
        for header in file:
            if header.strip():
                break
            blank += 1
        # Spreadsheets write semicolons where the comma is the decimal sign. The character that gives most columns wins.
        candidates = "\t" if _suffix(path) == ".tsv" else ",;\t"
        delimiter = max(candidates, key=lambda character: len(next(csv.reader([header], delimiter=character), [])))
        reader = csv.reader(chain([header], file), strict=True, delimiter=delimiter)
        first_line = blank + 1
        try:
            while (row := _next_row(reader)) is not None:
                if any(row):
                    yield first_line, row
                first_line = blank + reader.line_num + 1
        except csv.Error as error:
            line, fault = _csv_fault(str(error), first_line, blank + reader.line_num)
            raise InputError(f"{path}:{line}: broken CSV: {fault}") from error


def _csv_fault(error: str, first_line: int, last_line: int) -> tuple[int, str]:
    """The line to look at, and what is wrong with the record that was read from `first_line` to `last_line`."""
    if error == "unexpected end of data":
        return first_line, "a quotation mark of this record is never closed"
    if error.startswith("field larger than field limit"):
        return (
            first_line,
            f"a field of this record has more than {_LONGEST_FIELD:,} characters; close its quotation marks",
        )
    if "expected after" in error:
        error = "text after a closing quotation mark; write those inside of a field twice"
    begins = f" (the record begins on line {first_line})" if first_line < last_line else ""
    return last_line, f"{error}{begins}"


def _next_row(reader: Iterator[list[str]]) -> list[str] | None:
    # The limit holds for the whole process, where others may need theirs.
    limit = csv.field_size_limit(_LONGEST_FIELD)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(limit)


def _parquet_records(path: str) -> Numbered:
    import pyarrow
    import pyarrow.parquet

    with _opened(path) as file:
        try:
            batches = pyarrow.parquet.ParquetFile(file).iter_batches(batch_size=_BATCH)
            yield from enumerate((row for batch in batches for row in batch.to_pylist()), start=1)
        except pyarrow.ArrowException as error:
            raise InputError(f"{path}: broken Parquet: {str(error).splitlines()[0]}") from error


def _objects(values: Iterable[tuple[int, Any]], path: str) -> Numbered:
    for number, value in values:
        if not isinstance(value, dict):
            raise InputError(f"{place(path, number)}: every record must be an object, got {_kind(value)}")
        yield number, value


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
