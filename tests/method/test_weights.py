from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from bench.method.weights import FILE, restore_trainable, save_trainable

Make = Callable[..., Any]


def test_a_tied_weight_is_written_once(method: Make, load: Make, tmp_path: Path) -> None:
    toplayer = method("toplayer", blocks=0, output_embedding=True)
    model = toplayer.prepare(load(toplayer))
    size = save_trainable(model, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [FILE]
    assert (tmp_path / FILE).stat().st_size == size
    with safe_open(tmp_path / FILE, "pt") as saved:
        assert list(saved.keys()) == ["model.embed_tokens.weight"]
        assert saved.metadata() == {"format": "pt"}


def test_what_was_not_trained_stays_the_bases_own(method: Make, load: Make, move: Make, tmp_path: Path) -> None:
    import torch

    toplayer = method("toplayer")
    model = toplayer.prepare(load(toplayer))
    move(model)
    save_trainable(model, tmp_path)
    base = load(toplayer)
    before = {name: weight.clone() for name, weight in base.named_parameters()}
    for name, weight in restore_trainable(base, tmp_path).named_parameters():
        assert torch.equal(weight, before[name]) == ("layers.1." not in name)


def test_weights_of_another_model_are_refused(
    method: Make, load: Make, untied_checkpoint: Path, tmp_path: Path
) -> None:
    toplayer = method("toplayer", blocks=0, output_embedding=True)
    model = toplayer.prepare(load(toplayer))
    model.model.register_parameter("extra", model.model.norm.weight.__class__(model.model.norm.weight.clone()))
    save_trainable(model, tmp_path)
    with pytest.raises(ValueError, match="has weights that the base model lacks") as caught:
        restore_trainable(load(toplayer), tmp_path)
    assert str(caught.value) == f"{tmp_path / FILE} has weights that the base model lacks: model.extra"
