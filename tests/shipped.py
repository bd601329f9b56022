"""The choices in conf/, as a cell takes them."""

from typing import Any

from omegaconf import OmegaConf

from bench.cli.compose import NOT_OF_THE_CELL
from bench.configuration import CONF


def shipped(group: str, choice: str, **changes: Any) -> dict[str, Any]:
    """The settings of a choice with changes, without the one that says how a search tries values."""
    # Hydra's reader: for YAML alone, 1e-3 is a text.
    settings = OmegaConf.to_container(OmegaConf.load(CONF / group / f"{choice}.yaml"))
    assert isinstance(settings, dict)
    settings.pop(NOT_OF_THE_CELL.get(group, ""), None)
    return settings | changes
