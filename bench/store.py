"""Run folders: where a cell's files lie, who may write there, and how a file is written: whole or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from bench.cell import Cell
from bench.errors import InputError
from bench.record import SCHEMA_VERSION, Record, schema_version_of

RECORD = "record.json"
RESERVE = ".reserve"
RESERVE_BYTES = 512 * 1024


class Busy(Exception):
    """Another supervisor is running this cell."""


def folder_of(runs: Path, study: str, cell: Cell) -> Path:
    """Where `cell` lives; the folder need not exist. Raises InputError as `Cell.key` does."""
    return runs / study / cell.folder_name()


def require_folder(path: Path) -> None:
    """Make the folder `path` if need be.

    Raises:
        InputError: it cannot be made, or not be written in.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        cause = None if os.access(path, os.W_OK) else os.strerror(errno.EACCES)
    except OSError as error:
        cause = os.strerror(error.errno) if error.errno is not None else str(error)
    if cause is not None:
        raise InputError(f"{path} cannot be written in ({cause}); give another folder with runs=...")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make `folder` if need be, and keep every other supervisor out of it, until this process ends at the latest.

    Raises:
        Busy: somebody else holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise Busy(f"{folder} is being run by another sweep") from None
    try:
        yield
    finally:
        lock.release()


def read_record(folder: Path) -> Record | None:
    """The folder's record, or None where there is none that was written to its end.

    Raises:
        InputError: a newer tunebench wrote it; nothing is overwritten.
    """
    try:
        text = (folder / RECORD).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    version = schema_version_of(text)
    if version is not None and version > SCHEMA_VERSION:
        raise InputError(
            f"{folder / RECORD} was written by a newer tunebench (schema {version}; this one knows up to "
            f"{SCHEMA_VERSION}). Upgrade tunebench, or give another folder with runs=..."
        )
    try:
        return Record.model_validate_json(text)
    except ValidationError:
        return None


def clear(folder: Path) -> None:
    """Remove what an earlier run of the cell left in its folder, except the lock that is held."""
    for path in folder.iterdir():
        if path.name == ".lock":
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def set_aside_broken(folder: Path) -> Path | None:
    """Rename a record that cannot be read, so that nothing is lost; gives its new path, or None if there is none."""
    path = folder / RECORD
    if not path.exists() or read_record(folder) is not None:
        return None
    aside = folder / "record.broken.json"
    path.replace(aside)
    return aside


def reserve(folder: Path) -> None:
    """Put room for a record aside, so that a cell that fills the disk can still say so."""
    with (folder / RESERVE).open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)


def write_record(folder: Path, record: Record) -> None:
    """Write the record, last of all files: in the room that was put aside for it, if there was any."""
    (folder / RESERVE).unlink(missing_ok=True)
    write_atomically(folder / RECORD, record.model_dump_json(indent=1) + "\n")


def disk_is_full(folder: Path) -> bool:
    """Whether there is next to no room left where `folder` lies. Libraries say so in many ways, if at all."""
    return shutil.disk_usage(folder).free < RESERVE_BYTES


def write_atomically(path: Path, text: str) -> None:
    """Write `text` so that after a crash at any moment `path` is the old file or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
