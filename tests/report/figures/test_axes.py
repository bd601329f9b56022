import math

import pytest

from bench.report.compare.quantities import ENERGY
from bench.report.compare.setups import Estimate
from bench.report.figures.axes import axis_range, shown, time_unit
from bench.report.statistics.intervals import Interval


@pytest.mark.parametrize(
    ("seconds", "unit"),
    [
        (0.0, ("s", 1.0)),
        (600.0, ("s", 1.0)),
        (601.0, ("min", 60.0)),
        (14_400.0, ("min", 60.0)),
        (14_401.0, ("h", 3600.0)),
    ],
)
def test_times_are_shown_in_the_unit_that_suits_the_longest(seconds, unit):
    assert time_unit(seconds) == unit


def test_an_estimate_is_shown_in_the_unit_of_its_quantity():
    estimate = Estimate(2000.0, (1000.0, 3000.0), None, Interval(1000.0, 3000.0, "range"))
    assert shown(estimate, ENERGY) == Estimate(2.0, (1.0, 3.0), None, Interval(1.0, 3.0, "range"))
    missing = Estimate(None, (), "no GPU on this machine")
    assert shown(missing, ENERGY) == missing


@pytest.mark.parametrize(
    ("values", "most", "scale", "low", "high"),
    [
        ([1.0, 3.0], math.inf, "linear", 0.8, 3.2),
        ([2.0, 2.0], math.inf, "linear", 1.8, 2.2),
        ([0.0], math.inf, "linear", -0.1, 0.1),
        ([-1.0, 100.0], 10.0, "linear", -11.1, 110.1),
        ([1.0, 10.0], 10.0, "linear", 0.1, 10.9),
        ([1.0, 1024.0], 10.0, "log", 0.5, 2048.0),
    ],
)
def test_an_axis_has_room_for_its_values(values, most, scale, low, high):
    assert axis_range(values, 0.1, most) == (scale, (pytest.approx(low), pytest.approx(high)))
