import math
from typing import NamedTuple

from bench.telemetry.amount import Amount, MissingReasons, combine


def total(*parts: float) -> float:
    return math.fsum(parts)


def test_total_needs_every_part() -> None:
    assert combine(total, Amount(1.5), Amount(2.5)) == Amount(4.0)
    assert combine(total, Amount(1.5), Amount(None, "gpu_lost"), Amount(None, "hung")) == Amount(None, "gpu_lost")
    assert combine(total, Amount(0.0)) == Amount(0.0), "0 is a value"


class Figures(NamedTuple):
    energy_j: float | None
    peak_bytes: int | None
    name: str


def test_a_section_gets_values_and_the_reasons_go_to_the_record() -> None:
    missing = MissingReasons()
    filled = missing.fill(
        Figures, "power", energy_j=Amount(1234567.891234), peak_bytes=Amount(None, "hung"), name="Board"
    )
    assert filled == Figures(1234567.89, None, "Board")
    assert missing == {"power.peak_bytes": "hung"}
