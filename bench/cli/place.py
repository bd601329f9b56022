"""Where a cell stands in its sweep, known to whichever process runs it."""

import json
import os
from collections.abc import Collection, Sequence

from hydra.conf import HydraConf

from bench.configuration import CONF
from bench.supervisor.progress import Place

VARIABLE = "TUNEBENCH_SWEEP"
"""Environment variable with the number of cells and the swept settings, which workers of any launcher inherit."""


def publish(total: int, swept: list[str]) -> None:
    """Let the processes that will run the sweep's `total` cells know of them, and of the settings that are `swept`."""
    os.environ[VARIABLE] = json.dumps({"total": total, "swept": swept})


def place_of(hydra: HydraConf) -> Place | None:
    """The place of the cell whose configuration has this `hydra` node; None if it is the only one."""
    if str(hydra.mode).rpartition(".")[2] != "MULTIRUN":
        return None
    known = json.loads(os.environ.get(VARIABLE, "{}"))
    return Place(
        number=hydra.job.num + 1,
        total=known.get("total"),
        label=label(hydra.overrides.task, known.get("swept", ())),
        in_order=hydra.launcher._target_.endswith("BasicLauncher"),
    )


def swept(cells: Sequence[Sequence[str]]) -> list[str]:
    """The settings that differ between `cells`, each given by its overrides."""
    settings = [dict(_pair(override) for override in overrides) for overrides in cells]
    keys = dict.fromkeys(key for cell in settings for key in cell)
    return [key for key in keys if len({cell.get(key) for cell in settings}) > 1]


def label(overrides: Sequence[str], swept: Collection[str]) -> str:
    """The swept values among a cell's `overrides`: a choice by itself, a number with its name, as in `lora seed 0`."""
    values = {key: value for key, value in map(_pair, overrides) if key in swept}
    return " ".join(
        value if (CONF / key).is_dir() else f"{key.rpartition('.')[2].replace('_', ' ')} {value}"
        for key, value in values.items()
    )


def _pair(override: str) -> tuple[str, str]:
    key, _, value = override.lstrip("+~").partition("=")
    return key, value
