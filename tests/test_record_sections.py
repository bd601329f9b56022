import math

import pytest
from pydantic import ValidationError

from bench.record import Record


def test_the_scored_split_is_test_or_tune(record: Record) -> None:
    assert record.data is not None
    on_tune = record.data.model_copy(update={"scored_on": "tune"})
    for data, expected in ((record.data, (8, 3, 64 * "b")), (on_tune, (5, 2, 64 * "c"))):
        assert (data.n_scored, data.n_clusters_scored, data.scored_fingerprint) == expected


@pytest.mark.parametrize("field", ["start_s", "seconds"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-0.1, "Input should be greater than or equal to 0"),
        (1e300, "Input should be less than or equal to 31622400"),
        (math.inf, "Input should be a finite number"),
        (math.nan, "Input should be a finite number"),
    ],
)
def test_the_time_of_a_phase_is_bounded(record: Record, field: str, value: float, message: str) -> None:
    content = record.model_dump(mode="json")
    content["phases"][0][field] = value
    with pytest.raises(ValidationError) as caught:
        Record.model_validate(content)
    (error,) = caught.value.errors()
    assert (error["loc"], error["msg"]) == (("phases", 0, field), message)
