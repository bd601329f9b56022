"""The YAML files of conf/: inside the package where it was installed from a wheel, beside it in a checkout."""

from pathlib import Path

_INSTALLED = Path(__file__).with_name("conf")

CONF = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[1] / "conf"
"""The folder of YAML files that Hydra composes from."""


def choices(group: str) -> list[str]:
    """The names that can be chosen for `group`; empty if there is no such group."""
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))
