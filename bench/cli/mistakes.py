"""Mistakes in what the user typed as sentences: what was given, what is accepted, and which file holds the setting."""

import difflib
import os
import re
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, cast

from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException
from pydantic_core import ErrorDetails

from bench.cli.arguments import SEVERAL
from bench.configuration import CONF, choices
from bench.report.wording import listed

DEMANDS = {
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "none_required": "must be null",
    "string_pattern_mismatch": "must be letters, digits, underscores, dots and hyphens, with a letter or digit first",
    "finite_number": "must be a finite number",
}
"""What a setting must be, by the type of pydantic's error."""

COMMANDS = ("data", "decide", "demo", "report", "tune")
"""The words that the command line may begin with."""
_NO_VALUE = re.compile(r"=,|,,|,$")
LAUNCHERS = {"submitit_slurm": "tunebench[slurm]", "joblib": "tunebench[joblib]"}
"""What to install for launchers that are packages of their own."""


def explain(error: Exception) -> str:
    """What Hydra refused, in one sentence with the choices that there are. A fault of tunebench is printed in full."""
    cause = error.__cause__ if isinstance(error, ConfigCompositionException) else error
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        if group == "hydra/launcher" and choice in LAUNCHERS:
            return f"hydra/launcher: {choice} is not installed; type: pip install '{LAUNCHERS[choice]}'"
        # Where a list of choices was given, Hydra does not say which ones exist.
        if group and (options := error.options or choices(group)):
            return f"{group}: there is no {choice!r}; choose one of {', '.join(options)}{_suggestion(choice, options)}"
    if isinstance(cause, OmegaConfBaseException) and (cause.full_key or cause.key):
        return _key(cause)
    if isinstance(error, OverrideParseException):
        if "=" not in str(error.override):
            if os.path.isfile(str(error.override)):
                return f"{error.override}: must be KEY=VALUE; for a data file, type dataset.train={error.override}"
            if close := difflib.get_close_matches(str(error.override), COMMANDS, n=1):
                return f"{error.override}: there is no such command. Did you mean `tunebench {close[0]}`?"
            return f"{error.override}: must be KEY=VALUE, such as method=lora; `tunebench --help` lists what there is"
        if _NO_VALUE.search(str(error.override)):
            return f"{error.override}: a value is missing next to a comma; separate values by commas alone, as in 0,1,2"
        return f"{error.override}: close all brackets, and quote special characters twice, as in 'KEY=\"VALUE\"'"
    if not isinstance(error, HydraException | OmegaConfBaseException | ValueError):
        traceback.print_exception(error)
        return f"This is a fault of tunebench ({type(error).__name__}: {error}); please report it with the lines above."
    # Hydra adds where it looked after a blank line.
    return str(error).strip().partition("\n\n")[0]


def _key(cause: OmegaConfBaseException) -> str:
    key = str(cause.full_key or cause.key)
    parent, _, name = key.rpartition(".")
    accepted = sorted(map(str, cause.parent_node)) if isinstance(cause.parent_node, DictConfig) else []
    accepted = [field for field in accepted if field not in ("_target_", "hydra")]
    if not accepted or not isinstance(cause, ConfigKeyError | ConfigAttributeError):
        return f"{key}: {str(cause).splitlines()[0]}"
    elsewhere = _elsewhere(name, cause.parent_node) if isinstance(cause.parent_node, DictConfig) else []
    hint = f". Did you mean {listed(elsewhere, 'or')}?" if elsewhere else _suggestion(name, accepted)
    chosen = cause.parent_node.get("name") if isinstance(cause.parent_node, DictConfig) else None
    return f"{_no_such_setting(key, f'{parent}={chosen}' if chosen else parent, accepted)}{hint}"


def _elsewhere(name: str, node: DictConfig) -> list[str]:
    """The settings of that name in the whole configuration that `node` is a part of, such as `method.learning_rate`."""
    root = cast(DictConfig, node._get_root())
    groups = [
        str(group) for group, part in root.items_ex(resolve=False) if isinstance(part, DictConfig) and name in part
    ]
    return [f"{group}.{name}" for group in groups if group != "hydra"] + ([name] if name in root else [])


def sentence(fault: ErrorDetails, content: Mapping[str, Any], chosen: Mapping[str, str]) -> str:
    """What is wrong with a setting of `content`, and the file that holds it, given the choice of each group."""
    path = [str(step) for step in fault["loc"] if step != "cell"]
    key, source = ".".join(path), _source(path, chosen)
    if fault["type"] == "extra_forbidden":
        around: Any = content
        for step in path[:-1]:
            around = around[int(step) if isinstance(around, list) else step]
        accepted = [field for field in around if field not in (path[-1], "_target_")]
        return f"{_no_such_setting(key, '.'.join(path[:-1]), accepted)} ({source})"
    if len(path) == 2 and path[0] in SEVERAL and "_target_" in content[path[0]]:
        line = f"`# @package {path[0]}.NAME`"
        return f"{path[0]}: the first line of a file of conf/{path[0]} must be {line}, with its name as NAME"
    return f"{key}: {demand(fault)} ({source})".removeprefix(": ")


def demand(fault: ErrorDetails) -> str:
    """What a setting must be, and what was given."""
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "missing":
        return "must be given"
    if kind == "greater_than" and isinstance(context["gt"], int):
        # People say "at least 1" where the schema says "more than 0".
        kind, context = "greater_than_equal", {"ge": context["gt"] + 1}
    demand = DEMANDS[kind].format(**context) if kind in DEMANDS else fault["msg"].removeprefix("Input ")
    return f"{demand}, got {fault['input']!r}"


def _source(path: Sequence[str], chosen: Mapping[str, str]) -> str:
    # A cell can have several metrics and trackers, each under the name of its file.
    if len(path) > 1 and (CONF / path[0] / f"{path[1]}.yaml").is_file():
        return f"conf/{path[0]}/{path[1]}.yaml"
    if path and path[0] in chosen:
        return f"conf/{path[0]}/{chosen[path[0]]}.yaml"
    return "conf/config.yaml"


def _no_such_setting(key: str, owner: str, accepted: Sequence[str]) -> str:
    return f"{key}: there is no such setting; {owner or 'the top level'} has {', '.join(accepted)}"


def _suggestion(name: str, accepted: Sequence[str]) -> str:
    renamed = name.replace("validation", "test")
    close = [renamed] if renamed != name and renamed in accepted else difflib.get_close_matches(name, accepted, n=1)
    return f". Did you mean {close[0]}?" if close else ""
