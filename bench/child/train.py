"""Training of a prepared model: from its newest checkpoint, with a micro batch that fits, to what was measured."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from bench.cell import Cell
from bench.child import checkpoints
from bench.child.checkpoints import restore_weights, trainable_weights
from bench.child.device import is_out_of_memory, release_memory
from bench.child.generate import finite
from bench.child.interrupt import Interrupted, StopRequest
from bench.child.phases import Phases
from bench.child.trainer import Trainer
from bench.child.trainer_arguments import arguments
from bench.encode import Encoded
from bench.protocol import MicroBatchHalved, Missing, Resumed, Trained
from bench.record_sections import Evaluation, Training

UNTIMED_STEPS = 3
"""The first steps of a run are slower (allocation, autotuning) and are left out of the step times."""


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    training: Sequence[Encoded],
    tune: Sequence[Encoded],
    cell: Cell,
    folder: Path,
    dtype: torch.dtype,
    phases: Phases,
    stop: StopRequest,
) -> None:
    """Train `model` in place, from the newest complete checkpoint in `folder` if there is one, and send the results.

    Raises:
        Interrupted: a stop was requested; a checkpoint of the last step has been written.
    """

    def attempt(micro_batch: int, checkpoint: Path | None) -> Trainer | None:
        """The trainer when it is done; None if memory ran out and a smaller micro batch can be tried."""
        with _only_weights_change(model):
            settings = arguments(cell, folder, dtype, model.device, micro_batch, evaluates=bool(tune))
            trainer = Trainer(model, tokenizer, training, tune, cell, settings, phases, stop)
            stop.deferred = True
            try:
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            except Exception as error:
                if not (cell.train.fit_micro_batch and is_out_of_memory(error) and micro_batch > 1):
                    raise
                return None
            finally:
                stop.deferred = False
        return trainer

    micro_batches = [cell.train.micro_batch]
    checkpoint = checkpoints.newest_complete(folder, phases.warn)
    if checkpoint is not None:
        state = json.loads((checkpoint / "trainer_state.json").read_text())
        # Those that did not fit before the checkpoint was written are known from the one that did.
        while micro_batches[-1] > state["train_batch_size"]:
            micro_batches.append(_smaller(micro_batches[-1], cell.train.effective_batch))
        phases.send(Resumed(step=state["global_step"]))
    initial_weights = trainable_weights(model) if cell.train.fit_micro_batch else {}
    initial_state = cell.method.state(model)
    while (trainer := attempt(micro_batches[-1], checkpoint)) is None:
        checkpoint = None
        checkpoints.clear(folder)
        restore_weights(model, initial_weights)
        cell.method.restore(model, initial_state)
        release_memory()
        micro_batches.append(_smaller(micro_batches[-1], cell.train.effective_batch))
        phases.send(MicroBatchHalved(micro_batch=micro_batches[-1]))
    if stop.made:
        raise Interrupted(f"stopped after step {trainer.state.global_step}, with a checkpoint")
    _send_results(trainer, cell, micro_batches, phases)


@contextmanager
def _only_weights_change(model: PreTrainedModel) -> Iterator[None]:
    """Undo everything else that training changes on the model, so that it answers as a freshly loaded one would.

    The trainer wraps `forward` and edits the configurations: TRL sets `output_router_logits` on mixtures of experts,
    which then cannot generate.
    """
    modules = list(model.modules())
    forwards = [module.__dict__.get("forward") for module in modules]
    configs = (model.config, model.config.get_text_config(), model.generation_config)
    settings = [dict(vars(config)) for config in configs]
    try:
        yield
    finally:
        for module, forward in zip(modules, forwards, strict=True):
            module.__dict__.pop("forward", None)
            if forward is not None:
                module.__dict__["forward"] = forward
        for config, before in zip(configs, settings, strict=True):
            vars(config).clear()
            vars(config).update(before)
        if model.is_gradient_checkpointing:
            model.gradient_checkpointing_disable()
        model.zero_grad(set_to_none=True)
        model.eval()


def _smaller(micro_batch: int, effective_batch: int) -> int:
    """The largest divisor of the effective batch that is at most half of `micro_batch`."""
    return next(size for size in range(micro_batch // 2, 0, -1) if effective_batch % size == 0)


def _send_results(trainer: Trainer, cell: Cell, micro_batches: list[int], phases: Phases) -> None:
    """Send what was measured. Losses and token counts cover all steps, since checkpoints keep the trainer's log."""
    state = trainer.state
    steps = [entry for entry in state.log_history if "loss" in entry]
    timed_s = trainer.step_times_s[UNTIMED_STEPS:]
    timed_tokens = sum(int(entry["tokens"]) for entry in steps[len(steps) - len(timed_s) :])
    p50_s, p95_s = map(float, np.percentile(timed_s, (50, 95))) if timed_s else (None, None)
    training = Training(
        steps=state.global_step,
        epochs=state.epoch,
        tokens=sum(int(entry["tokens"]) for entry in steps),
        completion_tokens=sum(int(entry["completion_tokens"]) for entry in steps),
        first_loss=finite(steps[0]["loss"]),
        last_loss=finite(steps[-1]["loss"]),
        step_time_s_p50=p50_s,
        step_time_s_p95=p95_s,
        n_steps_timed=len(timed_s),
        tokens_per_s=timed_tokens / sum(timed_s) if timed_s else None,
        micro_batch=micro_batches[-1],
        effective_batch=cell.train.effective_batch,
        micro_batches_tried=tuple(micro_batches),
        resumed_from_step=state.global_step - len(trainer.step_times_s),
        stopped_early=state.global_step < state.max_steps,
        best_step=state.best_global_step if cell.train.best_checkpoint else None,
        evaluations=tuple(
            Evaluation(step=entry["step"], epoch=entry["epoch"], loss=finite(entry["eval_loss"]))
            for entry in state.log_history
            if "eval_loss" in entry
        ),
    )
    phases.send(Trained(training=training))
    phases.send(Missing(reasons=_reasons(training)))


def _reasons(training: Training) -> dict[str, str]:
    """Why values of `training` are None, by their path in the record."""
    reasons = {
        "best_step": "last_weights_kept",
        "first_loss": "not_finite",
        "last_loss": "not_finite",
        "step_time_s_p50": "too_few_steps",
        "step_time_s_p95": "too_few_steps",
        "tokens_per_s": "too_few_steps",
    }
    missing = {f"training.{name}": reason for name, reason in reasons.items() if getattr(training, name) is None}
    evaluations = enumerate(training.evaluations)
    return missing | {f"training.evaluations.{at}.loss": "not_finite" for at, one in evaluations if one.loss is None}
