"""The cells of a sweep, each given by its overrides, before any of them starts."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.utils import get_class
from omegaconf import DictConfig

from bench.cli.compose import as_typed
from bench.errors import InputError

Point = list[str]
"""All overrides of one cell, as Hydra's launchers get them."""

OURS = "hydra_plugins.tunebench_"


def points(config: DictConfig) -> list[Point]:
    """Every cell that the chosen sweeper may launch, in order. `config` is the composed configuration of a multirun.

    Raises:
        InputError: the sweeper is neither Hydra's basic one nor one of tunebench's, or refuses what was typed.
    """
    name = config.hydra.sweeper._target_
    if name.endswith(".BasicSweeper"):
        return grid(config)
    if name.startswith(OURS):
        sweeper: Any = get_class(name)
        return list(sweeper.points(config))
    raise InputError(f"hydra/sweeper: only Hydra's basic sweeper can be used, got {name}; leave this option out")


def grid(config: DictConfig) -> list[Point]:
    """Every combination of the values that were typed or that an experiment sweeps, as Hydra's basic sweeper has it."""
    swept = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    loader = GlobalHydra.instance().config_loader()
    overrides = OverridesParser.create(config_loader=loader).parse_overrides([*swept, *as_typed(config)])
    return list(chain.from_iterable(BasicSweeper.split_arguments(overrides, max_batch_size=None)))


def composed(config: DictConfig, cells: list[Point]) -> Iterator[DictConfig]:
    """The configuration of each of these cells, as a launcher will compose it."""
    loader = GlobalHydra.instance().config_loader()
    return (loader.load_sweep_config(config, cell) for cell in cells)
