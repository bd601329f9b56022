"""A batched pass that answers every scored example, and one that computes the likelihood of the references."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from bench.encode import Encoded, batched_by_length


class ReferenceLikelihood(NamedTuple):
    """Likelihood of one reference completion under a model."""

    nll_nats: float
    """Summed over the completion's tokens; may be infinite or NaN."""
    tokens: int


def greedy(
    tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, max_new_tokens: int, end: int | None = None
) -> GenerationConfig:
    """Greedy decoding, up to the token `end` or the tokenizer's end of sequence.

    Of the checkpoint's own generation settings, only its end-of-sequence tokens are used.
    """
    own = model.generation_config.eos_token_id
    ends = [] if own is None else [own] if isinstance(own, int) else list(own)
    ends += [id for id in dict.fromkeys((tokenizer.eos_token_id, end)) if id is not None and id not in ends]
    return GenerationConfig(
        do_sample=False,
        num_beams=1,
        max_new_tokens=max_new_tokens,
        use_cache=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=ends,
    )


@torch.inference_mode()
def answer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    scored: Sequence[Encoded],
    batch: int,
    max_new_tokens: int,
    stop: Sequence[str],
    progress: Callable[[int], None],
) -> list[str]:
    """The model's answer to every example, in order. `progress` is called with the number of answers so far.

    Generation ends with the token that ends the examples' own answers, and an answer before the first text of `stop`.
    """
    model.eval()
    config = greedy(tokenizer, model, max_new_tokens, end=scored[0].completion_ids[-1])
    ended = {*config.eos_token_id, config.pad_token_id}
    answers = [""] * len(scored)
    n_answered = 0
    for positions in batched_by_length(scored, batch):
        ids, mask = left_padded([scored[at].prompt_ids for at in positions], tokenizer.pad_token_id, model.device)
        output = model.generate(input_ids=ids, attention_mask=mask, generation_config=config)
        texts = tokenizer.batch_decode(output[:, ids.shape[1] :], skip_special_tokens=True)
        for at, text, last in zip(positions, texts, output[:, -1].tolist(), strict=True):
            whole = text if last in ended else _before_broken_stop(text, stop)
            answers[at] = _before_stop(whole, stop).strip()
        n_answered += len(positions)
        progress(n_answered)
    return answers


@torch.no_grad()
def reference_likelihoods(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, scored: Sequence[Encoded], batch: int
) -> list[ReferenceLikelihood]:
    """Likelihood of each example's first reference, in order: teacher-forced, computed in float32."""
    model.eval()
    likelihoods: dict[int, ReferenceLikelihood] = {}
    for positions in batched_by_length(scored, batch):
        rows = [scored[at].prompt_ids + scored[at].completion_ids for at in positions]
        lengths = [len(scored[at].completion_ids) for at in positions]
        ids, mask = left_padded(rows, tokenizer.pad_token_id, model.device)
        # Left padding puts every completion at the end: only these positions need the large output projection.
        logits = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0),
            use_cache=False,
            logits_to_keep=max(lengths) + 1,
        ).logits
        # Row by row: in float32, the logits of a batch of long texts would take more memory than training.
        for at, length, row, targets in zip(positions, lengths, logits, ids, strict=True):
            nll = cross_entropy(row[-length - 1 : -1].float(), targets[-length:], reduction="sum")
            likelihoods[at] = ReferenceLikelihood(nll.item(), length)
    return [likelihoods[at] for at in range(len(scored))]


def finite(value: float) -> float | None:
    """`value`, or None if it is infinite or NaN."""
    return value if math.isfinite(value) else None


def left_padded(
    rows: Sequence[Sequence[int]], pad_token_id: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask, both of shape (rows, longest row)."""
    ids = [torch.tensor(row, dtype=torch.long) for row in rows]
    masks = [torch.ones_like(row) for row in ids]
    padded = pad_sequence(ids, batch_first=True, padding_value=pad_token_id, padding_side="left")
    return padded.to(device), pad_sequence(masks, batch_first=True, padding_side="left").to(device)


def _before_stop(text: str, stop: Sequence[str]) -> str:
    return text[: min([at for end in stop if (at := text.find(end)) >= 0], default=len(text))]


def _before_broken_stop(text: str, stop: Sequence[str]) -> str:
    """An answer that ran into the limit, without the beginning of a string in `stop` that it breaks off in."""
    beginnings = (end[:length] for end in stop for length in range(len(end) - 1, 0, -1))
    return text.removesuffix(next(filter(text.endswith, beginnings), ""))
