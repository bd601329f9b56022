"""Turns a composed configuration into a job."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import PositiveFloat, ValidationError

from bench.cell import Cell
from bench.cli.mistakes import sentence
from bench.cli.tuned import Names, covered, not_searched, put_into, require_same, tuned
from bench.errors import InputError
from bench.job import Job
from bench.model import name_of
from bench.settings import Settings
from bench.tuning.space import Space, flat, put

LEARNING_RATE = "learning_rate"
FACTOR = "learning_rate_factor"
NOT_OF_THE_CELL = {"method": "search", "model": FACTOR}
"""Settings in the YAML files of these groups that say how a search tries values, and change no cell."""


class ByModel(Settings):
    """Settings of methods that an experiment gives for one model: {model: {method: {setting: value}}}."""

    method_by_model: dict[str, dict[str, dict[str, Any]]]


class Searched(Settings):
    """What a search reads."""

    method: Space
    model: "ScaledModel"


class ScaledModel(Settings):
    """How a model's size shifts search spaces."""

    learning_rate_factor: PositiveFloat
    """How many times those of a model of a billion parameters its learning rates are."""


@dataclass(frozen=True)
class Composed:
    """A composed configuration, taken apart."""

    parts: dict[str, Any]
    """Of the cell."""
    others: dict[str, Any]
    """Settings of the job."""
    space: Space
    """What a search may give the method."""
    typed: tuple[str, ...]
    """The keys that were typed or swept."""

    @property
    def names(self) -> Names:
        """Of its model, method and data set."""
        model = self.parts.get("model", {})
        name = model.get("name") or name_of(str(model.get("path")))
        return {
            "model": str(name),
            **{part: str(self.parts.get(part, {}).get("name")) for part in ("method", "dataset")},
        }

    @property
    def trains(self) -> bool:
        """Whether the method trains anything."""
        return self.parts.get("method", {}).get(LEARNING_RATE) is not None


def job_of(config: DictConfig) -> Job:
    """The job that a composed configuration describes. The configuration must include the `hydra` node.

    Raises:
        InputError: the configuration does not fit the schema. Each fault is a line that names the key as it is typed.
    """
    composed = composition(config)
    parts, others = composed.parts, composed.others
    found, tuning = None, None
    if (study := others.get("tuned")) is not None:
        asked = str(study), Path(str(others.get("runs"))), composed.names
        found = tuned(*asked)
        if found is None and composed.trains and composed.space.search:
            raise InputError(not_searched(*asked))
        if found is not None:
            tuning = put_into(parts["method"], found, covered(found.search, composed.typed))
    with _sentences(config, parts | others):
        job = Job.model_validate({"cell": parts, "tuning": tuning, **others})
    if found is not None:
        require_same(job.cell, found)
    return job


def composition(config: DictConfig) -> Composed:
    """A composed configuration with what an experiment gives for its model, taken apart. Raises as `job_of`."""
    content = _plain(config)
    by_model = {"method_by_model": content.pop("method_by_model", {})}
    parts = {name: content.pop(name) for name in Cell.model_fields if name in content}
    typed = tuple(override.lstrip("+~").partition("=")[0] for override in as_typed(config))
    method, model = parts.get("method", {}), parts.get("model", {})
    with _sentences(config, {**parts, **content}):
        name = model.get("name") or name_of(str(model.get("path")))
        own = ByModel.model_validate(by_model).method_by_model.get(str(name), {}).get(str(method.get("name")), {})
        # What the user typed counts more than what an experiment gives for one model.
        configured = flat({name: value for name, value in method.items() if name not in ("name", "search")})
        method |= {field: value for field, value in own.items() if f"method.{field}" not in typed}
        for path in covered(configured, typed):
            put(method, path, configured[path])
        factor = model.pop(FACTOR, 1.0)
        if "model.path" in typed and f"model.{FACTOR}" not in typed:
            # The file's factor is that of the model that it names, such as the embedded one.
            factor = 1.0
        searched = Searched.model_validate(
            {"method": {"search": method.pop("search", None)}, "model": {FACTOR: factor}}
        )
    space = searched.method
    # A range that was given for this very model is meant as it is.
    if "search" not in own and not covered({f"search.{LEARNING_RATE}"}, typed):
        space = space.scaled(LEARNING_RATE, searched.model.learning_rate_factor)
    return Composed(parts, content, space, typed)


def as_typed(config: DictConfig) -> list[str]:
    """The overrides of a composed configuration, as they were typed."""
    # Not resolved: an interpolation that leads nowhere is reported where its setting is read.
    return cast(list[str], OmegaConf.to_container(config.hydra.overrides.task))


def _plain(config: DictConfig) -> dict[str, Any]:
    try:
        plain = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        return cast(dict[str, Any], OmegaConf.to_container(plain, resolve=True, throw_on_missing=True))
    except OmegaConfBaseException as error:
        raise InputError(f"{error.full_key}: {str(error).splitlines()[0]}") from error


@contextmanager
def _sentences(config: DictConfig, content: dict[str, Any]) -> Iterator[None]:
    """Raise what is wrong with `content` as InputError, a line for each fault."""
    try:
        yield
    except ValidationError as error:
        chosen = config.hydra.runtime.choices
        faults = dict.fromkeys(sentence(fault, content, chosen) for fault in error.errors())
        raise InputError("\n".join(faults)) from error
