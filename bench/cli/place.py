"""Where a cell stands in its sweep, known to whichever process runs it."""

import json
import os
from collections.abc import Collection, Sequence

from hydra.conf import HydraConf

from bench.configuration import CONF
from bench.model import name_of
from bench.supervisor.progress import Place

VARIABLE = "TUNEBENCH_SWEEP"
"""Environment variable with the number of cells and the swept settings, which workers of any launcher inherit."""


def publish(cells: Sequence[Sequence[str]]) -> None:
    """Let the processes that will run `cells`, each given by its overrides, know of the whole sweep."""
    os.environ[VARIABLE] = json.dumps({"total": len(cells), "swept": swept(cells)})


def place_of(hydra: HydraConf) -> Place | None:
    """The place of the cell whose configuration has this `hydra` node; None if it is the only one, or not known."""
    if str(hydra.mode).rpartition(".")[2] != "MULTIRUN" or VARIABLE not in os.environ:
        return None
    known = json.loads(os.environ[VARIABLE])
    in_order = hydra.launcher._target_.endswith("BasicLauncher")
    # Workers of joblib keep the environment of the first batch.
    total = max(known["total"], hydra.job.num + 1)
    return Place(hydra.job.num + 1, total, label(hydra.overrides.task, known["swept"]), in_order)


def swept(cells: Sequence[Sequence[str]]) -> list[str]:
    """The settings that differ between `cells`, each given by its overrides."""
    settings = [dict(_pair(override) for override in overrides) for overrides in cells]
    keys = dict.fromkeys(key for cell in settings for key in cell)
    return [key for key in keys if len({cell.get(key) for cell in settings}) > 1]


def label(overrides: Sequence[str], swept: Collection[str]) -> str:
    """The swept values among a cell's `overrides`: a choice or a model by itself, others named, as in `lora seed 0`."""
    values = {key: value for key, value in map(_pair, overrides) if key in swept}
    return " ".join(_said(key, value) for key, value in values.items())


def _said(key: str, value: str) -> str:
    if key == "model.path":
        return name_of(value)
    return value if (CONF / key).is_dir() else f"{key.rpartition('.')[2].replace('_', ' ')} {value}"


def _pair(override: str) -> tuple[str, str]:
    key, _, value = override.lstrip("+~").partition("=")
    return key, value
