from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.child.load import count_parameters

Make = Callable[..., Any]

BLOCK = 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128 + 2 * 64
TIED = 2 * BLOCK + 64 + 384 * 64
"""Two blocks, the final normalisation, and one embedding for input and output."""


@pytest.mark.parametrize("tied", [True, False])
def test_every_parameter_is_trained_in_float32(method: Make, load: Make, untied_checkpoint: Path, tied: bool) -> None:
    import torch

    full = method("full")
    changes = {} if tied else {"path": str(untied_checkpoint)}
    model = full.prepare(load(full, precision="bfloat16", **changes))
    n_parameters = TIED if tied else TIED + 384 * 64
    assert count_parameters(model) == (n_parameters, n_parameters)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    settled = full.settle(model)
    assert {parameter.dtype for parameter in settled.parameters()} == {torch.bfloat16}
    assert (settled.lm_head.weight is settled.model.embed_tokens.weight) == tied


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("tied", [True, False])
def test_saved_and_restored_it_answers_the_same(
    method: Make, comes_back: Make, untied_checkpoint: Path, precision: str, tied: bool
) -> None:
    changes = {"precision": precision} | ({} if tied else {"path": str(untied_checkpoint)})
    size = comes_back(method("full"), **changes)
    weights = (TIED if tied else TIED + 384 * 64) * {"float32": 4, "bfloat16": 2}[precision]
    assert weights < size < weights + 4_000
