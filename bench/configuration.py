"""The YAML files of conf/: inside the package where it was installed from a wheel, beside it in a checkout."""

import re
from collections.abc import Sequence
from pathlib import Path

_INSTALLED = Path(__file__).with_name("conf")

CONF = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[1] / "conf"
"""The folder of YAML files that Hydra composes from."""


def search_path(arguments: Sequence[str]) -> list[Path]:
    """The folders that a command line searches for choices: tunebench's, and those of `hydra.searchpath=[file://...]`."""
    searched = [argument for argument in arguments if argument.startswith("hydra.searchpath=")]
    return [CONF, *(Path(folder) for folder in re.findall(r"file://([^,\]'\"]+)", " ".join(searched)))]


def choices(group: str, folders: Sequence[Path] = (CONF,)) -> list[str]:
    """The names that can be chosen for `group` in any of the folders; empty if there is no such group."""
    return sorted({file.stem for folder in folders for file in (folder / group).glob("*.yaml")})
