"""Run folders: where a cell's files are, who may write there, and how a file is written: in full or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import Timeout
from pydantic import ValidationError

from bench.errors import InputError
from bench.lock import LOCK, exclusive, holder
from bench.record import SCHEMA_VERSION, Record, schema_version_of

RECORD = "record.json"
WRITTEN = (
    *(RECORD, "record.broken.json", "config.yaml", "events.jsonl", "log.txt", "predictions.jsonl"),
    *("telemetry.jsonl", "trace.json", "checkpoints", "adapter", "tensorboard", "wandb", ".job"),
)
"""What runs of a cell leave in its folder, besides temporary files. The record comes first: it is removed first."""
ADVICE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
}
"""What to do about a file that cannot be written, by the system's error number."""


def require_folder(path: Path) -> None:
    """Create the folder `path` unless it exists.

    Raises:
        InputError: it cannot be created, or not be written in.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        reason = None if os.access(path, os.W_OK) else os.strerror(errno.EACCES)
    except OSError as error:
        reason = error.strerror or str(error)
    if reason is not None:
        raise InputError(f"{path} cannot be written in ({reason}); give another folder with runs=...")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Create `folder` unless it exists, and lock it against other supervisors, at most until this process ends.

    Raises:
        InputError: it cannot be created or locked, or another supervisor has locked it.
    """
    require_folder(folder)
    with ExitStack() as held:
        try:
            held.enter_context(exclusive(folder))
        except Timeout:
            raise InputError(f"{folder} is being run by another sweep on {holder(folder)}") from None
        except (OSError, NotImplementedError) as error:
            raise InputError(f"{folder / LOCK} cannot be locked ({_reason(error)}); remove it and run again") from error
        yield


def read_record(folder: Path) -> Record | None:
    """The folder's record, or None if there is none or it was cut off.

    Raises:
        InputError: a newer tunebench wrote it, or it cannot be read. It is not overwritten.
    """
    path = folder / RECORD
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({_reason(error)}); make it readable, remove it, or give another folder with "
            "runs=..."
        ) from error
    version = schema_version_of(text)
    if version is not None and version > SCHEMA_VERSION:
        raise InputError(
            f"{path} was written by a newer tunebench (schema {version}; this one knows up to {SCHEMA_VERSION}). "
            "Upgrade tunebench, or give another folder with runs=..."
        )
    try:
        return Record.model_validate_json(text)
    except ValidationError:
        return None


def clear(folder: Path) -> list[str]:
    """Remove what earlier runs of the cell wrote in its folder; gives the names of everything else, which stays.

    The record goes first: what is left of a cell without one never counts as complete.

    Raises:
        InputError: the folder is a symbolic link. Links are removed, never followed.
    """
    if folder.is_symlink():
        raise InputError(f"{folder} is a symbolic link, and force=true removes nothing behind one; remove the link")
    temporary = sorted(path.name for path in folder.glob(".*.tmp"))
    for name in (*WRITTEN, *temporary):
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith(LOCK))


def set_aside_broken(folder: Path) -> Path | None:
    """Rename a record that was cut off, so that nothing is lost; gives its new path, or None if there is none."""
    path = folder / RECORD
    if not path.exists() or read_record(folder) is not None:
        return None
    aside = folder / "record.broken.json"
    path.replace(aside)
    return aside


def write_record(folder: Path, record: Record) -> None:
    """Write the record, last of all files."""
    write_atomically(folder / RECORD, record.model_dump_json(indent=1) + "\n")


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


def explain(error: OSError, folder: Path) -> str:
    """One sentence about a file that cannot be written: the one that `error` names, or one in `folder`."""
    advice = ADVICE.get(error.errno or 0, "allow it, or give another folder with runs=...")
    return f"{error.filename or folder}: {_reason(error)}; {advice}, and run again"


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
