import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench.child.generate import answer, greedy, left_padded, reference_likelihoods
from bench.child.load import Loaded, load
from bench.encode import Encoded, Room, encode
from bench.example import Example
from bench.model import Model
from bench.prompt import Template

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TOKENS = 8
SMALL = {
    "name": "small",
    "weights": "pretrained",
    "precision": "float32",
    "revision": None,
    "architecture": None,
    "tokenizer": None,
    "attention": "sdpa",
    "trust_remote_code": False,
}

SQUAD = Template(
    name="squad",
    max_length=256,
    template="Question: {question}\nContext: {context}\nAnswer:",
    template_without_context="Question: {question}\nAnswer:",
    completion_prefix=" ",
)


@pytest.fixture(scope="module")
def loaded(checkpoint: Path) -> Loaded:
    return load(Model.model_validate(SMALL | {"path": str(checkpoint)}), None, seed=0)


@pytest.fixture(scope="module")
def scored(loaded: Loaded, examples: tuple[Example, ...]) -> list[Encoded]:
    return encode(examples, SQUAD, loaded.tokenizer, Room(256, TOKENS))[0]


@pytest.fixture(scope="module")
def by_hand(loaded: Loaded, scored: list[Encoded]) -> list[list[int]]:
    """Greedy decoding written out: no batch, no padding, no cache, the most likely token until an end."""
    rows = []
    for item in scored:
        ids = list(item.prompt_ids)
        while len(ids) < len(item.prompt_ids) + TOKENS and ids[-1] != loaded.tokenizer.eos_token_id:
            with torch.inference_mode():
                ids.append(int(loaded.base(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
        rows.append(ids[len(item.prompt_ids) :])
    return rows


def texts(loaded: Loaded, rows: list[list[int]]) -> list[str]:
    return [loaded.tokenizer.decode(row, skip_special_tokens=True).strip() for row in rows]


def answers(loaded: Loaded, scored: list[Encoded], batch: int, stop: tuple[str, ...] = ()) -> list[str]:
    done: list[int] = []
    found = answer(loaded.base, loaded.tokenizer, scored, batch, TOKENS, stop, done.append)
    assert done[-1] == len(scored)
    assert done == sorted(done)
    return found


@pytest.mark.parametrize("batch", [1, 2, 4, 32])
def test_batching_and_padding_change_nothing(
    loaded: Loaded, scored: list[Encoded], by_hand: list[list[int]], batch: int
) -> None:
    assert len({tuple(row) for row in by_hand}) == len(by_hand)
    assert answers(loaded, scored, batch) == texts(loaded, by_hand)


def test_the_order_is_that_of_the_examples(loaded: Loaded, scored: list[Encoded]) -> None:
    in_order = answers(loaded, scored, 2)
    assert answers(loaded, scored[::-1], 2) == in_order[::-1]


def test_an_answer_ends_before_the_first_stop_string(loaded: Loaded, scored: list[Encoded]) -> None:
    whole = answers(loaded, scored, 4)
    early, late = whole[0][3:5], whole[0][5:7]
    assert answers(loaded, scored[:1], 4, stop=(late, early)) == [whole[0].partition(early)[0].strip()]
    assert answers(loaded, scored[:1], 4, stop=(late,)) == [whole[0].partition(late)[0].strip()]
    assert answers(loaded, scored, 4, stop=("never said",)) == whole


def test_an_answer_ends_with_the_token_that_ends_the_references(
    loaded: Loaded, scored: list[Encoded], by_hand: list[list[int]]
) -> None:
    """As in chats, whose turns end with a token of their own."""
    third = by_hand[0][2]
    chats = [item._replace(completion_ids=(*item.completion_ids[:-1], third)) for item in scored]
    shorter = [row[: row.index(third) + 1] if third in row else row for row in by_hand]
    assert answers(loaded, chats, 4) == texts(loaded, shorter)


def test_an_answer_that_breaks_off_in_a_stop_string_ends_before_it(
    loaded: Loaded, scored: list[Encoded], by_hand: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (whole,) = answers(loaded, scored[:1], 1)
    assert len(by_hand[0]) == TOKENS
    stop = (whole[-3:] + "never said",)
    assert answers(loaded, scored[:1], 1, stop=stop) == [whole[:-3].strip()]
    # Here the model itself ends the answer, so that is what it meant to say.
    ends = [loaded.tokenizer.eos_token_id, by_hand[0][-1]]
    monkeypatch.setattr(loaded.base.generation_config, "eos_token_id", ends)
    assert by_hand[0].index(ends[1]) == TOKENS - 1
    assert answers(loaded, scored[:1], 1, stop=stop) == [whole]


def test_every_end_that_the_checkpoint_names_ends_an_answer(
    loaded: Loaded, scored: list[Encoded], by_hand: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    third = by_hand[0][2]
    monkeypatch.setattr(loaded.base.generation_config, "eos_token_id", [loaded.tokenizer.eos_token_id, third])
    shorter = [row[: row.index(third) + 1] if third in row else row for row in by_hand]
    assert shorter != by_hand
    assert answers(loaded, scored, 4) == texts(loaded, shorter)


@pytest.mark.parametrize(
    ("of_checkpoint", "ends"), [(None, [1]), (1, [1]), (7, [7, 1]), ([7, 1], [7, 1]), ([7, 9], [7, 9, 1])]
)
def test_decoding_is_greedy_whatever_the_checkpoint_prefers(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, of_checkpoint: int | list[int] | None, ends: list[int]
) -> None:
    from transformers import GenerationConfig

    own = GenerationConfig(eos_token_id=of_checkpoint, do_sample=True, temperature=0.3, top_p=0.5)
    monkeypatch.setattr(loaded.base, "generation_config", own)
    config = greedy(loaded.tokenizer, loaded.base, 9)
    assert config.eos_token_id == ends
    assert (config.do_sample, config.num_beams, config.max_new_tokens, config.use_cache) == (False, 1, 9, True)
    assert (config.pad_token_id, config.bos_token_id) == (loaded.tokenizer.pad_token_id, 0)
    assert (config.temperature, config.top_p, config.repetition_penalty) == (None, None, None)


def test_a_checkpoint_that_samples_is_decoded_greedily_all_the_same(
    loaded: Loaded, scored: list[Encoded], checkpoint: Path, tmp_path: Path, small_model: Callable[..., Model]
) -> None:
    from transformers import GenerationConfig

    copy = tmp_path / "copy"
    shutil.copytree(checkpoint, copy)
    GenerationConfig(
        eos_token_id=[1, 380], do_sample=True, temperature=5.0, repetition_penalty=3.0, min_new_tokens=7
    ).save_pretrained(copy)
    sampling = load(small_model(path=str(copy)), None, seed=0)
    assert sampling.base.generation_config.eos_token_id == [1, 380]
    assert answers(sampling, scored, 4) == answers(loaded, scored, 4)


def alone(model: "PreTrainedModel", item: Encoded) -> float:
    """Negative log-likelihood of one completion by the model's own loss over it, times its tokens."""
    ids = torch.tensor([item.prompt_ids + item.completion_ids])
    labels = ids.clone()
    labels[0, : len(item.prompt_ids)] = -100
    with torch.inference_mode():
        return float(model(input_ids=ids, labels=labels).loss) * len(item.completion_ids)


@pytest.mark.parametrize("batch", [1, 4, 32])
def test_likelihoods_are_those_of_the_models_own_loss(loaded: Loaded, scored: list[Encoded], batch: int) -> None:
    found = reference_likelihoods(loaded.base, loaded.tokenizer, scored, batch)
    assert [likelihood.tokens for likelihood in found] == [len(item.completion_ids) for item in scored]
    assert [likelihood.nll_nats for likelihood in found] == pytest.approx(
        [alone(loaded.base, item) for item in scored], rel=1e-5
    )


def test_the_logits_of_a_batch_are_not_copied_as_a_whole(loaded: Loaded, scored: list[Encoded]) -> None:
    """Those of a large vocabulary are gigabytes; one row of them at a time is enough."""
    sizes = []

    class Sizes(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            if torch.is_tensor(out) and out.dtype == torch.float32 and out.shape[-1:] == (model.config.vocab_size,):
                sizes.append(out.numel())
            return out

    small = SMALL | {"path": loaded.base.name_or_path, "precision": "bfloat16"}
    model = load(Model.model_validate(small), None, seed=0).base
    with Sizes():
        reference_likelihoods(model, loaded.tokenizer, scored, len(scored))
    longest = max(len(item.completion_ids) for item in scored)
    assert max(sizes) == longest * model.config.vocab_size


def test_the_likelihood_of_an_abstention_is_that_of_the_end(loaded: Loaded) -> None:
    example = Example(id="1", cluster="c", question="Who?", context="Nobody came.", references=("",))
    (item,), _ = encode([example], SQUAD, loaded.tokenizer, Room(256, TOKENS))
    (found,) = reference_likelihoods(loaded.base, loaded.tokenizer, [item], 4)
    with torch.inference_mode():
        last = loaded.base(input_ids=torch.tensor([item.prompt_ids])).logits[0, -1]
    assert found.tokens == 1
    assert found.nll_nats == pytest.approx(-torch.log_softmax(last, -1)[loaded.tokenizer.eos_token_id].item(), rel=1e-5)


def test_left_padding() -> None:
    ids, mask = left_padded([(7, 8), (1, 2, 3, 4), (5,)], 9, torch.device("cpu"))
    assert ids.tolist() == [[9, 9, 7, 8], [1, 2, 3, 4], [9, 9, 9, 5]]
    assert mask.tolist() == [[0, 0, 1, 1], [1, 1, 1, 1], [0, 0, 0, 1]]


def test_the_model_is_left_in_evaluation(loaded: Loaded, scored: list[Encoded]) -> None:
    for run in (
        lambda: answers(loaded, scored[:1], 1),
        lambda: reference_likelihoods(loaded.base, loaded.tokenizer, scored[:1], 1),
    ):
        loaded.base.train()
        run()
        assert not loaded.base.training
