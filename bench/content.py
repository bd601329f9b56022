"""Local files that a cell's result depends on: they count by their content, whatever they are called."""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from bench.errors import InputError


def digest(path: str | Path) -> str:
    """SHA-256 (hex) of the file's bytes, computed once per process as long as its size and time of change stay.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        file = Path(path).expanduser()
        status = file.stat()
        return _digest(file, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name an existing file") from error


def digests(folder: Path, patterns: Iterable[str]) -> list[list[str]]:
    """The path within `folder` and the digest of each file that matches one of the glob patterns, sorted by path."""
    files = sorted({file for pattern in patterns for file in folder.glob(pattern)})
    return [[str(file.relative_to(folder)), digest(file)] for file in files]


@cache
def _digest(path: Path, _bytes: int, _changed_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
