from typing import Any

import pytest
from pydantic import ValidationError

from bench.recipe import Recipe
from tests.shipped import shipped

SETTINGS = shipped("train", "default")


def faults(**changes: Any) -> list[tuple[tuple[int | str, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate(SETTINGS | changes)
    return [(fault["loc"], fault["msg"]) for fault in caught.value.errors()]


def test_defaults() -> None:
    recipe = Recipe.model_validate(SETTINGS)
    assert (recipe.epochs, recipe.effective_batch, recipe.micro_batch) == (3.0, 16, 16)
    assert recipe.model_dump(mode="json") == SETTINGS


@pytest.mark.parametrize(("effective", "micro"), [(16, 16), (16, 1), (12, 4), (12, 3), (1, 1)])
def test_the_effective_batch_is_a_multiple_of_the_micro_batch(effective: int, micro: int) -> None:
    recipe = Recipe.model_validate(SETTINGS | {"effective_batch": effective, "micro_batch": micro})
    assert recipe.effective_batch // recipe.micro_batch * micro == effective


@pytest.mark.parametrize(("effective", "micro"), [(16, 32), (16, 5), (1, 2)])
def test_and_otherwise_it_is_refused(effective: int, micro: int) -> None:
    message = f"Value error, effective_batch must be a multiple of micro_batch ({micro}), got {effective}"
    assert faults(effective_batch=effective, micro_batch=micro) == [((), message)]


def test_what_is_trained_on_cannot_choose_the_best_weights() -> None:
    assert Recipe.model_validate(SETTINGS | {"include_tune": True}).include_tune
    assert faults(include_tune=True, best_checkpoint=True) == [
        (
            (),
            "Value error, include_tune=true leaves no examples to choose the best checkpoint by; set "
            "best_checkpoint=false, and early_stopping_epochs=null",
        )
    ]


def test_early_stopping_keeps_the_best_weights() -> None:
    assert Recipe.model_validate(SETTINGS | {"early_stopping_epochs": 1, "best_checkpoint": True}).best_checkpoint
    assert faults(early_stopping_epochs=1) == [
        (
            (),
            "Value error, early_stopping_epochs needs best_checkpoint=true, which keeps the weights of the best epoch",
        )
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("max_steps", 0),
        ("micro_batch", 0),
        ("adam_beta1", 1.0),
        ("adam_beta2", -0.1),
        ("adam_epsilon", 0.0),
        ("weight_decay", -1e-3),
        ("warmup_fraction", 1.0),
        ("max_grad_norm", 0.0),
        ("early_stopping_epochs", 0),
        ("checkpoint_steps", 0),
        ("optimizer", "adamw"),
        ("scheduler", "constant"),
        ("gradient_checkpointing", 1),
    ],
)
def test_values_out_of_range(field: str, value: Any) -> None:
    assert [location for location, _ in faults(**{field: value})] == [(field,)]
