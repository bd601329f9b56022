"""Turns a composed configuration into a job, or into one sentence for each fault in it."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bench.cell import Cell
from bench.configuration import CONF
from bench.errors import InputError
from bench.job import Job
from bench.settings import Settings


class MethodByModel(Settings):
    """Settings of methods that an experiment gives for one model: {model: {method: {setting: value}}}."""

    method_by_model: dict[str, dict[str, dict[str, Any]]]


def job_of(config: DictConfig) -> Job:
    """The job that a composed configuration describes. The configuration must include the `hydra` node.

    Raises:
        InputError: the configuration does not fit the schema. Each fault is a line that names the key as it is typed.
    """
    typed = [override.lstrip("+~").partition("=")[0] for override in as_typed(config)]
    choices = config.hydra.runtime.choices
    try:
        plain = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        content = cast(dict[str, Any], OmegaConf.to_container(plain, resolve=True, throw_on_missing=True))
    except OmegaConfBaseException as error:
        raise InputError(f"{error.full_key}: {str(error).splitlines()[0]}") from error
    given = {"method_by_model": content.pop("method_by_model", {})}
    parts = {name: content.pop(name) for name in Cell.model_fields if name in content}
    try:
        _override_method(parts, MethodByModel.model_validate(given).method_by_model, typed)
        return Job.model_validate({"cell": parts, **content})
    except ValidationError as error:
        known = {**parts, **content}
        raise InputError("\n".join(_sentence(fault, known, choices) for fault in error.errors())) from error


def as_typed(config: DictConfig) -> list[str]:
    """The overrides of a composed configuration, as they were typed."""
    # Not resolved: an interpolation that leads nowhere is reported where its setting is read.
    return cast(list[str], OmegaConf.to_container(config.hydra.overrides.task))


def _override_method(content: dict[str, Any], by_model: Mapping[str, Any], typed: Sequence[str]) -> None:
    """Apply an experiment's settings of the method for this model, except those that the user typed."""
    model, method = content.get("model", {}), content.get("method", {})
    own = by_model.get(str(model.get("name")), {}).get(str(method.get("name")), {})
    method |= {field: value for field, value in own.items() if f"method.{field}" not in typed}


def _sentence(fault: ErrorDetails, content: Mapping[str, Any], choices: Mapping[str, str]) -> str:
    path = [str(step) for step in fault["loc"] if step != "cell"]
    source = _source(path, choices)
    if fault["type"] == "extra_forbidden":
        around: Any = content
        for step in path[:-1]:
            around = around[step]
        accepted = ", ".join(key for key in around if key not in (path[-1], "_target_"))
        owner = ".".join(path[:-1]) or "the top level"
        return f"{'.'.join(path)}: there is no such setting; {owner} has {accepted} ({source})"
    return f"{'.'.join(path)}: {_demand(fault)} ({source})".removeprefix(": ")


def _source(path: Sequence[str], choices: Mapping[str, str]) -> str:
    """The file that holds a setting."""
    # A cell can have several metrics and trackers, each under the name of its file.
    if len(path) > 1 and (CONF / path[0] / f"{path[1]}.yaml").is_file():
        return f"conf/{path[0]}/{path[1]}.yaml"
    if path and path[0] in choices:
        return f"conf/{path[0]}/{choices[path[0]]}.yaml"
    return "conf/config.yaml"


def _demand(fault: ErrorDetails) -> str:
    context = fault.get("ctx", {})
    given = fault["input"]
    # People say "at least 1" where the schema says "more than 0".
    whole = isinstance(context.get("gt"), int)
    demands = {
        "greater_than": "must be at least {least}" if whole else "must be more than {gt}",
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
        "string_pattern_mismatch": (
            "must be letters, digits, underscores and inner dots, beginning with a letter or digit"
        ),
        "finite_number": "must be a finite number",
        "missing": "must be given",
    }
    if fault["type"] == "value_error":
        return str(context["error"])
    demand = demands.get(fault["type"])
    if demand is None:
        return f"{fault['msg'].removeprefix('Input ')}, got {given!r}"
    if whole:
        context = {**context, "least": context["gt"] + 1}
    return demand.format(**context) + ("" if fault["type"] == "missing" else f", got {given!r}")
