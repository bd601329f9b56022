"""How a node of the configuration becomes a typed, frozen object: strict types, no unknown keys, no foreign classes."""

from importlib import import_module
from inspect import isabstract
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    Strict,
    model_serializer,
    model_validator,
)

P = TypeVar("P", bound="Part")

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.]*$", max_length=40)]
"""A name that is safe as a part of a folder's name: letters, digits, underscores and inner dots."""

Strings = Annotated[tuple[str, ...], Strict(False)]
"""Any number of strings; written as a list in YAML and JSON, which know no tuples."""


class Settings(BaseModel):
    """Validated settings. Units stand in the field names; wrong types, unknown keys and infinity are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Part(Settings):
    """A part of a cell whose class a YAML file names with `_target_`, such as a method or a data set.

    Validating a mapping as `Method` gives the subclass that its `_target_` names; serialising gives the mapping back,
    `_target_` included, so that a cell survives the way to its own process and into its record.
    """

    name: Name

    @model_validator(mode="wrap")
    @classmethod
    def _as_target(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(value, dict) or "_target_" not in value:
            if isinstance(value, dict) and isabstract(cls):
                raise ValueError(f"_target_ must name a {cls.__name__}; it is missing")
            return handler(value)
        fields = {key: field for key, field in value.items() if key != "_target_"}
        return _resolve(value["_target_"], cls).model_validate(fields)

    @model_serializer
    def _with_target(self) -> dict[str, Any]:
        target = f"{type(self).__module__}.{type(self).__qualname__}"
        return {"_target_": target} | {field: getattr(self, field) for field in type(self).model_fields}


def _resolve(target: Any, kind: type[P]) -> type[P]:
    """The class that `target` names. Only classes of this project are imported: a configuration is data, not code."""
    if not isinstance(target, str) or not target.startswith("bench."):
        raise ValueError(f"_target_ must name a class of this project (bench. ...), got {target!r}")
    module, _, attribute = target.rpartition(".")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"_target_ names no class: {target!r} ({error})") from error
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise ValueError(f"_target_ must name a {kind.__name__}, got {target!r}")
    return found
