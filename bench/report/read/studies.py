"""Finds the studies. Imports nothing slow, so that an unchanged report is recognised at once."""

import difflib
import re
from pathlib import Path

from bench.errors import InputError

TRACES = 36
"""How many cells are shown over time by default: twelve with three seeds. A figure takes half a second to draw."""

TRIALS = "-tune"
"""At the end of the name of the study that has a search's trials."""


def find_studies(runs: Path, name: str | None = None) -> list[Path]:
    """The folder of every study under `runs`, or of the one called `name`, in the order of their names.

    Raises:
        InputError: there is no such folder, no study in it or no study of that name, or `runs` is a study itself.
    """
    folders = sorted((entry for entry in visible(runs) if entry.is_dir()), key=lambda entry: natural(entry.name))
    if not folders:
        raise InputError(
            f"{runs} holds no runs: run `tunebench -m model=tiny method=baseline,lora` first, "
            "or name another folder with --runs."
        )
    if any((folder / "record.json").is_file() for folder in folders):
        here = runs.resolve()
        raise InputError(f"{runs} is one study: report it with --runs {here.parent} --study {here.name}")
    known = [folder.name for folder in folders]
    if name is not None and name not in known:
        close = difflib.get_close_matches(Path(name).name, known, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise InputError(f"--study: {runs} holds no study {name!r}, only {', '.join(known)}.{hint}")
    return [folder for folder in folders if name is None or folder.name == name]


def strays(runs: Path) -> list[Path]:
    """Files among the studies."""
    return sorted(entry for entry in visible(runs) if not entry.is_dir())


def visible(folder: Path) -> list[Path]:
    """The entries of a folder that are not hidden, in no order; none if there is no such folder."""
    try:
        return [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []


def natural(text: str) -> list[tuple[float, str]]:
    """A key that sorts numbers inside text as numbers: rank=8 before rank=16."""
    parts = re.split(r"(\d+(?:\.\d+)?(?:e-?\d+)?)", text)
    return [(float(part), "") if index % 2 else (-1.0, part) for index, part in enumerate(parts)]
