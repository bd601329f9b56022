"""Search spaces: the values that a search may give a method's settings, and how they are drawn."""

import json
import math
import random
import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, PlainSerializer, model_validator

from bench.settings import Settings

DIGITS = 3
"""Significant digits of drawn numbers, so that what was tried can be read and typed."""
ACCEPTED = "log(LOW, HIGH), uniform(LOW, HIGH), int(LOW, HIGH) or a list of values"
_RANGE = re.compile(r"(log|uniform|int)\(\s*([^\s,]+)\s*,\s*([^\s,]+)\s*\)")


class Range(Settings):
    """The numbers from `low` to `high`, both included."""

    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"LOW must be less than HIGH, got {self}")
        return self

    @abstractmethod
    def at(self, quantile: float) -> Any:
        """The value below which this share (0 to 1) of the draws lies."""


class Log(Range):
    """Numbers whose logarithms are spread evenly."""

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if self.low <= 0:
            raise ValueError(f"LOW must be more than 0, got {self}")
        return self

    def at(self, quantile: float) -> float:
        return _rounded(self, self.low * (self.high / self.low) ** quantile)

    def times(self, factor: float) -> "Log":
        """The range with both ends multiplied."""
        return Log(low=_short(self.low * factor), high=_short(self.high * factor))

    def __str__(self) -> str:
        return f"log({self.low:g}, {self.high:g})"


class Uniform(Range):
    """Numbers that are spread evenly."""

    def at(self, quantile: float) -> float:
        return _rounded(self, self.low + quantile * (self.high - self.low))

    def times(self, factor: float) -> "Uniform":
        """The range with both ends multiplied."""
        return Uniform(low=_short(self.low * factor), high=_short(self.high * factor))

    def __str__(self) -> str:
        return f"uniform({self.low:g}, {self.high:g})"


class Whole(Range):
    """Whole numbers, each as often as the others."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.low % 1 or self.high % 1:
            raise ValueError(f"LOW and HIGH must be whole numbers, got {self}")
        return self

    def at(self, quantile: float) -> int:
        return int(self.low) + min(int(quantile * (self.high - self.low + 1)), int(self.high - self.low))

    def times(self, factor: float) -> "Whole":
        """The same: whole numbers are counts, which no model's size scales."""
        return self

    def __str__(self) -> str:
        return f"int({self.low:g}, {self.high:g})"


class OneOf(Settings):
    """Values, each drawn as often as the others."""

    values: tuple[Any, ...]

    @model_validator(mode="after")
    def _any(self) -> Self:
        if not self.values:
            raise ValueError("a list must have at least one value, got []")
        return self

    def at(self, quantile: float) -> Any:
        """The value at this share (0 to 1) of the list."""
        return self.values[min(int(quantile * len(self.values)), len(self.values) - 1)]

    def times(self, factor: float) -> "OneOf":
        """The list with every number multiplied."""
        numbers = (int | float,)
        return OneOf(
            values=tuple(_short(each * factor) if isinstance(each, *numbers) else each for each in self.values)
        )

    def __str__(self) -> str:
        return f"[{', '.join(map(spelled, self.values))}]"


Choice = Log | Uniform | Whole | OneOf


def choice(given: Any) -> Choice:
    """The range or list that a YAML file or the command line writes, such as `log(1e-5, 1e-2)` or `[4, 8, 16]`.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(given, Choice):
        return given
    if isinstance(given, list | tuple):
        return OneOf(values=tuple(given))
    kinds: dict[str, type[Log | Uniform | Whole]] = {"log": Log, "uniform": Uniform, "int": Whole}
    if isinstance(given, str) and (match := _RANGE.fullmatch(given.strip())):
        try:
            low, high = map(float, match.group(2, 3))
        except ValueError:
            pass
        else:
            if math.isfinite(low) and math.isfinite(high):
                return kinds[match.group(1)](low=low, high=high)
    cut = isinstance(given, str) and "(" in given and ")" not in given
    hint = (
        "; in braces, YAML ends a value at its comma: put it into quotation marks or on a line of its own"
        if cut
        else ""
    )
    raise ValueError(f"must be {ACCEPTED}, got {given!r}{hint}")


def spelled(value: Any) -> str:
    """A value as it is typed on the command line, such as `null` or `["q_proj"]`."""
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z_][\w.-]*", value)
    return str(value) if plain else json.dumps(value)


Written = Annotated[Choice, BeforeValidator(choice), PlainSerializer(str)]
Nested = dict[str, Any]


def flat(settings: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """The items of nested mappings by their dotted paths."""
    items: dict[str, Any] = {}
    for name, value in settings.items():
        inner = f"{path}.{name}" if path else name
        items |= flat(value, inner) if isinstance(value, Mapping) else {inner: value}
    return items


def put(settings: dict[str, Any], path: str, value: Any) -> None:
    """Set what a dotted path names within nested mappings, which are copied on the way."""
    name, _, rest = path.partition(".")
    if rest:
        settings[name] = dict(settings.get(name) or {})
        put(settings[name], rest, value)
    else:
        settings[name] = value


class Space(Settings):
    """What a search may give a method's settings, by their dotted paths within the method, such as `learning_rate`."""

    search: dict[str, Written]

    @model_validator(mode="before")
    @classmethod
    def _by_path(cls, given: Any) -> Any:
        search = given.get("search") if isinstance(given, dict) else None
        return {"search": flat(search)} if isinstance(search, dict) else {"search": search or {}}

    def draw(self, seed: int, method: str, trial: int) -> dict[str, Any]:
        """The settings of one trial. They depend on these arguments alone: more trials leave the earlier ones as they
        are, and another range for one setting leaves the others as they are.
        """
        return {
            path: values.at(random.Random(f"{seed}/{method}/{trial}/{path}").random())
            for path, values in self.search.items()
        }

    def without(self, paths: set[str]) -> "Space":
        """The space without these settings."""
        return self.model_copy(update={"search": {path: it for path, it in self.search.items() if path not in paths}})

    def scaled(self, path: str, factor: float) -> "Space":
        """The space with the values of one setting multiplied."""
        kept = {each: it.times(factor) if each == path else it for each, it in self.search.items()}
        return self.model_copy(update={"search": kept})

    def written(self) -> dict[str, str]:
        """Each setting's values as text, such as `{'learning_rate': 'log(1e-05, 0.01)'}`."""
        return {path: str(values) for path, values in self.search.items()}


def _short(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")


def _rounded(values: Range, number: float) -> float:
    return min(max(_short(number), values.low), values.high)
