"""Code of the user's own that a configuration names: which packages may be imported, and what is in them."""

import os
import sys
from collections.abc import Iterator
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.content import digest, digests
from bench.errors import first_line

VARIABLE = "TUNEBENCH_ALLOW"
"""Environment variable with the packages and modules whose code may run, separated by commas.

It is no setting, so that a configuration from somebody else cannot allow its own code.
"""
OURS = "bench"


def load(target: Any) -> Any:
    """What `target`, such as `package.module.Class`, names in tunebench or in an allowed package.

    Raises:
        ValueError: it is no such name, its package is not allowed, or it cannot be imported.
    """
    if not isinstance(target, str) or "." not in target:
        raise ValueError(f"_target_ must name a class as package.module.Class, got {target!r}")
    if (package := top_level(target)) != OURS:
        _require_allowed(package, target)
        _look_in_current_folder()
    module, _, attribute = target.rpartition(".")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"_target_ names no class: {target!r} ({error})") from error
    # The user's code can raise anything while it is imported.
    except (Exception, SystemExit) as error:
        raise ValueError(f"_target_ cannot be imported: {target!r} ({first_line(error)})") from error


def top_level(target: str) -> str:
    """The package or module that a dotted name begins with."""
    return target.partition(".")[0]


def contents(package: str) -> list[list[str]]:
    """The Python files of an imported package, or of a module that is one file, with their digests."""
    module = sys.modules[package]
    if folders := list(getattr(module, "__path__", [])):
        return [entry for folder in folders for entry in digests(Path(folder), ["**/*.py"])]
    file = Path(str(module.__file__))
    return [[file.name, digest(file)]]


def versions(configuration: Any) -> dict[str, str]:
    """The packages outside tunebench that `_target_` names anywhere in a configuration, with a hash of their files."""
    packages = sorted({top_level(target) for target in _targets(configuration)} - {OURS})
    return {package: f"sha256:{sha256(repr(contents(package)).encode()).hexdigest()[:16]}" for package in packages}


def _targets(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        if isinstance(target := content.get("_target_"), str):
            yield target
        for value in content.values():
            yield from _targets(value)


def _require_allowed(package: str, target: str) -> None:
    allowed = [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]
    if package not in allowed:
        raise ValueError(
            f"_target_ must name a class of tunebench, got {target!r}; to let the code of {package} run with your "
            f"rights, start the command with {VARIABLE}={','.join([*allowed, package])}"
        )


def _look_in_current_folder() -> None:
    """Import from the current folder, too, as `python -m` does by itself and the `tunebench` command does not.

    Processes that this one forks get its path.
    """
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())
