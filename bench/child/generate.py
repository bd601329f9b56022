"""One batched pass that answers every validation example, and one that says how likely the references are."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from bench.child.encode import Encoded, batched_by_length


class ReferenceLikelihood(NamedTuple):
    """How likely a model finds one reference completion."""

    nll_nats: float
    """Summed over the completion's tokens; may be infinite or NaN."""
    tokens: int


def greedy(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, max_new_tokens: int) -> GenerationConfig:
    """Greedy decoding with nothing of the checkpoint's own generation settings but its end-of-sequence tokens."""
    ends = model.generation_config.eos_token_id if model.generation_config is not None else None
    ends = [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
    if tokenizer.eos_token_id not in ends:
        ends.append(tokenizer.eos_token_id)
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
    validation: Sequence[Encoded],
    batch: int,
    max_new_tokens: int,
    stop: Sequence[str],
    progress: Callable[[int], None],
) -> list[str]:
    """The model's answer to every example, in their order; `progress` is told how many there are so far."""
    model.eval()
    config = greedy(tokenizer, model, max_new_tokens)
    answers = [""] * len(validation)
    done = 0
    for positions in batched_by_length(validation, batch):
        ids, mask = left_padded([validation[at].prompt_ids for at in positions], tokenizer.pad_token_id, model.device)
        output = model.generate(input_ids=ids, attention_mask=mask, generation_config=config)
        texts = tokenizer.batch_decode(output[:, ids.shape[1] :], skip_special_tokens=True)
        for at, text in zip(positions, texts, strict=True):
            answers[at] = _until(text, stop).strip()
        done += len(positions)
        progress(done)
    return answers


@torch.no_grad()
def reference_likelihoods(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, validation: Sequence[Encoded], batch: int
) -> list[ReferenceLikelihood]:
    """Teacher-forced likelihood of each example's first reference, in their order, summed in float32."""
    model.eval()
    found: dict[int, ReferenceLikelihood] = {}
    for positions in batched_by_length(validation, batch):
        rows = [validation[at].prompt_ids + validation[at].completion_ids for at in positions]
        lengths = [len(validation[at].completion_ids) for at in positions]
        ids, mask = left_padded(rows, tokenizer.pad_token_id, model.device)
        places = (mask.cumsum(dim=1) - 1).clamp(min=0)
        # Left padding puts every completion at the end: only these positions need the large output projection.
        logits = model(
            input_ids=ids, attention_mask=mask, position_ids=places, use_cache=False, logits_to_keep=max(lengths) + 1
        ).logits
        logs = torch.log_softmax(logits[:, :-1].float(), dim=-1)
        targets = ids[:, -max(lengths) :].unsqueeze(-1)
        nll = -logs.gather(-1, targets).squeeze(-1)
        for row, (at, length) in enumerate(zip(positions, lengths, strict=True)):
            found[at] = ReferenceLikelihood(nll[row, -length:].sum().item(), length)
    return [found[at] for at in range(len(validation))]


def left_padded(
    rows: Sequence[Sequence[int]], pad_token_id: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask, both of shape (rows, longest row)."""
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), pad_token_id, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for at, row in enumerate(rows):
        ids[at, longest - len(row) :] = torch.tensor(row)
        mask[at, longest - len(row) :] = 1
    return ids.to(device), mask.to(device)


def _until(text: str, stop: Sequence[str]) -> str:
    return text[: min([at for end in stop if (at := text.find(end)) >= 0], default=len(text))]
