"""The trainer, assembled from the recipe: TRL's SFTTrainer, told everything that it would otherwise choose itself."""

import json
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import (
    EarlyStoppingCallback,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl import SFTConfig, SFTTrainer

from bench.cell import Cell
from bench.child.encode import Encoded
from bench.child.generate import reference_likelihoods
from bench.child.phases import Interrupted, Phases, is_out_of_memory, release_memory, synchronize
from bench.protocol import Evaluated, MicroBatchHalved, Missing, Resumed, Step, Trained
from bench.record import Evaluation, Training

UNTIMED_STEPS = 3
"""The first steps of a run are slower than the rest (allocation, autotuning) and are left out of the step times."""


class StopRequest:
    """Whether the supervisor has asked the cell to stop. While `deferred`, training ends after its current step."""

    def __init__(self) -> None:
        self.made = False
        self.deferred = False

    def make(self, *_: object) -> None:
        """Signal handler."""
        self.made = True
        if not self.deferred:
            raise Interrupted("stopped before the cell was done")


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    training: Sequence[Encoded],
    validation: Sequence[Encoded],
    cell: Cell,
    checkpoints: Path,
    dtype: torch.dtype,
    phases: Phases,
    stop: StopRequest,
) -> None:
    """Train `model` in place, from its newest whole checkpoint if there is one, and tell what was measured.

    Raises:
        Interrupted: `stop` was made; a checkpoint of the step that was reached has been written.
    """
    micro_batches = [cell.train.micro_batch]
    checkpoint = newest_checkpoint(checkpoints)
    if checkpoint is not None:
        state = json.loads((checkpoint / "trainer_state.json").read_text())
        micro_batches = [state["train_batch_size"]]
        phases.send(Resumed(step=state["global_step"]))
    untouched = _trainable(model) if cell.train.fit_micro_batch else {}
    while True:
        with _only_own_forward(model):
            arguments = _arguments(cell, checkpoints, dtype, model.device, micro_batches[-1])
            trainer = _Trainer(model, tokenizer, training, validation, cell, arguments, phases, stop)
            stop.deferred = True
            try:
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            except Exception as error:
                if not (cell.train.fit_micro_batch and is_out_of_memory(error) and micro_batches[-1] > 1):
                    raise
            else:
                break
            finally:
                stop.deferred = False
        del trainer
        checkpoint = None
        shutil.rmtree(checkpoints, ignore_errors=True)
        _lay_back(model, untouched)
        release_memory()
        micro_batches.append(_smaller(micro_batches[-1], cell.train.effective_batch))
        phases.send(MicroBatchHalved(micro_batch=micro_batches[-1]))
    if stop.made:
        raise Interrupted(f"stopped after step {trainer.state.global_step}, where a checkpoint lies")
    _tell(trainer, cell, micro_batches, phases)


def newest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint with the most steps that was written to its end; the others are removed.

    The trainer writes `trainer_state.json` last, so one that parses means that all the rest lies there too.
    """
    found: list[tuple[int, Path]] = []
    for path in folder.glob("checkpoint-*"):
        try:
            found.append((json.loads((path / "trainer_state.json").read_text())["global_step"], path))
        except (OSError, ValueError):
            shutil.rmtree(path)
    return max(found)[1] if found else None


class _Trainer(SFTTrainer):
    """SFTTrainer that counts tokens, tells every step, and evaluates per token instead of per batch."""

    control: TrainerControl

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        training: Sequence[Encoded],
        validation: Sequence[Encoded],
        cell: Cell,
        arguments: SFTConfig,
        phases: Phases,
        stop: StopRequest,
    ) -> None:
        self.validation = validation
        self.eval_batch = cell.generation.batch
        self.phases = phases
        self.step_times_s: list[float] = []
        self.step_tokens: list[int] = []
        self.ready_s = 0.0
        self._seen = [torch.zeros((), dtype=torch.long), torch.zeros((), dtype=torch.long)]
        adapters = _trainable(model)
        callbacks: list[TrainerCallback] = [_Steps(self, stop, cell.train.checkpoint_steps)]
        if cell.train.early_stopping_epochs is not None:
            callbacks.append(EarlyStoppingCallback(cell.train.early_stopping_epochs))
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=_table(training),
            eval_dataset=_table(validation),
            processing_class=tokenizer,
            callbacks=callbacks,
        )
        # TRL turns the adapters of a quantised model to bfloat16, whatever it was given.
        _lay_back(model, adapters)
        self.remove_callback(PrinterCallback)

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        labels = inputs["labels"]
        real = inputs["attention_mask"].sum() if "attention_mask" in inputs else torch.tensor(labels.numel())
        for at, count in enumerate((real, (labels != -100).sum())):
            self._seen[at] = self._seen[at].to(labels.device) + count.to(labels.device)
        return super().training_step(model, inputs, *args, **kwargs)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            logs["tokens"], logs["completion_tokens"] = (int(count.item()) for count in self._seen)
            self._seen = [torch.zeros_like(count) for count in self._seen]
            self.step_tokens.append(int(logs["tokens"]))
        super().log(logs, start_time)

    def evaluate(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> dict[str, float]:
        with self.phases.phase("validate"), self.autocast_smart_context_manager():
            found = reference_likelihoods(self.model, self.processing_class, self.validation, self.eval_batch)
        loss = sum(likelihood.nll_nats for likelihood in found) / sum(likelihood.tokens for likelihood in found)
        metrics = {f"{metric_key_prefix}_loss": loss}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        self.ready_s = time.monotonic()
        return metrics

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        self.ready_s = time.monotonic()

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write none: a checkpoint here is for resuming, and a card would ask the hub about the base model."""


class _Steps(TrainerCallback):
    """Times steps, tells them to the supervisor, and ends training at a step's end when that is asked for."""

    def __init__(self, trainer: _Trainer, stop: StopRequest, checkpoint_steps: int | None) -> None:
        self.trainer = trainer
        self.stop = stop
        self.checkpoint_steps = checkpoint_steps

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.trainer.ready_s = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        synchronize()
        now_s = time.monotonic()
        self.trainer.step_times_s.append(now_s - self.trainer.ready_s)
        self.trainer.ready_s = now_s
        due = self.checkpoint_steps is not None and state.global_step % self.checkpoint_steps == 0
        if (due or self.stop.made) and not _epoch_ends(state):
            control.should_save = True

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if not _epoch_ends(state):
            # The trainer takes the step at which it was stopped for an epoch's end.
            control.should_evaluate = control.should_save = False

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        # Not before: at an epoch's end, evaluation and checkpoint are still to come.
        if self.stop.made:
            control.should_training_stop = True

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, float], **_: Any
    ) -> None:
        if "loss" in logs:
            self.trainer.phases.send(
                Step(
                    at_s=time.monotonic(),
                    step=state.global_step,
                    n_steps=state.max_steps,
                    epoch=state.epoch,
                    loss=_finite(logs["loss"]),
                    learning_rate=logs["learning_rate"],
                    grad_norm=_finite(logs["grad_norm"]),
                    seconds=self.trainer.step_times_s[-1],
                    tokens=int(logs["tokens"]),
                )
            )
        elif "eval_loss" in logs:
            evaluation = _evaluation({**logs, "step": state.global_step, "epoch": state.epoch})
            self.trainer.phases.send(Evaluated(at_s=time.monotonic(), evaluation=evaluation))


def _epoch_ends(state: TrainerState) -> bool:
    """Whether evaluation follows this step. The checkpoint is written after it, so that neither is there alone."""
    return state.global_step == state.max_steps or math.isclose(state.epoch, round(state.epoch))


def _arguments(cell: Cell, checkpoints: Path, dtype: torch.dtype, device: torch.device, micro_batch: int) -> SFTConfig:
    """Every setting that changes numbers, from the cell, and the rest of the trainer's habits switched off."""
    recipe = cell.train
    on_cpu = device.type == "cpu"
    return SFTConfig(
        output_dir=str(checkpoints),
        learning_rate=cell.method.learning_rate,
        num_train_epochs=recipe.epochs,
        max_steps=recipe.max_steps or -1,
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=recipe.effective_batch // micro_batch,
        optim=recipe.optimizer,
        adam_beta1=recipe.adam_beta1,
        adam_beta2=recipe.adam_beta2,
        adam_epsilon=recipe.adam_epsilon,
        weight_decay=recipe.weight_decay,
        lr_scheduler_type=recipe.scheduler,
        warmup_steps=recipe.warmup_fraction,
        max_grad_norm=recipe.max_grad_norm,
        gradient_checkpointing=recipe.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False} if recipe.gradient_checkpointing else None,
        seed=cell.seed,
        data_seed=cell.seed,
        train_sampling_strategy="random",
        use_cpu=on_cpu,
        bf16=dtype == torch.bfloat16,
        tf32=None if on_cpu else False,
        dataloader_pin_memory=not on_cpu,
        dataloader_num_workers=0,
        max_length=cell.prompt.max_length,
        packing=recipe.packing,
        packing_strategy="bfd",
        eval_packing=False,
        completion_only_loss=False,
        loss_type="nll",
        pad_to_multiple_of=None,
        # Sequences come tokenised, cut and labelled; only packing has something left to prepare.
        dataset_kwargs={"skip_prepare_dataset": not recipe.packing},
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        restore_callback_states_from_checkpoint=True,
        load_best_model_at_end=recipe.best_checkpoint,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
    )


def _table(encoded: Sequence[Encoded]) -> Dataset:
    """Sequences and their labels: -100 on the prompt, the loss is on the completion and its end of sequence."""
    return Dataset.from_dict(
        {
            "input_ids": [list(item.prompt_ids + item.completion_ids) for item in encoded],
            "labels": [[-100] * len(item.prompt_ids) + list(item.completion_ids) for item in encoded],
        }
    )


def _tell(trainer: _Trainer, cell: Cell, micro_batches: list[int], phases: Phases) -> None:
    """Send what was measured. Losses and tokens are of all steps: checkpoints carry the trainer's log along."""
    state = trainer.state
    steps = [entry for entry in state.log_history if "loss" in entry]
    evaluations = tuple(_evaluation(entry) for entry in state.log_history if "eval_loss" in entry)
    timed_s = trainer.step_times_s[UNTIMED_STEPS:]
    timed_tokens = trainer.step_tokens[UNTIMED_STEPS:]
    training = Training(
        steps=state.global_step,
        epochs=state.epoch,
        tokens=sum(int(entry["tokens"]) for entry in steps),
        completion_tokens=sum(int(entry["completion_tokens"]) for entry in steps),
        first_loss=_finite(steps[0]["loss"]),
        last_loss=_finite(steps[-1]["loss"]),
        step_time_s_p50=float(np.percentile(timed_s, 50)) if timed_s else None,
        step_time_s_p95=float(np.percentile(timed_s, 95)) if timed_s else None,
        n_steps_timed=len(timed_s),
        tokens_per_s=sum(timed_tokens) / sum(timed_s) if timed_s else None,
        micro_batch=micro_batches[-1],
        effective_batch=cell.train.effective_batch,
        micro_batches_tried=tuple(micro_batches),
        resumed_from_step=state.global_step - len(trainer.step_times_s),
        stopped_early=state.global_step < state.max_steps,
        best_step=state.best_global_step if cell.train.best_checkpoint else None,
        evaluations=evaluations,
    )
    phases.send(Trained(training=training))
    reasons = {} if cell.train.best_checkpoint else {"training.best_step": "last_weights_kept"}
    if not timed_s:
        reasons |= dict.fromkeys(
            ("training.step_time_s_p50", "training.step_time_s_p95", "training.tokens_per_s"), "too_few_steps"
        )
    for name in ("first_loss", "last_loss"):
        if getattr(training, name) is None:
            reasons[f"training.{name}"] = "not_finite"
    for at, evaluation in enumerate(evaluations):
        if evaluation.loss is None:
            reasons[f"training.evaluations.{at}.loss"] = "not_finite"
    phases.send(Missing(reasons=reasons))


def _evaluation(entry: dict[str, Any]) -> Evaluation:
    return Evaluation(step=entry["step"], epoch=entry["epoch"], loss=_finite(entry["eval_loss"]))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _smaller(micro_batch: int, effective_batch: int) -> int:
    """The largest divisor of the effective batch that is at most half of `micro_batch`."""
    return next(size for size in range(micro_batch // 2, 0, -1) if effective_batch % size == 0)


def _trainable(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad}


def _lay_back(model: PreTrainedModel, weights: dict[str, torch.Tensor]) -> None:
    for name, weight in model.named_parameters():
        if name in weights:
            weight.data = weights[name].clone()


@contextmanager
def _only_own_forward(model: PreTrainedModel) -> Iterator[None]:
    """Take off again what the trainer hangs on the model, so that it answers as a freshly loaded one would."""
    modules = list(model.modules())
    own = [module.__dict__.get("forward") for module in modules]
    try:
        yield
    finally:
        for module, forward in zip(modules, own, strict=True):
            if forward is None:
                module.__dict__.pop("forward", None)
            else:
                module.__dict__["forward"] = forward
        if model.is_gradient_checkpointing:
            model.gradient_checkpointing_disable()
        model.zero_grad(set_to_none=True)
        model.eval()
