"""Whether a model keeps apart what it must: padding, tokens that come later, other examples; and whose loss is learned.

Libraries do not say for which architectures they do this, and nothing fails where they do not: numbers are wrong.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from bench.errors import InputError

_ROWS = ((3, 4, 5), (6, 7, 8))
"""Two sequences. Any tokens will do."""
_TOLERANCE = 4 * torch.finfo(torch.bfloat16).eps
"""How much of the largest logit two ways of computing the same may differ by, in either precision."""


def require_causal(model: PreTrainedModel, batch: int) -> None:
    """Check what the logits of a prompt's tokens depend on, when it is padded on the left.

    Args:
        model: the base, before a method changes it.
        batch: how many prompts are answered together; a single one needs no padding.

    Raises:
        InputError: they depend on later tokens, or on the padding of a batch.
    """
    first, second = _ROWS
    ids = torch.tensor([[0, *first, *second]], device=model.device)
    mask = (ids > 0).long()
    seen = _seen(model, {"input_ids": ids, "attention_mask": mask, "position_ids": (mask.cumsum(1) - 1).clamp(0)}, 3)
    if any(seen[4:]):
        raise InputError(
            f"{model.name_or_path} is a {model.config.model_type} model that sees the tokens which it is to predict, "
            "so that it is no causal language model; take another"
        )
    if seen[0] and batch > 1:
        raise InputError(
            f"generation.batch: must be 1 for a {model.config.model_type} model, got {batch}: in a batch, it would "
            "read the padding of shorter prompts"
        )


def require_packing(model: PreTrainedModel, collate: Callable[[Sequence[Any]], dict[str, Any]]) -> None:
    """Check that examples in one sequence, as `collate` lays them out, do not see each other.

    Raises:
        InputError: they do, or the model refuses them.
    """
    inputs = _collated(model, collate)
    inputs.pop("labels")
    kind = model.config.model_type
    try:
        seen = _seen(model, inputs, 4)
    except ValueError as error:  # Of hybrid models, whose kernels for packing are a package of their own.
        raise InputError(f"train.packing: must be false for this {kind} model: {error}") from error
    if any(seen[:3]):
        raise InputError(
            f"train.packing: must be false for a {kind} model, whose examples would see those before them in one "
            "sequence"
        )


@torch.no_grad()
def require_loss(model: PreTrainedModel, collate: Callable[[Sequence[Any]], dict[str, Any]]) -> None:
    """Check that TRL, which multiplies by the output embedding itself, gets the likelihoods that the model gives.

    Raises:
        InputError: it does not, so that training would learn something else.
    """
    model.eval()
    inputs = _collated(model, collate)
    labels = inputs.pop("labels")[:, 1:]
    # Compared on the CPU: a model on several GPUs may give the two on different ones.
    logits = model(**inputs, use_cache=False).logits[:, -labels.shape[1] - 1 : -1].float().cpu()
    inputs["labels"] = torch.nn.functional.pad(labels, (1, 0), value=-100)
    learned = model(**inputs, use_cache=False, fused_lm_head=True).log_probs[:, -labels.shape[1] :].cpu()
    labels = labels.cpu()
    own = torch.log_softmax(logits, dim=-1).gather(-1, labels.clamp(0)[..., None])[..., 0]
    if ((own - learned).abs()[labels != -100] > _TOLERANCE * logits.abs().max()).any():
        raise InputError(
            f"TRL computes the loss of a {model.config.model_type} model without what that does around its output "
            "embedding, so that training would learn something else; take another model"
        )


def _collated(model: PreTrainedModel, collate: Callable[[Sequence[Any]], dict[str, Any]]) -> dict[str, Any]:
    inputs = collate([{"input_ids": list(row), "labels": list(row)} for row in _ROWS])
    return {name: value.to(model.device) if torch.is_tensor(value) else value for name, value in inputs.items()}


def _seen(model: PreTrainedModel, inputs: dict[str, Any], at: int) -> list[bool]:
    """Which of the inputs' first row the logits of its token `at` depend on: those with a gradient."""
    embedded: list[torch.Tensor] = []

    def keep(*call: Any) -> torch.Tensor:
        embedded.append(call[-1].detach().requires_grad_())
        # Some models change the embeddings in place.
        return embedded[-1].clone()

    model.eval()
    hook = model.get_input_embeddings().register_forward_hook(keep)
    try:
        logits = model(**inputs, use_cache=False).logits
    finally:
        hook.remove()
    (gradient,) = torch.autograd.grad(logits[0, at].float().logsumexp(0), embedded)
    return (gradient[0].abs() > 0).any(dim=-1).tolist()
