import math

import pytest

from bench.telemetry.gather import Gathered, Reasons, SampleColumn
from bench.telemetry.reading import Reading


def test_samples_that_go_back_in_time_are_left_out() -> None:
    column = SampleColumn()
    for t_s, value in ((1.0, 10.0), (1.0, 20.0), (0.5, 30.0), (2.0, 40.0)):
        column.add(t_s, value)
    assert (list(column.t_s), list(column.value)) == ([1.0, 2.0], [10.0, 40.0])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"^readings hold finite numbers only, got (nan|inf) at 1\.0 s$"):
        SampleColumn().add(1.0, value)


def test_only_what_the_record_needs_is_kept() -> None:
    answer = {"power_w": 300.0, "temperature_c": 50, "throttle_reasons": ["hot", "tired"], "event_reasons": 4}
    gathered = Gathered.of([Reading("gpu", 1.0, values={"devices": {"GPU-a": answer}})])
    columns = {field: list(column.value) for (_, field), column in gathered.gpu.columns.items()}
    assert columns == {"power_w": [300.0], "throttle_reasons": [0.0]}
    assert gathered.gpu.combinations == {("hot", "tired"): 0}


def test_a_reason_holds_from_when_it_was_given_until_it_was_taken_back() -> None:
    reasons = Reasons()
    reasons.note(1.0, {"power_w": "implausible"})
    reasons.note(2.0, {"power_w": None, "energy_j": "not_supported"})
    assert reasons.during(0.0, 0.9, ["power_w"]) is None
    assert reasons.during(1.5, 1.6, ["power_w"]) == "implausible"
    assert reasons.during(2.5, 2.6, ["power_w", "energy_j"]) == "not_supported"
