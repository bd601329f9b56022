"""A folder of the user's own tasks for the harness, by content."""

from collections.abc import Iterator
from glob import glob
from pathlib import Path
from typing import Any

import yaml

from bench.content import digest
from bench.errors import InputError

_DATA = ("data_files", "data_dir", "dataset_path")
"""The settings of a task that can name local files."""


class _Loader(yaml.SafeLoader):
    """Reads the harness's YAML files, and None for the Python functions that they name."""


_Loader.add_multi_constructor("!", lambda *_: None)


def contents(include_path: str) -> list[Any]:
    """The digest of each file of the folder, with its path there, and of each local data file that its tasks name.

    Raises:
        InputError: there is no such folder, or a file cannot be read.
    """
    folder = Path(include_path).expanduser()
    if not folder.is_dir():
        raise InputError(f"metric.lm_eval.include_path: must be a folder with tasks (YAML), got {include_path}")
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc")
    data = sorted({path for file in files if file.suffix == ".yaml" for path in _data_files(file)})
    return [*([str(file.relative_to(folder)), digest(file)] for file in files), *map(digest, data)]


def _data_files(task: Path) -> Iterator[str]:
    try:
        content = yaml.load(task.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError):
        # The harness says what is wrong with it.
        return
    for pattern in _named(content):
        for path in glob(pattern, recursive=True):
            within = Path(path).rglob("*") if Path(path).is_dir() else [Path(path)]
            yield from (str(file) for file in within if file.is_file())


def _named(content: Any, within: bool = False) -> Iterator[str]:
    """The strings under settings that can name files."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _named(value, within or key in _DATA)
    elif isinstance(content, list):
        for value in content:
            yield from _named(value, within)
    elif within and isinstance(content, str):
        yield content
