"""Values of the record that can be missing, each with the reason why."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

S = TypeVar("S")


def rounded(value: float) -> float:
    """`value` with at most nine digits, six of them after the point: no sensor gives more, and sums err in the rest."""
    return round(float(f"{value:.9g}"), 6)


class Amount(NamedTuple):
    """A value, or why there is none."""

    value: Any
    reason: str = ""


def combine(function: Callable[..., Any], *amounts: Amount) -> Amount:
    """`function` of the values, or the first reason why one of them is missing."""
    reason = next((amount.reason for amount in amounts if amount.value is None), None)
    return Amount(function(*(amount.value for amount in amounts))) if reason is None else Amount(None, reason)


class MissingReasons(dict[str, str]):
    """Dotted path in the record to the reason why there is no value."""

    def fill(self, section: type[S], path: str, **fields: Any) -> S:
        """The section at `path`, with the rounded value of each `Amount`; the reason is noted where it has none."""
        for name, amount in fields.items():
            if isinstance(amount, Amount):
                if amount.value is None:
                    self[f"{path}.{name}"] = amount.reason
                fields[name] = rounded(amount.value) if isinstance(amount.value, float) else amount.value
        return section(**fields)
