from typing import Any

import pytest
from pydantic import ValidationError

from bench.dataset import Dataset
from bench.method import Method
from bench.method.lora import LoRA
from bench.method.qlora import QLoRA
from bench.settings import Settings, Strings

LORA: dict[str, Any] = {
    "_target_": "bench.method.lora.LoRA",
    "name": "lora",
    "learning_rate": 1e-4,
    "rank": 8,
    "alpha": 16,
    "dropout": 0.0,
    "target_modules": ["q_proj"],
    "adapter_dtype": "float32",
}


class Grid(Settings):
    methods: dict[str, Method]


def fault(value: dict[str, Any]) -> tuple[tuple[int | str, ...], str, str]:
    with pytest.raises(ValidationError) as caught:
        Grid.model_validate({"methods": {"a": value}})
    (error,) = caught.value.errors()
    return error["loc"], error["type"], error["msg"]


def test_the_target_names_the_class() -> None:
    lora = Method.model_validate(LORA)
    assert type(lora) is LoRA
    assert lora.target_modules == ("q_proj",)
    qlora = Method.model_validate(LORA | {"_target_": "bench.method.qlora.QLoRA", "bits": 4})
    assert type(qlora) is QLoRA


def test_a_part_survives_the_way_through_json() -> None:
    grid = Grid.model_validate({"methods": {"a": LORA}})
    assert grid.model_dump(mode="json") == {"methods": {"a": LORA}}
    assert Grid.model_validate_json(grid.model_dump_json()) == grid


def test_settings_cannot_be_changed() -> None:
    lora = Method.model_validate(LORA)
    with pytest.raises(ValidationError, match="frozen"):
        lora.rank = 16  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"rank": 2.5}, "int_type"),
        ({"rank": "8"}, "int_type"),
        ({"rank": True}, "int_type"),
        ({"rank": 0}, "greater_than"),
        ({"alpha": float("inf")}, "finite_number"),
        ({"alpha": float("nan")}, "finite_number"),
        ({"target_modules": "q_proj"}, "value_error"),
        ({"dropout": 1.0}, "less_than"),
        ({"adapter_dtype": "float16"}, "literal_error"),
        ({"rnk": 8}, "extra_forbidden"),
    ],
)
def test_wrong_values_and_unknown_keys_are_refused_where_they_are(change: dict[str, Any], kind: str) -> None:
    (key,) = change
    location, found, _ = fault(LORA | change)
    assert (location, found) == (("methods", "a", key), kind)


class Ends(Settings):
    stop: Strings


@pytest.mark.parametrize(
    ("stop", "place", "kind"), [(["\n", ""], ("stop", 1), "string_too_short"), ("\n", ("stop",), "tuple_type")]
)
def test_a_list_of_strings_is_a_list_and_has_no_empty_one(stop: Any, place: tuple[Any, ...], kind: str) -> None:
    """Every answer would end before an empty stop string."""
    with pytest.raises(ValidationError) as caught:
        Ends.model_validate({"stop": stop})
    assert [(error["loc"], error["type"]) for error in caught.value.errors()] == [(place, kind)]


@pytest.mark.parametrize("target", [7, None, "bench"])
def test_a_target_that_is_no_dotted_name_is_refused(target: Any) -> None:
    assert fault(LORA | {"_target_": target}) == (
        ("methods", "a"),
        "value_error",
        f"Value error, _target_ must name a class as package.module.Class, got {target!r}",
    )


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("bench.method.lora.Nope", "module 'bench.method.lora' has no attribute 'Nope'"),
        ("bench.nope.LoRA", "No module named 'bench.nope'"),
    ],
)
def test_a_target_that_is_not_there_is_refused(target: str, why: str) -> None:
    assert fault(LORA | {"_target_": target})[2] == f"Value error, _target_ names no class: {target!r} ({why})"


@pytest.mark.parametrize("target", ["bench.dataset.events.Events", "bench.hub.snapshot", "bench.errors.InputError"])
def test_a_target_of_another_kind_is_refused(target: str) -> None:
    assert fault(LORA | {"_target_": target})[2] == f"Value error, _target_ must name a Method, got {target!r}"


@pytest.mark.parametrize("kind", [Method, Dataset])
def test_an_interface_is_no_part_by_itself(kind: type[Method] | type[Dataset]) -> None:
    """Without `_target_`, the fields of an interface would otherwise pass for a method that can do nothing."""
    fields = dict.fromkeys(kind.model_fields) | {"name": "x", "language": "en"}
    given = {name: value for name, value in fields.items() if name in kind.model_fields}
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(given)
    (error,) = caught.value.errors()
    assert error["msg"] == f"Value error, _target_ must name a {kind.__name__}; it is missing"


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a b", "x" * 41, "a\n"])
def test_a_name_cannot_leave_its_folder(name: str) -> None:
    assert fault(LORA | {"name": name})[0] == ("methods", "a", "name")
