"""Lengths against the context of a model, by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from bench import context
from bench.cell import Cell
from bench.errors import InputError
from bench.method.baseline import Baseline


class Virtual(Baseline):
    """Needs ten positions for itself."""

    @property
    def virtual_tokens(self) -> int:
        return 10


@pytest.fixture
def cell(make_cell: Callable[..., Cell]) -> Callable[..., Cell]:
    """Gives a cell whose answers have up to 20 tokens and whose latency runs have 16, with other lengths."""

    def make(longest: int, virtual: bool = False, **changes: Any) -> Cell:
        lengths = {"prompt.max_length": longest, "generation.max_new_tokens": 20} | changes
        made = make_cell({"method": "baseline", **lengths})
        return made.model_copy(update={"method": Virtual(name="soft", learning_rate=None)}) if virtual else made

    return make


def test_the_room_is_what_is_asked_for_or_what_there_is(cell: Callable[..., Cell]) -> None:
    assert [context.room(cell(longest), 64) for longest in (32, 64, 65)] == [32, 64, 64]
    assert [context.room(cell(longest, virtual=True), 64) for longest in (32, 54, 64)] == [32, 54, 54]
    assert context.room(cell(512), None) == 512


def test_examples_that_are_shortened_to_the_context(cell: Callable[..., Cell]) -> None:
    assert [context.warning(cell(64), 64), context.warning(cell(512), None)] == [None, None]
    assert context.warning(cell(512), 64) == (
        "tiny takes 64 tokens: examples are shortened to 64 tokens, not to prompt.max_length=512"
    )
    assert context.warning(cell(64, virtual=True), 64) == (
        "tiny takes 64 tokens, 10 of them virtual tokens of soft: examples are shortened to 54 tokens, not to "
        "prompt.max_length=64"
    )


@pytest.mark.parametrize(
    ("virtual", "context_length", "message"),
    [
        (False, 20, "generation.max_new_tokens: 20 leave no room for a prompt, since tiny takes 20 tokens; lower it"),
        (
            True,
            30,
            "generation.max_new_tokens: 20 leave no room for a prompt, since tiny takes 30 tokens, 10 of them virtual "
            "tokens of soft; lower it",
        ),
    ],
)
def test_no_room_for_a_prompt(cell: Callable[..., Cell], virtual: bool, context_length: int, message: str) -> None:
    assert context.room(cell(512, virtual), context_length + 1) == 21
    with pytest.raises(InputError) as caught:
        context.room(cell(512, virtual), context_length)
    assert str(caught.value) == message


def test_the_tokens_of_a_latency_run(cell: Callable[..., Cell]) -> None:
    with pytest.raises(InputError) as caught:
        context.room(cell(512, **{"latency.output_tokens": 64}), 64)
    assert str(caught.value) == (
        "latency.output_tokens: 64 leave no room for a prompt, since tiny takes 64 tokens; lower it"
    )
    context.require_room_for_latency(cell(512), 64, longest_prompt=48)
    with pytest.raises(InputError) as caught:
        context.require_room_for_latency(cell(512, virtual=True), 64, longest_prompt=48)
    assert str(caught.value) == (
        "latency.output_tokens: must be at most 6, got 16: tiny takes 64 tokens, 10 of them virtual tokens of soft, "
        "and the longest prompt has 48. Lower it, or prompt.max_length."
    )
    context.require_room_for_latency(cell(512), None, longest_prompt=10**6)


def test_longer_examples_need_a_higher_limit_or_another_model(cell: Callable[..., Cell]) -> None:
    higher = "raise prompt.max_length"
    assert [context.remedy(cell(512), limit) for limit in (None, 513)] == [higher, higher]
    assert context.remedy(cell(512), 512) == "choose a model with a longer context (tiny takes 512 tokens)"
    assert context.remedy(cell(64, virtual=True), 74) == (
        "choose a model with a longer context (tiny takes 74 tokens, 10 of them virtual tokens of soft)"
    )


@pytest.mark.parametrize(
    ("context_length", "advice"),
    [
        (None, "Raise prompt.max_length or choose a shorter prompt."),
        (65, "Raise prompt.max_length (this model takes 65 tokens) or choose a shorter prompt."),
        (
            64,
            "More are not possible, since tiny takes 64 tokens: lower generation.max_new_tokens, or choose a shorter "
            "prompt or another model.",
        ),
    ],
)
def test_no_example_fits(cell: Callable[..., Cell], context_length: int | None, advice: str) -> None:
    context.require_examples(cell(64), context_length, "training", 1)
    with pytest.raises(InputError) as caught:
        context.require_examples(cell(64), context_length, "training", 0)
    assert str(caught.value) == f"No training example fits into 64 tokens, even with an empty context. {advice}"
