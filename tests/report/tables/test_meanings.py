from collections.abc import Iterator
from typing import Any

from bench.report.compare import quantities
from bench.report.compare.quantities import Quantity
from bench.report.tables import cost_quantities
from bench.report.tables.meanings import MEANINGS


def defined(value: Any) -> Iterator[str]:
    """Keys of the quantities in a module's constant."""
    if isinstance(value, Quantity):
        yield value.key
    elif isinstance(value, list | tuple):
        for item in value:
            yield from defined(item)
    elif isinstance(value, dict):
        yield from defined(list(value.values()))


def test_every_meaning_belongs_to_a_quantity_that_a_table_can_show() -> None:
    """A mistyped key would leave its sentence out without a word."""
    constants = [value for module in (quantities, cost_quantities) for value in vars(module).values()]
    keys = {key for value in constants for key in defined(value)}
    assert sorted(MEANINGS.keys() - keys) == []
