"""How a node of the configuration becomes a typed, frozen object: strict types, no unknown keys, known classes."""

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

from bench import own_code

P = TypeVar("P", bound="Part")

LONGEST_NAME = 40
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=LONGEST_NAME)]
"""A name that is safe as a part of a folder's name: letters, digits, underscores, and dots and hyphens after these."""

Strings = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Strict(False)]
"""Any number of strings, none of them empty; YAML and JSON write them as a list."""


class Settings(BaseModel):
    """Validated settings with units in their names. Wrong types, unknown keys and infinity are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def identity(self) -> dict[str, Any]:
        """What a result depends on, as JSON: all settings, with the `identity` of those that contain settings.

        A class with paths of local files overrides this and puts the content of the files in place of their paths.

        Raises:
            InputError: a local file is missing.
        """
        return {field: _identity(getattr(self, field)) for field in type(self).model_fields}


class Part(Settings):
    """A part of a cell whose class a YAML file names with `_target_`, such as a method or a data set.

    Validating a mapping as `Method` gives the subclass that its `_target_` names. Serialising gives the mapping back,
    including `_target_`, so that a cell can be sent to its own process and written into its record.
    """

    name: Name

    @model_validator(mode="wrap")
    @classmethod
    def _as_target(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(value, dict) and "_target_" in value:
            fields = {key: field for key, field in value.items() if key != "_target_"}
            return _resolve(value["_target_"], cls).model_validate(fields)
        if isinstance(value, dict) and isabstract(cls):
            raise ValueError(f"_target_ must name a {cls.__name__}; it is missing")
        return handler(value)

    @model_serializer
    def _with_target(self) -> dict[str, Any]:
        return self._target() | {field: getattr(self, field) for field in type(self).model_fields}

    def identity(self) -> dict[str, Any]:
        """As for all settings, with the files of a class's package if it is the user's own code."""
        package = own_code.top_level(type(self).__module__)
        code = {} if package == own_code.OURS else {"_code_": own_code.contents(package)}
        return self._target() | code | super().identity()

    def _target(self) -> dict[str, Any]:
        return {"_target_": f"{type(self).__module__}.{type(self).__qualname__}"}


def _identity(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _identity(item) for name, item in value.items()}
    return value.identity() if isinstance(value, Settings) else value


def _resolve(target: Any, kind: type[P]) -> type[P]:
    """The class that `target` names: of this project, or of a package that the user allows by name."""
    named = own_code.load(target)
    if not (isinstance(named, type) and issubclass(named, kind)):
        raise ValueError(f"_target_ must name a {kind.__name__}, got {target!r}")
    return named
