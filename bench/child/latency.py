"""How fast a model generates: time to the first token, time per further token, tokens per second."""

import time
from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, StoppingCriteria, StoppingCriteriaList

from bench.cell import LatencyRuns
from bench.child.device import synchronize
from bench.child.generate import greedy, left_padded
from bench.encode import Encoded
from bench.record_sections import Latency, LatencyAtBatch


def latency(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    scored: Sequence[Encoded],
    batch: int,
    runs: LatencyRuns,
) -> Latency:
    """Latency at batch 1 and at `batch`; every run takes the next scored prompts."""
    return Latency(
        single=_at_batch(model, tokenizer, scored, 1, runs),
        batched=_at_batch(model, tokenizer, scored, batch, runs),
    )


class _Clock(StoppingCriteria):
    """Records the time of every token: generation calls its stopping criteria after each one. Never stops it."""

    def __init__(self) -> None:
        self.times_s: list[float] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        synchronize()
        self.times_s.append(time.perf_counter())
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


@torch.inference_mode()
def _at_batch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    scored: Sequence[Encoded],
    batch: int,
    runs: LatencyRuns,
) -> LatencyAtBatch:
    config = greedy(tokenizer, model, runs.output_tokens)
    config.min_new_tokens = runs.output_tokens
    measured = []
    for run in range(runs.warmup_runs + runs.runs):
        prompts = [scored[(run * batch + offset) % len(scored)].prompt_ids for offset in range(batch)]
        ids, mask = left_padded(prompts, tokenizer.pad_token_id, model.device)
        clock = _Clock()
        synchronize()
        start_s = time.perf_counter()
        model.generate(
            input_ids=ids,
            attention_mask=mask,
            generation_config=config,
            stopping_criteria=StoppingCriteriaList([clock]),
        )
        first_s, last_s, n_tokens = clock.times_s[0], clock.times_s[-1], len(clock.times_s)
        measured.append((first_s - start_s, (last_s - first_s) / (n_tokens - 1), batch * n_tokens / (last_s - start_s)))
    names = ("time_to_first_token_s", "time_per_output_token_s", "tokens_per_s")
    percentiles = {
        f"{name}_p{percent}": float(value)
        for percent in (50, 95)
        for name, value in zip(names, np.percentile(measured[runs.warmup_runs :], percent, axis=0), strict=True)
    }
    return LatencyAtBatch(batch=batch, n_runs=runs.runs, n_output_tokens=runs.output_tokens, **percentiles)
