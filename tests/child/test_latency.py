from collections.abc import Callable
from typing import Any

import pytest
import torch

from bench.cell import LatencyRuns
from bench.child.generate import answer
from bench.child.latency import latency
from bench.child.load import Loaded, load
from bench.encode import Encoded, Room, encode
from bench.example import Example
from bench.model import Model
from bench.prompt import Template

SQUAD = Template(
    name="squad",
    max_length=256,
    template="{question} {context} Answer:",
    template_without_context="{question} Answer:",
    completion_prefix=" ",
)


@pytest.fixture
def loaded(small_model: Callable[..., Model]) -> Loaded:
    return load(small_model(), None, seed=0)


@pytest.fixture
def scored(loaded: Loaded, examples: tuple[Example, ...]) -> list[Encoded]:
    return encode(examples, SQUAD, loaded.tokenizer, Room(256, 8))[0]


@pytest.fixture
def generated(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> list[tuple[torch.Tensor, int]]:
    """What the model was asked and how many tokens it gave each time; it works as before."""
    seen: list[tuple[torch.Tensor, int]] = []
    generate = loaded.base.generate

    def watched(*, input_ids: torch.Tensor, **others: Any) -> torch.Tensor:
        output = generate(input_ids=input_ids, **others)
        seen.append((input_ids, output.shape[1] - input_ids.shape[1]))
        return output

    monkeypatch.setattr(loaded.base, "generate", watched)
    return seen


def test_figures_of_one_run_follow_from_each_other(loaded: Loaded, scored: list[Encoded]) -> None:
    """With a single run every percentile is that run, so its times have to add up."""
    measured = latency(loaded.base, loaded.tokenizer, scored, 4, LatencyRuns(warmup_runs=1, runs=1, output_tokens=5))
    for at_batch, batch in ((measured.single, 1), (measured.batched, 4)):
        assert (at_batch.batch, at_batch.n_runs, at_batch.n_output_tokens) == (batch, 1, 5)
        first_s, further_s = at_batch.time_to_first_token_s_p50, at_batch.time_per_output_token_s_p50
        assert first_s > 0
        assert further_s > 0
        assert (first_s, further_s) == (at_batch.time_to_first_token_s_p95, at_batch.time_per_output_token_s_p95)
        assert at_batch.tokens_per_s_p50 == pytest.approx(batch * 5 / (first_s + 4 * further_s))


def test_runs_are_counted_and_warm_ups_are_not(
    loaded: Loaded, scored: list[Encoded], generated: list[tuple[torch.Tensor, int]]
) -> None:
    runs = LatencyRuns(warmup_runs=2, runs=3, output_tokens=4)
    measured = latency(loaded.base, loaded.tokenizer, scored, 4, runs)
    assert (measured.single.n_runs, measured.batched.n_runs) == (3, 3)
    assert [len(ids) for ids, _ in generated] == [1] * 5 + [4] * 5
    assert {tokens for _, tokens in generated} == {4}


def test_prompts_are_taken_in_turn(
    loaded: Loaded, scored: list[Encoded], generated: list[tuple[torch.Tensor, int]]
) -> None:
    latency(loaded.base, loaded.tokenizer, scored, 4, LatencyRuns(warmup_runs=0, runs=2, output_tokens=2))
    turns = [[0], [1], [0, 1, 2, 3], [4, 5, 0, 1]]
    asked = [[tuple(row[row != loaded.tokenizer.pad_token_id].tolist()) for row in ids] for ids, _ in generated]
    assert asked == [[scored[at].prompt_ids for at in turn] for turn in turns]


def test_the_number_of_tokens_is_kept_even_if_the_model_would_stop_earlier(
    loaded: Loaded,
    scored: list[Encoded],
    generated: list[tuple[torch.Tensor, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nearly every token ends an answer here, so that a plain answer has one token."""
    monkeypatch.setattr(loaded.base.generation_config, "eos_token_id", list(range(300)) + list(range(310, 384)))
    answer(loaded.base, loaded.tokenizer, scored[:2], 2, 6, (), lambda _: None)
    assert generated.pop()[1] < 6
    latency(loaded.base, loaded.tokenizer, scored, 2, LatencyRuns(warmup_runs=0, runs=1, output_tokens=6))
    assert [tokens for _, tokens in generated] == [6, 6]


def test_the_95th_percentile_of_a_time_is_its_slow_end(loaded: Loaded, scored: list[Encoded]) -> None:
    runs = LatencyRuns(warmup_runs=1, runs=6, output_tokens=2)
    measured = latency(loaded.base, loaded.tokenizer, scored, 2, runs).single
    assert measured.time_to_first_token_s_p50 <= measured.time_to_first_token_s_p95
    assert measured.time_per_output_token_s_p50 <= measured.time_per_output_token_s_p95
