"""What a report was made from and what it consists of, so that a report that would not change is not written again."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.report.read.studies import TRIALS, visible

STAMP = ".stamp.json"
"""Beside index.html. Removed before a report is written and written last, so that its presence means a whole report."""
CODE = Path(__file__).parents[1]
"""bench/: the report uses more than its own folder."""
LIBRARIES = ("jinja2", "markupsafe", "matplotlib", "numpy", "pydantic", "scipy")
"""Libraries whose versions can change a report's bytes."""

NONE: Mapping[str, str] = MappingProxyType({})


def inputs(study: Path, options: Mapping[str, Any]) -> str:
    """A digest of everything that the report of the runs in `study` depends on.

    Files of the runs count by size and time of change, the project's code by content.
    """
    return _digest_of((*_runs(study), *_code(), *_libraries(), repr(sorted(options.items()))))


def searches(runs: Path) -> dict[str, str]:
    """A digest of the files of each search under `runs`, by the name of its study: other studies' reports read them."""
    digests = {}
    for folder in visible(runs):
        if folder.name.endswith(TRIALS):
            # One that cannot be read is as good as missing
            with contextlib.suppress(OSError):
                digests[folder.name] = _digest_of(_runs(folder))
    return digests


def write(
    report: Path, made_from: str, said: Mapping[str, Any], beside: Mapping[str, str | None] | None = None
) -> None:
    """Note that the files in `report` are complete and made from the inputs with this digest; `said` is any JSON.

    Args:
        report: the folder of the report.
        made_from: as `inputs` gives it.
        said: what the user was told.
        beside: of the searches that were read, the digests that `searches` gives; None for one that was missing.

    Raises:
        OSError: the file cannot be written.
    """
    content = {"inputs": made_from, "searches": beside or {}, "outputs": _outputs(report), "said": said}
    (report / STAMP).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def remove(report: Path) -> None:
    """Note that the files in `report` are about to change."""
    if (report / STAMP).exists():
        (report / STAMP).unlink()


def read(report: Path, made_from: str, beside: Mapping[str, str] = NONE) -> Mapping[str, Any] | None:
    """What was `said` of the report if it is unchanged and was made from these inputs, otherwise None.

    `beside` has the digests of all searches as they are now; those that the report has read must be the same.
    """
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        content = json.loads((report / STAMP).read_bytes())
        files = content["outputs"]
        whole = files and all(files[name] == _digest(report / name) for name in files)
        same = all(beside.get(name) == digest for name, digest in content["searches"].items())
        if content["inputs"] == made_from and same and whole:
            said: Mapping[str, Any] = content["said"]
            return said
    return None


def _digest_of(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def _runs(study: Path) -> Iterator[str]:
    """The study's files and those of its cells, but not of folders inside cells: nothing of these is reported."""
    for entry in sorted(visible(study)):
        yield from _facts(entry, study)
        if entry.is_dir():
            for path in sorted(visible(entry)):
                yield from _facts(path, study)


def _facts(path: Path, above: Path) -> Iterator[str]:
    try:
        facts = path.stat()
        # A folder's time changes with files that nobody reads
        changed = "a folder" if path.is_dir() else f"{facts.st_size} {facts.st_mtime_ns}"
    except OSError as error:
        changed = type(error).__name__
    yield f"{path.relative_to(above)} {changed}"


def _code() -> Iterator[str]:
    for path in sorted(CODE.rglob("*")):
        own = path.suffix == ".py" or Path(__file__).parent in path.parents
        if own and path.is_file() and path.parent.name != "__pycache__":
            yield f"{path.relative_to(CODE)} {_digest(path)}"


def _libraries() -> Iterator[str]:
    for name in LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            yield f"{name} {version(name)}"


def _outputs(report: Path) -> dict[str, str]:
    files = (Path(folder, name) for folder, _, names in os.walk(report) for name in names if not name.startswith("."))
    return {str(path.relative_to(report)): _digest(path) for path in files}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
