"""TRL's SFTTrainer with token counts, step times, evaluation per token and checkpoints that end with a manifest."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
from bench.child import checkpoints
from bench.child.device import synchronize
from bench.child.generate import finite, reference_likelihoods
from bench.child.interrupt import StopRequest
from bench.child.phases import Phases
from bench.child.soundness import require_loss, require_packing
from bench.encode import Encoded
from bench.protocol import Evaluated, Step
from bench.record_sections import Evaluation


class Trainer(SFTTrainer):
    """Trains on encoded examples, reports every step and evaluation to `phases`, and stops when `stop` asks for it."""

    control: TrainerControl

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        training: Sequence[Encoded],
        tune: Sequence[Encoded],
        cell: Cell,
        arguments: SFTConfig,
        phases: Phases,
        stop: StopRequest,
    ) -> None:
        self.tune = tune
        self.method = cell.method
        self.eval_batch = cell.generation.batch
        self.phases = phases
        self.step_times_s: list[float] = []
        self.step_start_s = 0.0
        self._tokens = self._completion_tokens = torch.zeros((), dtype=torch.long, device=model.device)
        callbacks: list[TrainerCallback] = [_Steps(self, stop, cell.train.checkpoint_steps)]
        if cell.train.early_stopping_epochs is not None:
            callbacks.append(EarlyStoppingCallback(cell.train.early_stopping_epochs))
        weights = checkpoints.trainable_weights(model)
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=_table(training),
            eval_dataset=_table(tune) if tune else None,
            processing_class=tokenizer,
            callbacks=callbacks,
        )
        # TRL has cast the adapters of a quantised model to bfloat16.
        checkpoints.restore_weights(model, weights)
        self.remove_callback(PrinterCallback)

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        # Packed sequences have no padding, and no attention mask.
        self._tokens = self._tokens + inputs.get("attention_mask", torch.ones_like(inputs["labels"])).sum()
        self._completion_tokens = self._completion_tokens + (inputs["labels"] != -100).sum()
        loss = super().training_step(model, inputs, *args, **kwargs)
        if (penalty := self.method.penalty(self.model)) is not None:
            (penalty / self.current_gradient_accumulation_steps).backward()
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Report a step and log its token counts, which checkpoints keep: after a resume they still cover all steps."""
        if "loss" in logs:
            logs["tokens"], logs["completion_tokens"] = int(self._tokens.item()), int(self._completion_tokens.item())
            self._tokens = self._completion_tokens = torch.zeros_like(self._tokens)
            self.phases.send(
                Step(
                    at_s=time.monotonic(),
                    step=self.state.global_step,
                    n_steps=self.state.max_steps,
                    epoch=self.state.epoch,
                    loss=finite(logs["loss"]),
                    learning_rate=logs["learning_rate"],
                    grad_norm=finite(logs["grad_norm"]),
                    seconds=self.step_times_s[-1],
                    tokens=int(logs["tokens"]),
                )
            )
        super().log(logs, start_time)

    def evaluate(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> dict[str, float]:
        """Mean loss per completion token; the trainer's own is a mean of batch means."""
        with self.phases.phase("validate"):
            likelihoods = reference_likelihoods(self.model, self.processing_class, self.tune, self.eval_batch)
        nll_nats = sum(likelihood.nll_nats for likelihood in likelihoods)
        loss = nll_nats / sum(likelihood.tokens for likelihood in likelihoods)
        evaluation = Evaluation(step=self.state.global_step, epoch=self.state.epoch, loss=finite(loss))
        self.phases.send(Evaluated(at_s=time.monotonic(), evaluation=evaluation))
        metrics = {f"{metric_key_prefix}_loss": loss}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        self.step_start_s = time.monotonic()
        return metrics

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        # The base class asks only after an epoch whether training is to stop, also if it had stopped before a resume.
        if not self.control.should_training_stop:
            super()._run_epoch(*args, **kwargs)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        checkpoints.seal(checkpoints.path_of(Path(self.args.output_dir), self.state.global_step))
        self.step_start_s = time.monotonic()

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        if output_dir is not None:
            checkpoints.save_weights(Path(output_dir), self.model, self.method)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        checkpoints.load_weights(Path(resume_from_checkpoint), self.model, self.method)

    def _load_best_model(self) -> None:
        checkpoints.load_weights(Path(self.state.best_model_checkpoint), self.model, self.method)

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write no card into checkpoints: it would ask the hub about the base model."""


class _Steps(TrainerCallback):
    """Times steps, writes checkpoints between epochs, and stops training at the end of a step when asked to."""

    def __init__(self, trainer: Trainer, stop: StopRequest, checkpoint_steps: int | None) -> None:
        self.trainer = trainer
        self.stop = stop
        self.saved_s = 0.0
        self.checkpoint_steps = checkpoint_steps

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.trainer.method.begin(self.trainer.model, state.max_steps)
        if args.packing:
            require_packing(self.trainer.model, self.trainer.data_collator)
        require_loss(self.trainer.model, self.trainer.data_collator)
        # The checkpoint that training resumes from may be its last one: that of an early stop, or of the last step.
        control.should_training_stop = state.stateful_callbacks["TrainerControl"]["args"]["should_training_stop"]
        self.trainer.step_start_s = self.saved_s = time.monotonic()

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.trainer.method.stepped(self.trainer.model, state.global_step + 1)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        synchronize()
        end_s = time.monotonic()
        self.trainer.step_times_s.append(end_s - self.trainer.step_start_s)
        self.trainer.step_start_s = end_s
        due = self.checkpoint_steps is not None and state.global_step % self.checkpoint_steps == 0
        old = end_s - self.saved_s > self.stop.checkpoint_s
        if (due or old or self.stop.made) and not _ends_epoch(state):
            control.should_save = True

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if not _ends_epoch(state):
            # The trainer calls this for the step at which it was stopped, too.
            control.should_evaluate = control.should_save = False

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        # Not earlier: at the end of an epoch, evaluation and checkpoint come after the step.
        self.saved_s = time.monotonic()
        if self.stop.made:
            control.should_training_stop = True


def _ends_epoch(state: TrainerState) -> bool:
    """Whether evaluation follows this step. Its checkpoint is written after that, so that neither exists alone."""
    return state.global_step == state.max_steps or math.isclose(state.epoch, round(state.epoch))


def _table(encoded: Sequence[Encoded]) -> Dataset:
    """Token ids and labels. The loss covers the completion, its end, and what is learned of the prompt."""
    return Dataset.from_dict(
        {
            "input_ids": [list(item.prompt_ids + item.completion_ids) for item in encoded],
            "labels": [_prompt_labels(item) + list(item.completion_ids) for item in encoded],
        }
    )


def _prompt_labels(item: Encoded) -> list[int]:
    if not item.learned:
        return [-100] * len(item.prompt_ids)
    return [id if learned else -100 for id, learned in zip(item.prompt_ids, item.learned, strict=True)]
