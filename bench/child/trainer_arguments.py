"""The trainer's settings, all of them explicit: a library's default must not decide a result."""

from pathlib import Path

import torch
from trl import SFTConfig

from bench.cell import Cell
from bench.errors import InputError
from bench.recipe import Recipe


def require_optimizer(recipe: Recipe, device: torch.device) -> None:
    """Raise InputError if the optimiser does not run on `device`."""
    if recipe.optimizer.startswith("paged") and device.type == "cpu":
        # bitsandbytes would run it without paging.
        raise InputError(
            f"train.optimizer={recipe.optimizer} needs a GPU, and PyTorch finds none; "
            "choose adamw_torch or adamw_bnb_8bit"
        )


def arguments(
    cell: Cell, folder: Path, dtype: torch.dtype, device: torch.device, micro_batch: int, *, evaluates: bool
) -> SFTConfig:
    """Settings for training `cell` in `dtype` on `device`, with checkpoints in `folder`.

    It `evaluates` after each epoch, or never.

    Raises:
        InputError: the optimiser does not run on `device`.
    """
    recipe = cell.train
    require_optimizer(recipe, device)
    on_cpu = device.type == "cpu"
    return SFTConfig(
        output_dir=str(folder),
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
        # Accelerate adds the epoch to it: otherwise one seed's second epoch would be the next seed's first.
        data_seed=cell.seed << 16,
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
        # The loss is that of the completions alone, also for a mixture of experts.
        router_aux_loss_coef=0.0,
        pad_to_multiple_of=None,
        # Sequences are already tokenised, cut and labelled; only packing still has to be prepared.
        dataset_kwargs={"skip_prepare_dataset": not recipe.packing},
        eval_strategy="epoch" if evaluates else "no",
        save_strategy="epoch",
        # The newest, and one before it in case the newest turns out to be incomplete; the best comes on top.
        save_total_limit=3 if recipe.best_checkpoint else 2,
        restore_callback_states_from_checkpoint=True,
        load_best_model_at_end=recipe.best_checkpoint,
        metric_for_best_model="eval_loss" if recipe.best_checkpoint else None,
        greater_is_better=False,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
    )
