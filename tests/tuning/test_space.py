"""Search spaces: how they are written, and what is drawn from them."""

import math
from typing import Any

import pytest
from pydantic import ValidationError

from bench.tuning.space import Log, OneOf, Space, Uniform, Whole, choice

LORA = {"search": {"learning_rate": "log(1e-5, 1e-2)", "rank": [4, 8, 16]}}
ACCEPTED = "must be log(LOW, HIGH), uniform(LOW, HIGH), int(LOW, HIGH) or a list of values"


@pytest.mark.parametrize(
    ("written", "values", "quantile", "value"),
    [
        ("log(1e-4, 1e-2)", Log(low=1e-4, high=1e-2), 0.5, 1e-3),
        ("log(1e-4,1e-2)", Log(low=1e-4, high=1e-2), 0.0, 1e-4),
        ("uniform(0, 0.4)", Uniform(low=0.0, high=0.4), 0.25, 0.1),
        ("int(2, 5)", Whole(low=2.0, high=5.0), 0.26, 3),
        ("int(2, 5)", Whole(low=2.0, high=5.0), 0.9999, 5),
        ([4, 8, 16], OneOf(values=(4, 8, 16)), 0.34, 8),
        (["q_proj", "all-linear"], OneOf(values=("q_proj", "all-linear")), 0.99, "all-linear"),
    ],
)
def test_values_as_they_are_written_and_drawn(written: Any, values: Any, quantile: float, value: Any) -> None:
    assert choice(written) == values
    assert values.at(quantile) == pytest.approx(value)
    assert type(values.at(quantile)) is type(value)


def test_drawn_numbers_have_three_digits_and_stay_inside() -> None:
    assert Log(low=1e-5, high=1e-2).at(0.123456) == 2.35e-5
    assert Log(low=1.2345e-5, high=1e-2).at(0.0) == 1.2345e-5


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("log(0, 1)", "LOW must be more than 0, got log(0, 1)"),
        ("uniform(1, 1)", "LOW must be less than HIGH, got uniform(1, 1)"),
        ("int(1.5, 3)", "LOW and HIGH must be whole numbers, got int(1.5, 3)"),
        ([], "a list must have at least one value, got []"),
        ("log(a, b)", f"{ACCEPTED}, got 'log(a, b)'"),
        ("log(1, inf)", f"{ACCEPTED}, got 'log(1, inf)'"),
        (3, f"{ACCEPTED}, got 3"),
        (
            "log(1e-5",
            f"{ACCEPTED}, got 'log(1e-5'; in braces, YAML ends a value at its comma: put it into quotation marks or "
            "on a line of its own",
        ),
    ],
)
def test_what_is_no_range(written: Any, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Space.model_validate({"search": {"learning_rate": written}})
    (fault,) = caught.value.errors()
    assert fault["loc"] == ("search", "learning_rate")
    assert fault["msg"] == f"Value error, {message}"


def test_values_are_written_as_they_are_typed() -> None:
    assert str(choice([["q_proj", "v_proj"], "all-linear", None, 3e-05, True])) == (
        '[["q_proj", "v_proj"], all-linear, null, 3e-05, true]'
    )


def test_settings_inside_settings_have_dotted_paths() -> None:
    space = Space.model_validate({"search": {"learning_rate": "log(1e-5, 1e-2)", "config": {"r": [8, 16]}}})
    assert space.written() == {"learning_rate": "log(1e-05, 0.01)", "config.r": "[8, 16]"}
    assert set(space.draw(0, "dora", 0)) == {"learning_rate", "config.r"}


@pytest.mark.parametrize("search", [None, {}])
def test_a_method_without_a_space(search: Any) -> None:
    assert Space.model_validate({"search": search}).draw(0, "baseline", 0) == {}


def test_a_trial_depends_on_its_seed_method_and_number_alone() -> None:
    space = Space.model_validate(LORA)
    trials = [space.draw(0, "lora", trial) for trial in range(12)]
    # Pinned: another version of tunebench or Python must extend a search, not begin another
    assert trials[:2] == [{"learning_rate": 0.000879, "rank": 4}, {"learning_rate": 3.5e-05, "rank": 8}]
    assert [space.draw(0, "lora", trial) for trial in range(20)][:12] == trials
    assert space.draw(1, "lora", 0) != trials[0]
    assert space.draw(0, "qlora", 0) != trials[0]
    wider = Space.model_validate({"search": LORA["search"] | {"rank": [4, 8, 16, 32]}})
    assert [each["learning_rate"] for each in (wider.draw(0, "lora", trial) for trial in range(12))] == [
        trial["learning_rate"] for trial in trials
    ]


def test_draws_are_spread_as_the_space_says() -> None:
    drawn = [Space.model_validate(LORA).draw(0, "lora", trial) for trial in range(600)]
    decades = [math.floor(math.log10(each["learning_rate"])) for each in drawn]
    counts = [decades.count(decade) for decade in (-5, -4, -3)] + [
        [each["rank"] for each in drawn].count(rank) for rank in (4, 8, 16)
    ]
    # Binomial with p = 1/3: 200 on average, and within 4 standard deviations of 11.5
    assert all(154 <= count <= 246 for count in counts)


def test_a_models_size_shifts_numbers_and_nothing_else() -> None:
    space = Space.model_validate({"search": {"learning_rate": "log(1e-6, 2e-4)", "rank": [4, 8]}})
    assert space.scaled("learning_rate", 30.0).written() == {"learning_rate": "log(3e-05, 0.006)", "rank": "[4, 8]"}
    assert [str(choice(each).times(10)) for each in ("uniform(1, 2)", "int(1, 2)", [0.1, "auto"])] == [
        "uniform(10, 20)",
        "int(1, 2)",
        "[1.0, auto]",
    ]
