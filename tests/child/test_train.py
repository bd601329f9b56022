"""The trainer in this process, on a checkpoint that takes milliseconds a step."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import protocol
from bench.cell import Cell
from bench.child.checkpoints import MANIFEST, WEIGHTS, restore_weights, trainable_weights
from bench.child.generate import answer, reference_likelihoods
from bench.child.interrupt import StopRequest
from bench.child.load import load
from bench.child.trainer import Trainer
from bench.encode import Encoded, Room, encode
from bench.example import Example
from bench.job import Job
from bench.model import Model
from tests.small_models import small, write

Make = Callable[..., Any]

N_EXAMPLES = 12
RECIPE = {
    "train.epochs": 2,
    "train.effective_batch": 4,
    "train.micro_batch": 4,
    "train.warmup_fraction": 0.0,
    "generation.batch": 4,
}


def mean_nll(model: Any, tokenizer: Any, encoded: Sequence[Encoded]) -> float:
    found = reference_likelihoods(model, tokenizer, encoded, batch=1)
    return sum(one.nll_nats for one in found) / sum(one.tokens for one in found)


def test_the_results_of_a_training(run: Make) -> None:
    done = run()
    results = done.results
    assert (results.steps, results.epochs, results.micro_batch, results.effective_batch) == (6, 2.0, 4, 4)
    assert [step.step for step in done.steps()] == [1, 2, 3, 4, 5, 6]
    assert {step.n_steps for step in done.steps()} == {6}
    sequences = [len(item.prompt_ids) + len(item.completion_ids) for item in done.training]
    assert results.tokens == 2 * sum(sequences) == sum(step.tokens for step in done.steps())
    assert results.completion_tokens == 2 * sum(len(item.completion_ids) for item in done.training)
    assert (results.first_loss, results.last_loss) == (done.steps()[0].loss, done.steps()[-1].loss)
    assert (results.n_steps_timed, results.resumed_from_step) == (3, 0)
    assert (results.stopped_early, results.best_step) == (False, None)
    assert results.last_loss is not None
    assert results.first_loss is not None
    assert results.last_loss < results.first_loss


def test_the_first_loss_is_that_of_completions_under_the_base_model(
    run: Make, small_model: Callable[..., Model]
) -> None:
    done = run({"train.effective_batch": N_EXAMPLES, "train.micro_batch": N_EXAMPLES})
    base = load(small_model(), None, 0)
    assert done.results.first_loss == pytest.approx(mean_nll(base.base, base.tokenizer, done.training), rel=1e-4)


def test_the_evaluation_loss_is_per_token_of_the_model_as_trained(run: Make) -> None:
    done = run()
    last = done.results.evaluations[-1]
    assert (last.step, last.epoch) == (6, 2.0)
    assert last.loss == pytest.approx(mean_nll(done.model, done.tokenizer, done.test), rel=1e-5)


def test_accumulated_micro_batches_learn_what_one_batch_does(run: Make) -> None:
    whole = run({"train.effective_batch": 6, "train.micro_batch": 6})
    halves = run({"train.effective_batch": 6, "train.micro_batch": 2}, folder="halves")
    assert [step.loss for step in halves.steps()] == pytest.approx([step.loss for step in whole.steps()], rel=1e-4)
    assert halves.results.tokens == whole.results.tokens


def test_a_seed_repeats_itself_and_another_differs(run: Make) -> None:
    losses = [[step.loss for step in run({"seed": seed}, f"{at}").steps()] for at, seed in enumerate((0, 0, 1))]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_no_two_epochs_of_two_seeds_have_the_same_order(run: Make) -> None:
    losses = [step.loss for at in (0, 1) for step in run({"seed": at, "method.learning_rate": 1e-12}, f"{at}").steps()]
    assert len({tuple(losses[start : start + 3]) for start in (0, 3, 6, 9)}) == 4


@pytest.mark.parametrize("scheduler", ["cosine", "linear", "constant_with_warmup"])
def test_a_training_is_the_one_that_is_written_out(
    run: Make, small_model: Callable[..., Model], scheduler: str
) -> None:
    """Every step is one over the mean of its tokens, however they are spread over micro batches and sequences."""
    changes = {"train.micro_batch": 2, "train.weight_decay": 0.1, "train.warmup_fraction": 0.2}
    done = run({**changes, "train.epochs": 3, "train.scheduler": scheduler, "method.learning_rate": 1e-2, "seed": 5})
    loaded = load(small_model(), None, 5)
    torch.manual_seed(5)
    model = done.method.prepare(loaded.base)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1)
    n_steps, n_warmup = 9, 2
    for step in range(n_steps):
        part = (step - n_warmup) / (n_steps - n_warmup)
        falling = {"cosine": (1 + math.cos(math.pi * part)) / 2, "linear": 1 - part, "constant_with_warmup": 1.0}
        rate = 1e-2 * (step / n_warmup if step < n_warmup else falling[scheduler])
        epoch, at = divmod(step, 3)
        order = torch.randperm(N_EXAMPLES, generator=torch.Generator().manual_seed((5 << 16) + epoch)).tolist()
        batch = [done.training[position] for position in order[4 * at : 4 * at + 4]]
        loss = sum(_nll(model, item) for item in batch) / sum(len(item.completion_ids) for item in batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        assert done.steps()[step].learning_rate == pytest.approx(rate, abs=1e-12)
        assert done.steps()[step].loss == pytest.approx(loss.item(), rel=1e-4)
    for ours, theirs in zip(model.parameters(), done.model.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)


def _nll(model: Any, item: Encoded) -> torch.Tensor:
    """Summed over the completion's tokens, in nats."""
    ids = torch.tensor([item.prompt_ids + item.completion_ids])
    n = len(item.completion_ids)
    return torch.nn.functional.cross_entropy(model(input_ids=ids).logits[0, -n - 1 : -1], ids[0, -n:], reduction="sum")


def test_a_stopped_training_goes_on_to_the_same_end(run: Make) -> None:
    undisturbed = run(folder="undisturbed")
    stop = StopRequest()
    stop.deferred = True
    stop.make()
    stopped = run(stop=stop)
    assert str(stopped.error) == "stopped after step 1, with a checkpoint"
    resumed = run()
    assert [event.step for event in resumed.events if isinstance(event, protocol.Resumed)] == [1]
    assert resumed.results.resumed_from_step == 1
    assert [step.loss for step in resumed.steps()] == [step.loss for step in undisturbed.steps()[1:]]
    assert resumed.results.tokens == undisturbed.results.tokens
    assert resumed.results.evaluations == undisturbed.results.evaluations


def test_the_best_epoch_is_kept_and_training_stops_early(run: Make) -> None:
    changes = {"train.best_checkpoint": True, "train.early_stopping_epochs": 1, "train.epochs": 30}
    done = run({**changes, "method.learning_rate": 0.3})
    results = done.results
    losses = [evaluation.loss for evaluation in results.evaluations]
    best = min(results.evaluations, key=lambda evaluation: evaluation.loss or math.inf)
    assert results.best_step == best.step
    assert results.stopped_early
    assert results.steps < 90
    assert losses[-1] != best.loss
    assert mean_nll(done.model, done.tokenizer, done.test) == pytest.approx(best.loss, rel=1e-5)


def test_gradient_checkpointing_changes_no_number(run: Make) -> None:
    plain = run()
    recomputed = run({"train.gradient_checkpointing": True}, folder="recomputed")
    assert [step.loss for step in recomputed.steps()] == pytest.approx([step.loss for step in plain.steps()], rel=1e-5)


@pytest.mark.parametrize("checkpointing", [True, False])
def test_everything_is_trained_with_states_of_eight_bits(run: Make, checkpointing: bool) -> None:
    changes = {"method": "full", "method.learning_rate": 1e-3, "train.gradient_checkpointing": checkpointing}
    plain = run(changes)
    small = run(changes | {"train.optimizer": "adamw_bnb_8bit"}, folder="small")
    losses = [[step.loss for step in done.steps()] for done in (plain, small)]
    # The first step's gradients are the same; quantised states then lead elsewhere, but not far.
    assert losses[0][0] == losses[1][0]
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_packed_sequences_do_not_see_each_other(run: Make) -> None:
    everything = {"train.effective_batch": 1, "train.micro_batch": 1, "train.packing": True, "prompt.max_length": 2048}
    packed = run({**everything, "train.epochs": 1})
    apart = run({"train.effective_batch": N_EXAMPLES, "train.micro_batch": N_EXAMPLES, "train.epochs": 1}, "apart")
    assert packed.results.steps == apart.results.steps == 1
    assert packed.results.first_loss == pytest.approx(apart.results.first_loss, rel=1e-4)
    assert packed.results.tokens == apart.results.tokens


@pytest.mark.parametrize("method", ["lora", "qlora", "toplayer", "full"])
def test_training_leaves_nothing_on_the_model_but_its_weights(run: Make, method: str) -> None:
    done = run({"method": method})
    assert not any("forward" in module.__dict__ for module in done.model.modules())
    assert not done.model.training
    assert all(weight.grad is None for weight in done.model.parameters())
    trained = {weight.dtype for weight in done.model.parameters() if weight.requires_grad}
    assert trained == {torch.float32}


def test_the_copies_of_trainable_weights_are_in_host_memory(run: Make) -> None:
    with torch.device("meta"):
        layer = torch.nn.Linear(2, 2)
    layer.weight = torch.nn.Parameter(torch.ones(2, 2))
    layer.bias.requires_grad_(False)
    copies = trainable_weights(layer)  # type: ignore[arg-type]
    layer.weight.data.zero_()
    assert {name: (str(copy.device), copy.tolist()) for name, copy in copies.items()} == {
        "weight": ("cpu", [[1.0, 1.0], [1.0, 1.0]])
    }
    restore_weights(layer, copies)  # type: ignore[arg-type]
    assert layer.weight.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert layer.weight.data_ptr() != copies["weight"].data_ptr()


def test_a_mixture_of_experts_trains_on_completions_and_answers(
    make_cell: Callable[..., Cell],
    small_model: Callable[..., Model],
    tokenizer: Any,
    training: Make,
    tmp_path: Path,
) -> None:
    """In batches with padding, a model whose configuration asks for router logits cannot generate."""
    checkpoint = write(tmp_path / "moe", small("mixtral", router_aux_loss_coef=0.5), tokenizer)
    model = small_model(path=str(checkpoint))
    fresh = load(model, None, 0)
    one_step = {"train.epochs": 1, "train.effective_batch": N_EXAMPLES, "train.micro_batch": N_EXAMPLES}
    done = training(make_cell({**RECIPE, **one_step, "method.dropout": 0.0}), model, tmp_path / "checkpoints")
    assert done.model.config.to_dict() == fresh.base.config.to_dict()
    assert done.model.generation_config.to_dict() == fresh.base.generation_config.to_dict()
    answers = answer(done.model, done.tokenizer, done.test, 4, 4, (), progress=lambda _: None)
    assert len(answers) == len(done.test)
    assert done.results.first_loss == pytest.approx(mean_nll(fresh.base, fresh.tokenizer, done.training), rel=1e-5)


def test_a_mixture_of_experts_saved_for_its_router_logits_answers_without_training(
    small_model: Callable[..., Model], tokenizer: Any, examples: Sequence[Example], default_job: Job, tmp_path: Path
) -> None:
    folder = write(tmp_path / "moe", small("mixtral", router_aux_loss_coef=0.5), tokenizer)
    config = json.loads((folder / "config.json").read_text()) | {"output_router_logits": True}
    (folder / "config.json").write_text(json.dumps(config))
    loaded = load(small_model(path=str(folder)), None, 0)
    encoded, _ = encode(examples, default_job.cell.prompt, loaded.tokenizer, Room(256, 4))
    assert len({len(item.prompt_ids) for item in encoded}) > 1
    assert len(answer(loaded.base, loaded.tokenizer, encoded, 4, 4, (), progress=lambda _: None)) == len(encoded)


def damage(checkpoint: Path, how: str) -> None:
    match how:
        case "truncated":
            file = checkpoint / WEIGHTS
            file.write_bytes(file.read_bytes()[:-1])
        case "torn manifest":
            (checkpoint / MANIFEST).write_text('{"optimizer.pt": 1')
        case name:
            (checkpoint / name).unlink()


@pytest.mark.parametrize(
    ("how", "fault"),
    [
        ("optimizer.pt", "optimizer.pt is missing"),
        ("rng_state.pth", "rng_state.pth is missing"),
        ("truncated", "weights.safetensors has {short} of {whole} bytes"),
        (MANIFEST, "it has no readable manifest.json"),
        ("torn manifest", "it has no readable manifest.json"),
    ],
)
def test_an_incomplete_checkpoint_is_dropped_for_the_one_before(
    run: Make, tmp_path: Path, how: str, fault: str
) -> None:
    # Dropout makes the numbers depend on the state of the random number generators.
    changes = {"method.dropout": 0.1, "train.checkpoint_steps": 2}
    undisturbed = run(changes)
    newest = tmp_path / "checkpoints" / "checkpoint-6"
    whole = (newest / WEIGHTS).stat().st_size
    damage(newest, how)
    resumed = run(changes)
    assert [event.message for event in resumed.events if isinstance(event, protocol.Warned)] == [
        f"checkpoint-6 was removed ({fault.format(short=whole - 1, whole=whole)}); "
        "training resumes from an earlier checkpoint or from the start"
    ]
    assert resumed.results.resumed_from_step == 4
    assert [step.loss for step in resumed.steps()] == [step.loss for step in undisturbed.steps()[4:]]
    assert resumed.results.evaluations == undisturbed.results.evaluations
    assert sorted(path.name for path in newest.parent.iterdir()) == ["checkpoint-4", "checkpoint-6"]


def test_a_checkpoint_is_written_when_the_last_one_is_old(run: Make, tmp_path: Path) -> None:
    """Here, every one is; the trainer keeps the newest two."""
    undisturbed = run({"method.dropout": 0.1})
    saved = run({"method.dropout": 0.1}, folder="often", stop=StopRequest(checkpoint_s=0.0))
    assert [step.loss for step in saved.steps()] == [step.loss for step in undisturbed.steps()]
    last = len(saved.steps())
    assert sorted(path.name for path in (tmp_path / "often").iterdir()) == [
        f"checkpoint-{last - 1}",
        f"checkpoint-{last}",
    ]


def test_without_any_complete_checkpoint_training_starts_again(run: Make, tmp_path: Path) -> None:
    undisturbed = run({"method.dropout": 0.1})
    for checkpoint in (tmp_path / "checkpoints").iterdir():
        damage(checkpoint, "optimizer.pt")
    again = run({"method.dropout": 0.1})
    assert not any(isinstance(event, protocol.Resumed) for event in again.results)
    assert [step.loss for step in again.steps()] == [step.loss for step in undisturbed.steps()]


def test_the_best_weights_survive_the_loss_of_the_newest_checkpoint(run: Make, tmp_path: Path) -> None:
    changes = {"train.best_checkpoint": True, "train.early_stopping_epochs": 1, "train.epochs": 30}
    changes |= {"method.learning_rate": 0.3}
    undisturbed = run(changes)
    last, best = undisturbed.results.steps, undisturbed.results.best_step
    assert best == last - 3
    damage(tmp_path / "checkpoints" / f"checkpoint-{last}", "optimizer.pt")
    resumed = run(changes)
    assert (resumed.results.resumed_from_step, resumed.results.best_step) == (best, best)
    weights = dict(undisturbed.model.named_parameters())
    assert all(torch.equal(weight, weights[name]) for name, weight in resumed.model.named_parameters())


@pytest.mark.parametrize(
    "changes",
    [
        {"train.best_checkpoint": True, "train.early_stopping_epochs": 1, "train.epochs": 30},
        {"train.max_steps": 4, "train.scheduler": "constant_with_warmup"},
    ],
)
def test_a_training_that_had_ended_does_not_go_on(run: Make, changes: dict[str, Any]) -> None:
    """A cell that is killed while it answers resumes from its last checkpoint, in the middle of all its epochs."""
    undisturbed = run(changes | {"method.learning_rate": 0.3})
    again = run(changes | {"method.learning_rate": 0.3})
    times = {"step_time_s_p50", "step_time_s_p95", "n_steps_timed", "tokens_per_s", "resumed_from_step"}
    assert again.results.resumed_from_step == undisturbed.results.steps
    assert again.results.model_dump(exclude=times) == undisturbed.results.model_dump(exclude=times)
    weights = dict(undisturbed.model.named_parameters())
    assert all(torch.equal(weight, weights[name]) for name, weight in again.model.named_parameters())


def test_a_resumed_training_knows_the_micro_batches_that_did_not_fit(
    run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(trainer: Any, model: Any, inputs: dict[str, Any], *args: Any) -> torch.Tensor:
        if len(inputs["input_ids"]) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return original(trainer, model, inputs, *args)

    original = Trainer.training_step
    monkeypatch.setattr(Trainer, "training_step", step)
    changes = {"train.fit_micro_batch": True}
    undisturbed = run(changes, folder="undisturbed")
    stop = StopRequest()
    stop.deferred = True
    stop.make()
    assert run(changes, stop=stop).error is not None
    resumed = run(changes)
    assert resumed.results.resumed_from_step == 1
    assert resumed.results.micro_batches_tried == undisturbed.results.micro_batches_tried == (4, 2, 1)
    assert [step.loss for step in resumed.steps()] == [step.loss for step in undisturbed.steps()[-5:]]
