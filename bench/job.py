"""A job: one cell together with where it runs, as composed by Hydra; and what is wrong with a composition, in words."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import PositiveFloat, ValidationError
from pydantic_core import ErrorDetails

from bench import store
from bench.cell import Cell
from bench.errors import InputError
from bench.settings import Name, Settings
from bench.telemetry import Telemetry
from bench.tracker import Tracker

CONF = "conf"


class Job(Settings):
    """A cell, and what does not change its result."""

    cell: Cell
    study: Name
    """A named set of cells that share a run folder and a report."""
    runs: str
    """The folder that holds all studies."""
    force: bool
    """Run the cell even if its record is complete."""
    timeout_s: PositiveFloat | None
    """End the cell after this long; null for never."""
    telemetry: Telemetry
    tracker: dict[str, Tracker]

    def folder(self) -> Path:
        """Where the cell's files lie."""
        return store.folder_of(Path(self.runs), self.study, self.cell)

    def title(self) -> str:
        """The cell in a few words."""
        cell = self.cell
        return f"{cell.model.name} {cell.method.name} {cell.dataset.name} seed {cell.seed}"


def job_of(config: DictConfig) -> Job:
    """The job that a composed configuration, its `hydra` node included, describes.

    Raises:
        InputError: it does not fit the schema; one line for each fault, each naming the key as the user would type it.
    """
    typed = [override.lstrip("+~").partition("=")[0] for override in config.hydra.overrides.task]
    choices = config.hydra.runtime.choices
    try:
        plain = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        content = cast(dict[str, Any], OmegaConf.to_container(plain, resolve=True, throw_on_missing=True))
    except OmegaConfBaseException as error:
        raise InputError(f"{error.full_key}: {str(error).splitlines()[0]}") from error
    _lay_over_method(content, content.pop("method_by_model", {}), typed)
    parts = {name: content.pop(name) for name in Cell.model_fields if name in content}
    try:
        return Job.model_validate({"cell": parts, **content})
    except ValidationError as error:
        known = {**parts, **content}
        raise InputError("\n".join(_sentence(fault, known, choices) for fault in error.errors())) from error


def _lay_over_method(content: dict[str, Any], by_model: dict[str, Any], typed: Sequence[str]) -> None:
    """Settings that an experiment gives a method for one model; what the user typed goes before them."""
    model, method = content.get("model", {}), content.get("method", {})
    own = by_model.get(model.get("name"), {}).get(method.get("name"), {})
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
    """The file that a setting is in."""
    # Of metrics and trackers a cell can have several, each by the name of its file.
    if len(path) > 1 and (Path(__file__).parents[1] / CONF / path[0] / f"{path[1]}.yaml").is_file():
        return f"{CONF}/{path[0]}/{path[1]}.yaml"
    if path and path[0] in choices:
        return f"{CONF}/{path[0]}/{choices[path[0]]}.yaml"
    return f"{CONF}/config.yaml"


def _demand(fault: ErrorDetails) -> str:
    context = fault.get("ctx", {})
    given = fault["input"]
    # A whole number that must be more than 0 is, for people, at least 1.
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
