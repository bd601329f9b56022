"""Local files that a result depends on are identified by their content, whatever they are called."""

import hashlib
import os
import stat
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from bench.errors import InputError


def digest(path: str | Path) -> str:
    """SHA-256 (hex) of the file's bytes. Computed again only if its size or modification time has changed.

    Raises:
        InputError: it cannot be read, or is something like a pipe, which can be read only once.
    """
    try:
        file = Path(os.path.expanduser(path))
        status = file.stat()
        if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
            return _digest(file, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name an existing file") from error
    raise InputError(f"{path}: is no file on disk, and each cell has to read it again; save it as a file first")


def digests(folder: Path, patterns: Iterable[str]) -> list[list[str]]:
    """The path within `folder` and the digest of each file, not folder, that matches a glob pattern, sorted by path."""
    files = sorted({file for pattern in patterns for file in folder.glob(pattern) if not file.is_dir()})
    return [[str(file.relative_to(folder)), digest(file)] for file in files]


@cache
def _digest(path: Path, _bytes: int, _changed_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
