"""What the tests of all methods ask of a prepared model."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.method import Method
from tests.shipped import shipped
from tests.small_models import move

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from bench.model import Model

Load = Callable[..., "PreTrainedModel"]


@pytest.fixture
def method() -> Callable[..., Method]:
    """Gives a shipped method with changes."""

    return lambda name, **changes: Method.model_validate(shipped("method", name, **changes))


@pytest.fixture
def load(small_model: Callable[..., "Model"]) -> Load:
    """Gives the small model as `method` wants it, loaded anew."""
    from bench.child import load as models

    def loaded(method: Method, **changes: Any) -> "PreTrainedModel":
        model = small_model(**changes)
        return models.load(model, method.quantization(models.precision(model)), seed=0).base

    return loaded


@pytest.fixture
def trained_names() -> Callable[["PreTrainedModel"], set[str]]:
    return lambda model: {name for name, parameter in model.named_parameters() if parameter.requires_grad}


@pytest.fixture
def logits() -> Callable[["PreTrainedModel"], "torch.Tensor"]:
    """What a model makes of two rows of tokens."""
    import torch

    def of(model: "PreTrainedModel") -> torch.Tensor:
        ids = torch.arange(5, 53).reshape(2, 24)
        with torch.no_grad():
            return model.eval()(input_ids=ids).logits

    return of


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Callable[[Method, "PreTrainedModel", Path], Any]:
    """Gives the base with the weights in a folder, as the method's own code for users loads them."""

    def run(method: Method, base: "PreTrainedModel", folder: Path) -> Any:
        monkeypatch.chdir(folder)
        variables: dict[str, Any] = {"model": base}
        exec(method.loading_code, variables)
        return variables["model"]

    return run


@pytest.fixture
def comes_back(
    load: Load,
    loaded: Callable[[Method, "PreTrainedModel", Path], Any],
    logits: Callable[["PreTrainedModel"], "torch.Tensor"],
    tmp_path: Path,
) -> Callable[..., int]:
    """Trains, settles, saves and restores over a base loaded anew; gives the size in bytes of what was saved."""
    import torch

    def check(method: Method, **changes: Any) -> int:
        # In a model of its own: once it has answered, a 4-bit model may be packed.
        untouched = logits(load(method, **changes))
        base = load(method, **changes)
        model = method.prepare(base)
        move(model)
        model = method.settle(model)
        trained = logits(model)
        assert not torch.equal(trained, untouched)
        folder = tmp_path / "adapter"
        size = method.save(model, folder)
        weights = [file for file in folder.iterdir() if file.suffix not in (".json", ".md")]
        assert {file.suffix for file in weights} == {".safetensors"}
        assert size == sum(file.stat().st_size for file in weights)
        restored = loaded(method, load(method, **changes), folder)
        assert torch.equal(logits(restored), trained)
        return size

    return check
