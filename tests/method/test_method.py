from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import safe_open

from bench.method import FILE
from tests.small_models import move

Make = Callable[..., Any]


def test_a_tied_weight_is_written_once(method: Make, load: Make, tmp_path: Path) -> None:
    toplayer = method("toplayer", blocks=0, output_embedding=True)
    model = toplayer.prepare(load(toplayer))
    size = toplayer.save(model, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [FILE]
    assert (tmp_path / FILE).stat().st_size == size
    with safe_open(tmp_path / FILE, "pt") as saved:
        assert list(saved.keys()) == ["model.embed_tokens.weight"]
        assert saved.metadata() == {"format": "pt"}


def test_what_was_not_trained_stays_the_bases_own(method: Make, load: Make, loaded: Make, tmp_path: Path) -> None:
    import torch

    toplayer = method("toplayer")
    model = toplayer.prepare(load(toplayer))
    move(model)
    toplayer.save(model, tmp_path)
    base = load(toplayer)
    before = {name: weight.clone() for name, weight in base.named_parameters()}
    for name, weight in loaded(toplayer, base, tmp_path).named_parameters():
        assert torch.equal(weight, before[name]) == ("layers.1." not in name)
