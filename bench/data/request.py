"""From what was typed to a composed configuration, as the main command composes it."""

import os
from collections.abc import Sequence

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from bench.cli.arguments import in_order
from bench.configuration import CONF
from bench.errors import InputError

SEVERAL = "{}: this command shows one data set at a time; give one value, or write a list in brackets, as in [0,1]"
FILES = ("dataset.train", "dataset.tune", "dataset.test")


def composed(typed: Sequence[str]) -> DictConfig:
    """The configuration of one cell, with the `hydra` node.

    Raises:
        InputError: a flag was given, several values for one setting, or a file instead of a setting.
        HydraException: a group, choice or setting does not exist.
    """
    for argument in typed:
        if argument.startswith("-"):
            raise InputError(f"{argument}: this command takes no flags but --help; it shows one data set at a time")
        if "=" not in argument and os.path.exists(os.path.expanduser(argument)):
            raise InputError(f"{argument}: must be KEY=VALUE; for a data file, type dataset.train={argument}")
    _, *overrides = in_order(typed, SEVERAL)
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        return compose("config", overrides, return_hydra_config=True)


def sources(typed: Sequence[str]) -> dict[str, str]:
    """The data files among overrides that do not compose."""
    given = (override.partition("=")[::2] for override in typed)
    return {key.removeprefix("dataset."): value for key, value in given if key in FILES}
