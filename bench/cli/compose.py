"""Turns a composed configuration into a job."""

from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from bench.cell import Cell
from bench.cli.mistakes import sentence
from bench.errors import InputError
from bench.job import Job
from bench.model import name_of
from bench.settings import Settings


class MethodByModel(Settings):
    """Settings of methods that an experiment gives for one model: {model: {method: {setting: value}}}."""

    method_by_model: dict[str, dict[str, dict[str, Any]]]


def job_of(config: DictConfig) -> Job:
    """The job that a composed configuration describes. The configuration must include the `hydra` node.

    Raises:
        InputError: the configuration does not fit the schema. Each fault is a line that names the key as it is typed.
    """
    try:
        plain = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        content = cast(dict[str, Any], OmegaConf.to_container(plain, resolve=True, throw_on_missing=True))
    except OmegaConfBaseException as error:
        raise InputError(f"{error.full_key}: {str(error).splitlines()[0]}") from error
    given = {"method_by_model": content.pop("method_by_model", {})}
    parts = {name: content.pop(name) for name in Cell.model_fields if name in content}
    try:
        by_model = MethodByModel.model_validate(given).method_by_model
        model, method = parts.get("model", {}), parts.get("method", {})
        name = model.get("name") or name_of(str(model.get("path")))
        own = by_model.get(str(name), {}).get(str(method.get("name")), {})
        # What the user typed counts more than what an experiment gives for one model.
        typed = [override.lstrip("+~").partition("=")[0] for override in as_typed(config)]
        method |= {field: value for field, value in own.items() if f"method.{field}" not in typed}
        return Job.model_validate({"cell": parts, **content})
    except ValidationError as error:
        known, chosen = {**parts, **content}, config.hydra.runtime.choices
        raise InputError("\n".join(sentence(fault, known, chosen) for fault in error.errors())) from error


def as_typed(config: DictConfig) -> list[str]:
    """The overrides of a composed configuration, as they were typed."""
    # Not resolved: an interpolation that leads nowhere is reported where its setting is read.
    return cast(list[str], OmegaConf.to_container(config.hydra.overrides.task))
