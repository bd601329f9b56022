"""Models that are spread over several GPUs, as far as a machine without any can show it.

`TwoGpus` plays two: it notes a device for every tensor, and refuses to compute with tensors of both, as torch would.
The numbers stay those of the CPU, so that a spread model must give exactly what the model gives on one device.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from accelerate import dispatch_model
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from transformers import PreTrainedModel, TrainingArguments

from bench.child import device, load
from bench.configuration import choices
from bench.errors import InputError
from bench.job import Job
from bench.method import Method
from bench.model import Model
from tests.shipped import shipped
from tests.small_models import small

CPU, FIRST = torch.device("cpu"), torch.device("cuda:0")
BLIND = {"untyped_storage", "data_ptr", "requires_grad_", "_make_subclass", "_has_compatible_shallow_copy_type"}
"""Functions that work on tensors of any device, or do not compute."""
MIXED = {"__getitem__", "__setitem__", "copy_", "view_as", "expand_as", "reshape_as"}
"""Functions whose first tensor says where the result is."""


class TwoGpus(TorchFunctionMode):
    """While it is entered, tensors have a device that can be `cuda:0` or `cuda:1`."""

    def __init__(self) -> None:
        super().__init__()
        self._places: dict[int, torch.device] = {}
        """By the address of a tensor's storage, which its views share."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        if name == "__get__":
            if func.__self__ is torch.Tensor.device:
                return self._place(args[0])
            return self._put(func(*args), self._place(args[0]))
        if name in BLIND or name == "__set__" or name.startswith("_foreach"):
            return func(*args, **kwargs)
        if func in (torch.Tensor.to, torch.Tensor.cpu):
            return self._moved(*args, **({"device": "cpu"} if func is torch.Tensor.cpu else kwargs))
        if kwargs.get("device") is not None:
            place = torch.device(kwargs["device"])
            return self._put(func(*args, **(kwargs | {"device": CPU})), place)
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if torch.is_tensor(leaf)]
        # A number of the CPU can be computed with anywhere.
        places = {self._place(tensor) for tensor in tensors if tensor.dim() or self._place(tensor) != CPU} or {CPU}
        if len(places) > 1 and name not in MIXED:
            raise RuntimeError(f"{name}: expected all tensors to be on the same device, got {sorted(map(str, places))}")
        place = self._place(tensors[0]) if name in MIXED else places.pop()
        return self._put(func(*args, **kwargs), place)

    def _place(self, tensor: torch.Tensor) -> torch.device:
        return self._places.get(tensor.untyped_storage().data_ptr(), CPU)

    def _put(self, result: Any, place: torch.device) -> Any:
        for leaf in tree_leaves(result):
            if torch.is_tensor(leaf):
                self._places[leaf.untyped_storage().data_ptr()] = place
        return result

    def _moved(self, tensor: torch.Tensor, *to: Any, **kwargs: Any) -> torch.Tensor:
        kwargs.pop("non_blocking", None)
        places = [kwargs.pop("device", None), *(self._place(given) for given in to if torch.is_tensor(given))]
        places += [given for given in to if isinstance(given, str | torch.device)]
        place = next((torch.device(given) for given in places if given is not None), self._place(tensor))
        kinds = [given.dtype if torch.is_tensor(given) else given for given in to]
        dtype = kwargs.pop("dtype", None) or next((k for k in kinds if isinstance(k, torch.dtype)), tensor.dtype)
        moved = tensor.to(dtype, **kwargs)
        same_storage = moved.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr()
        return self._put(tensor.clone() if same_storage and place != self._place(tensor) else moved, place)


def spread(base: PreTrainedModel) -> PreTrainedModel:
    """The first half of the blocks on one GPU and the rest on the other, by the hooks that `balanced` leads to, too."""
    blocks = base.get_decoder().layers
    places = {f"model.layers.{at}": f"cuda:{2 * at // len(blocks)}" for at in range(len(blocks))}
    places |= {"model.embed_tokens": "cuda:0", "model.rotary_emb": "cuda:0", "model.norm": "cuda:1"}
    places["lm_head"] = "cuda:0" if base.config.tie_word_embeddings else "cuda:1"
    return dispatch_model(base, places, main_device="cuda:0", force_hooks=True)


@pytest.fixture
def two_gpus() -> Iterator[None]:
    with TwoGpus():
        yield


@pytest.mark.usefixtures("two_gpus")
def test_tensors_of_two_gpus_do_not_mix() -> None:
    first, second = torch.ones(2).to("cuda:0"), torch.ones(2, device="cuda:1")
    with pytest.raises(RuntimeError, match=r"^add: expected all tensors to be on the same device"):
        first + second
    assert (first + second.to(first)).device == FIRST
    assert (first[:1] * torch.tensor(2.0)).device == FIRST


def llama(tied: bool = False) -> PreTrainedModel:
    return small(attention_bias=True, tie_word_embeddings=tied)


def outcome(method: Method, base: PreTrainedModel) -> Any:
    """The loss before and after a step of `method`, and what the model answers then."""
    model = method.prepare(base)
    torch.manual_seed(1)
    ids = torch.tensor([[0, 5, 6, 7], [8, 9, 10, 11]], device=model.device)
    inputs = {"input_ids": ids, "attention_mask": (ids > 0).long()}

    def loss() -> torch.Tensor:
        logits = model(**inputs, use_cache=False).logits[:, -4:-1].float()
        assert logits.device == ids.device
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())

    before = loss()
    if method.trains:
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        before.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        torch.optim.AdamW(trained, lr=0.01, foreach=False).step()
        model = method.settle(model)
    model.eval()
    with torch.no_grad():
        return before.item(), loss().item(), model.generate(**inputs, max_new_tokens=3, do_sample=False).tolist()


def settings(name: str) -> Method:
    return Method.model_validate(shipped("method", name))


NAMES = choices("method")
SPREAD = [name for name in NAMES if name not in ("adalora", "peft")]


@pytest.mark.parametrize("name", SPREAD)
def test_a_spread_model_learns_and_answers_as_on_one_device(name: str) -> None:
    tied = name in ("lora", "full", "toplayer")
    expected = outcome(settings(name), llama(tied))
    with TwoGpus():
        assert outcome(settings(name), spread(llama(tied))) == expected


@pytest.mark.parametrize("method", ["lora", "toplayer"])
def test_a_whole_training_of_a_spread_model(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    alone = run({"method": method}, folder="alone")
    monkeypatch.setattr(load, "_base", lambda *given, base=load._base: spread(base(*given)))
    found = TrainingArguments.device.fget
    # What it finds on this machine is the CPU; asking for it sets up the rest.
    monkeypatch.setattr(TrainingArguments, "device", property(lambda arguments: (found(arguments), FIRST)[1]))
    with TwoGpus():
        both = run({"method": method}, folder="both")
        assert {str(parameter.device) for parameter in both.model.parameters()} == {"cuda:0", "cuda:1"}
    assert both.error is None
    timed = {"step_time_s_p50", "step_time_s_p95", "tokens_per_s"}
    assert both.results.model_dump(exclude=timed) == alone.results.model_dump(exclude=timed)
    assert [step.loss for step in both.steps()] == [step.loss for step in alone.steps()]


def test_adalora_needs_one_gpu(default_job: Job) -> None:
    """As it does: its penalty, and peft's choice of ranks, compare the layers of both."""
    cell = default_job.cell.model_copy(update={"method": settings("adalora")})
    content = default_job.model_dump() | {"cell": cell.model_dump(), "gpus_per_cell": 2}
    with pytest.raises(ValueError, match="gpus_per_cell: must be 1 for method=adalora, which compares"):
        Job.model_validate(content)
    with TwoGpus():
        model = settings("adalora").prepare(spread(llama()))
        with pytest.raises(RuntimeError, match=r"^stack: expected all tensors to be on the same device"):
            settings("adalora").penalty(model)


def loading(monkeypatch: pytest.MonkeyPatch, n_gpus: int, places: dict[str, Any]) -> list[Any]:
    """Have `n_gpus` be visible and transformers put models at `places`; gives the maps that it is asked for."""
    asked = []

    def from_pretrained(*args: Any, original: Any = load.AutoModelForCausalLM.from_pretrained, **kwargs: Any) -> Any:
        asked.append(kwargs["device_map"])
        base, loaded = original(*args, **(kwargs | {"device_map": {"": "cpu"}}))
        base.hf_device_map = places
        return base, loaded

    monkeypatch.setattr(load.AutoModelForCausalLM, "from_pretrained", from_pretrained)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
    return asked


HALVES = {"model.embed_tokens": 0, "model.layers.0": 0, "model.layers.1": 1, "model.norm": 1, "lm_head": 1}


def test_a_model_is_spread_over_all_gpus_that_are_visible(
    monkeypatch: pytest.MonkeyPatch, small_model: Callable[..., Model]
) -> None:
    asked = loading(monkeypatch, 2, HALVES)
    base = load.load(small_model(), None, seed=0).base
    assert asked == ["balanced"]
    assert load.placement(base) == {
        "model.embed_tokens": "cuda:0",
        "model.layers.0": "cuda:0",
        "model.layers.1": "cuda:1",
        "model.norm": "cuda:1",
        "lm_head": "cuda:1",
    }


def test_a_model_on_one_gpu_or_the_cpu_has_no_parts(
    monkeypatch: pytest.MonkeyPatch, small_model: Callable[..., Model]
) -> None:
    asked = loading(monkeypatch, 1, {"": torch.device("cpu")})
    assert load.placement(load.load(small_model(), None, seed=0).base) == {}
    assert asked == [{"": torch.device("cpu")}]


@pytest.mark.parametrize(
    ("n_gpus", "places", "sentence"),
    [
        (3, HALVES, "gpus_per_cell: must be at most 2 for small, which is small, got 3"),
        (2, {"": 0}, "gpus_per_cell: must be at most 1 for small, which is small, got 2"),
    ],
)
def test_a_model_that_is_too_small(
    monkeypatch: pytest.MonkeyPatch,
    small_model: Callable[..., Model],
    n_gpus: int,
    places: dict[str, Any],
    sentence: str,
) -> None:
    loading(monkeypatch, n_gpus, places)
    with pytest.raises(InputError) as refused:
        load.load(small_model(), None, seed=0)
    assert str(refused.value) == sentence


def test_a_model_that_does_not_fit_has_run_out_of_memory(
    monkeypatch: pytest.MonkeyPatch, small_model: Callable[..., Model]
) -> None:
    loading(monkeypatch, 2, HALVES | {"lm_head": "cpu"})
    with pytest.raises(MemoryError) as error:
        load.load(small_model(), None, seed=0)
    assert str(error.value) == "small does not fit on 2 GPUs; raise gpus_per_cell, or quantise the model"
    assert device.is_out_of_memory(error.value)


def test_an_architecture_that_transformers_cannot_spread(small_model: Callable[..., Model]) -> None:
    architecture = {"model_type": "ctrl", "n_layer": 1, "n_embd": 8, "n_head": 1, "dff": 8, "vocab_size": 64}
    model = small_model(name="other", weights="random", architecture=architecture, attention="auto")
    with pytest.raises(InputError) as refused:
        load.require_spreadable(model, load.skeleton(model, None))
    assert str(refused.value) == (
        "gpus_per_cell: must be 1 for other, a ctrl model, which transformers cannot spread over several GPUs"
    )


def test_peaks_are_summed_over_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (device.allocated_peak(), device.reserved_peak(), device.uuids()) == (None, None, ())
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda index: 10 + index)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda index: 20 + index)
    waited: list[int] = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    device.synchronize()
    assert (device.allocated_peak(), device.reserved_peak(), waited) == (21, 41, [0, 1])
