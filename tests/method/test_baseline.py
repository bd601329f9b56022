from collections.abc import Callable
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from bench.method import Method

Make = Callable[..., Any]


def test_nothing_is_trained(method: Make, load: Make, trained_names: Make, logits: Make) -> None:
    import torch

    baseline = method("baseline")
    assert not baseline.trains
    base = load(baseline)
    before = logits(base)
    model = baseline.prepare(base)
    assert model is base
    assert trained_names(model) == set()
    assert torch.equal(logits(baseline.settle(model)), before)
    assert baseline.quantization(torch.float32) is None


def test_it_has_no_learning_rate(method: Make) -> None:
    with pytest.raises(ValidationError) as caught:
        method("baseline", learning_rate=1e-4)
    (error,) = caught.value.errors()
    assert (error["loc"], error["msg"]) == (("learning_rate",), "Input should be None")


@pytest.mark.parametrize("name", ["lora", "qlora", "toplayer", "full", "bitfit"])
def test_the_others_need_one(method: Make, name: str) -> None:
    assert method(name).trains
    with pytest.raises(ValidationError) as caught:
        method(name, learning_rate=None)
    (error,) = caught.value.errors()
    assert error["loc"] == ("learning_rate",)


def test_a_method_reads_its_own_settings_from_yaml(method: Make) -> None:
    for name in ("baseline", "lora", "qlora", "toplayer", "full", "bitfit"):
        chosen = method(name)
        assert Method.model_validate(yaml.safe_load(yaml.safe_dump(chosen.model_dump(mode="json")))) == chosen
