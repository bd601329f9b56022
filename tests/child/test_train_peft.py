"""All types of peft through the trainer: they learn, and what they leave behind answers as they did."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.method.peft_types import REFUSED_TYPES

if TYPE_CHECKING:
    from bench.model import Model

Make = Callable[..., Any]

SETTINGS: dict[str, dict[str, Any] | None] = {
    **dict.fromkeys(("ADAMSS", "BEFT", "BOFT", "DEFT", "DELORA", "FOURIERFT", "FROD", "GLORA", "GRALORA", "HIRA")),
    **dict.fromkeys(("HRA", "IA3", "LN_TUNING", "LOHA", "LOKR", "LORA", "MISS", "OFT", "OSF", "PEANUT", "PSOFT")),
    **dict.fromkeys(("PVERA", "RANDLORA", "SUPERTUNING", "TINYLORA", "UNILORA", "VERA")),
    "ADAPTION_PROMPT": {"adapter_layers": 1, "adapter_len": 4},
    "C3A": {"block_size": 32},
    "CARTRIDGE": {"num_virtual_tokens": 4},
    "PREFIX_TUNING": {"num_virtual_tokens": 4},
    "PROMPT_TUNING": {"num_virtual_tokens": 4},
    "P_TUNING": {"num_virtual_tokens": 4},
    "ROAD": {"group_size": 32},
    "SHADOW": {"auxiliary_loss_weight": 0},
    "SHIRA": {"r": 4},
    "TRAINABLE_TOKENS": {"token_indices": list(range(3, 99))},
    "VBLORA": {"vector_length": 16, "num_vectors": 8},
    "WAVEFT": {"n_frequency": 64},
}
"""What a type needs for a model of 64 dimensions; None for what peft ships."""
VARIANTS: dict[str, dict[str, Any]] = {
    "dora": {"use_dora": True},
    "rslora": {"use_rslora": True},
    "pissa": {"init_lora_weights": "pissa"},
    "olora": {"init_lora_weights": "olora"},
    "modules_to_save": {"modules_to_save": ["lm_head"]},
}
ONE_BATCH = {
    "train.epochs": 3,
    "train.effective_batch": 12,
    "train.micro_batch": 12,
    "train.warmup_fraction": 0.0,
    "generation.batch": 4,
}


def peft(kind: str, config: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    settings = {"name": "peft", "learning_rate": 1e-2, "bits": None, "adapter_dtype": "float32"}
    return {"_target_": "bench.method.peft.Peft", **settings, "type": kind, "config": config, **changes}


def adalora(**config: Any) -> dict[str, Any]:
    config = {"init_r": 4, "target_r": 2, "target_modules": ["q_proj", "v_proj"], **config}
    return peft("ADALORA", config, _target_="bench.method.adalora.AdaLoRA")


def test_every_type_is_trained_here_or_refused() -> None:
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    assert sorted([*SETTINGS, *REFUSED_TYPES]) == sorted(kind.value for kind in PEFT_TYPE_TO_CONFIG_MAPPING)


@pytest.mark.parametrize(
    "method",
    [
        *(peft(kind, config) for kind, config in SETTINGS.items()),
        *(peft("LORA", config) for config in VARIANTS.values()),
        adalora(),
    ],
    ids=[*SETTINGS, *VARIANTS, "ADALORA"],
)
def test_what_is_saved_answers_as_what_was_trained(
    training: Make,
    make_cell: Make,
    small_model: "Callable[..., Model]",
    untied_checkpoint: Path,
    method: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    from bench.child.generate import answer, reference_likelihoods
    from bench.child.load import count_parameters, load

    # Tokens are not trained in an embedding that is the output's, too.
    base = small_model(path=str(untied_checkpoint)) if method["type"] == "TRAINABLE_TOKENS" else small_model()
    done = training(make_cell({"method": method, **ONE_BATCH}), base, tmp_path / "checkpoints")
    assert count_parameters(done.model)[0] == done.model.get_nb_trainable_parameters()[0]
    assert done.results.last_loss < done.results.first_loss
    model = done.method.settle(done.model)
    n_bytes = done.method.save(model, tmp_path / "adapter")
    assert n_bytes == (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_size

    torch.manual_seed(7)
    there = {"model": load(base, None, 7).base}
    monkeypatch.chdir(tmp_path / "adapter")
    exec(done.method.loading_code, there)
    # Of different lengths, so that shorter ones are padded.
    asked = [done.test[0], *done.training[:2]]
    asked[1] = asked[1]._replace(prompt_ids=asked[1].prompt_ids[-9:])

    def outcome(made: Any, batch: int) -> tuple[list[str], list[float]]:
        texts = answer(made, done.tokenizer, asked, batch, 4, (), progress=lambda _: None)
        return texts, [nll for nll, _ in reference_likelihoods(made, done.tokenizer, asked, batch)]

    texts, nlls = outcome(model, 1)
    assert outcome(there["model"].eval(), 1) == (texts, nlls)
    in_batch = outcome(model, 3)
    assert in_batch[0] == texts
    assert in_batch[1] == pytest.approx(nlls, rel=1e-4)


@pytest.mark.parametrize(
    ("kind", "checkpointing"),
    [
        ("ADAPTION_PROMPT", False),
        ("PREFIX_TUNING", False),
        ("PROMPT_TUNING", False),
        ("PROMPT_TUNING", True),
        ("VERA", True),
    ],
)
def test_training_sees_the_model_that_answers(run: Make, kind: str, checkpointing: bool) -> None:
    """Shorter sequences are padded on the right in training, and on the left in evaluation."""
    from bench.child.generate import reference_likelihoods

    method = peft(kind, SETTINGS[kind], learning_rate=1e-9)
    done = run({"method": method, **ONE_BATCH, "train.gradient_checkpointing": checkpointing})
    found = reference_likelihoods(done.model, done.tokenizer, done.training, 4)
    mean = sum(one.nll_nats for one in found) / sum(one.tokens for one in found)
    assert done.results.first_loss == pytest.approx(mean, rel=1e-4)
    assert all(step.grad_norm > 0 for step in done.steps())


@pytest.mark.parametrize(
    "method",
    [
        peft("LORA", {"use_dora": True, "lora_dropout": 0.1}),
        peft("PREFIX_TUNING", {"num_virtual_tokens": 4}),
        peft("P_TUNING", {"num_virtual_tokens": 4}),
        peft("IA3", None),
        peft("VERA", {"vera_dropout": 0.1}),
        adalora(lora_dropout=0.1, tfinal=1),
        adalora(lora_dropout=0.1, tfinal=4),
    ],
    ids=["dora", "prefix", "p_tuning", "ia3", "vera", "adalora before its ranks are final", "adalora after that"],
)
def test_training_goes_on_from_a_checkpoint_bit_for_bit(run: Make, method: dict[str, Any], tmp_path: Path) -> None:
    import torch

    changes = {"method": method, "train.checkpoint_steps": 2}
    undisturbed = run(changes, folder="undisturbed")
    (tmp_path / "undisturbed" / "checkpoint-6" / "optimizer.pt").unlink()
    resumed = run(changes, folder="undisturbed")
    assert resumed.results.resumed_from_step == 4
    assert [step.loss for step in resumed.steps()] == [step.loss for step in undisturbed.steps()[4:]]
    weights = dict(undisturbed.model.named_parameters())
    assert all(torch.equal(weight, weights[name]) for name, weight in resumed.model.named_parameters())


def test_adalora_reaches_its_budget_and_keeps_it(run: Make) -> None:
    done = run({"method": adalora(tfinal=2)})
    kept = {name: factor for name, factor in done.model.named_parameters() if ".lora_E." in name}
    assert len(kept) == 4
    # Four layers that share 2 ranks each; the rest of their 4 ranks is masked.
    assert sum(int(factor.ne(0).sum()) for factor in kept.values()) == 8


def test_adalora_adds_the_penalty_that_peft_would(run: Make, small_model: "Callable[..., Model]") -> None:
    import torch

    done = run({"method": adalora(orth_reg_weight=0.7)})
    ids = torch.arange(5, 53).reshape(2, 24)
    with torch.no_grad():
        with_it = done.model(input_ids=ids, labels=ids).loss
        done.model.peft_config["default"].orth_reg_weight = 0.0
        without = done.model(input_ids=ids, labels=ids).loss
        done.model.peft_config["default"].orth_reg_weight = 0.7
        assert done.method.penalty(done.model).item() == pytest.approx((with_it - without).item(), rel=1e-3)
    strong = run({"method": adalora(orth_reg_weight=50.0)}, folder="strong")
    distances = [one.method.penalty(one.model) / one.method.config["orth_reg_weight"] for one in (strong, done)]
    assert distances[0] < distances[1]


def test_adalora_in_a_training_that_is_too_short(run: Make) -> None:
    from bench.errors import InputError

    with pytest.raises(InputError) as caught:
        run({"method": adalora(tinit=4, tfinal=2)})
    assert str(caught.value) == ("method.config: tinit + tfinal must be less than the 6 steps of training, got 4 + 2")
