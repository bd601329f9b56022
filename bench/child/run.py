"""One cell, from the base model to its scores, in its own process. Read `run` like the method section of a paper."""

import math
import os
import shutil
import signal
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import fmean
from typing import Literal

import datasets
import numpy as np
import transformers
from transformers import PreTrainedTokenizerBase, set_seed

from bench import context, protocol
from bench.cell import Cell
from bench.child import checkpoints
from bench.child import load as models
from bench.child.adapter import save_adapter
from bench.child.device import is_out_of_memory, release_memory, uuids
from bench.child.generate import answer, reference_likelihoods
from bench.child.interrupt import Interrupted, StopRequest
from bench.child.latency import latency
from bench.child.phases import Phases
from bench.child.scores import answered, persist, score
from bench.child.soundness import require_causal
from bench.child.train import train
from bench.dataset import overlap
from bench.encode import Encoded, Room, encode
from bench.errors import InputError
from bench.example import fingerprint
from bench.record_sections import Base, Data, LeftOut, Parameters

FULL_BYTES = 2**20
"""A disk with less free space than this counts as full: less than one buffer of a checkpoint fits."""


def main(cell_json: str, folder: Path, checkpoint_minutes: float | None, connection: Connection) -> None:
    """Run the cell in this process and report to the supervisor over `connection`. Output goes to log.txt."""
    _log_to(folder / "log.txt")
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    stop = StopRequest(math.inf if checkpoint_minutes is None else 60 * checkpoint_minutes)
    phases = Phases(connection, stop)
    for answered_by_supervisor in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(answered_by_supervisor, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stop.make)
    try:
        # The fork server blocks SIGTERM: one that was sent earlier arrives now.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        run(Cell.model_validate_json(cell_json), folder, phases, stop)
        stop.deferred = True
        stop.check()
        phases.send(protocol.Finished())
    except BaseException as error:  # A metric's code may raise SystemExit or KeyboardInterrupt.
        stop.deferred = True
        if not isinstance(error, InputError | Interrupted):
            traceback.print_exc()
        phases.send(_failure(error, phases, folder))


def run(cell: Cell, folder: Path, phases: Phases, stop: StopRequest) -> None:
    """Load, prepare, train, answer, score, time and save."""
    saved = folder / "checkpoints"
    with phases.phase("load"):
        set_seed(cell.seed)
        dtype = models.precision(cell.model)
        # A cell that goes on from a checkpoint needs the base that it was trained on, wherever the hub's head is now.
        source = cell.model.model_copy(update={"revision": cell.model.revision or checkpoints.pinned(saved)})
        base, tokenizer, context_length, revision = models.load(source, cell.method.quantization(dtype), cell.seed)
        require_causal(base, cell.generation.batch)
        if revision and cell.method.trains:
            checkpoints.pin(saved, revision)
        model = cell.method.prepare(base)
        trainable, total = models.count_parameters(model)
        parameters = Parameters(
            trainable=trainable, total=total, trainable_percent=100 * trainable / total, saved_bytes=None
        )
        loaded = Base(
            weights=cell.model.weights,
            revision=revision,
            precision=str(dtype).removeprefix("torch."),
            device=", ".join(dict.fromkeys(str(parameter.device) for parameter in model.parameters())),
            placement=models.placement(base),
            gpus=uuids(),
            context_length=context_length,
        )
        phases.send(protocol.ModelLoaded(base=loaded, parameters=parameters))
        if context_length is None:
            phases.send(protocol.Missing(reasons={"base.context_length": "no_limit"}))

    with phases.phase("prepare"):
        for warning in (context.warning(cell, context_length), cell.prompt.warning(tokenizer)):
            if warning is not None:
                phases.warn(warning)
        training, tune, scored, data = prepare(cell, tokenizer, context_length)
        phases.send(protocol.DataPrepared(data=data))
        reasons = {"data.n_references_too_long": "nothing_asked", "data.tune_fingerprint": "no_tune_split"}
        phases.send(protocol.Missing(reasons=reasons))

    if cell.method.trains:
        with phases.phase("train"):
            train(model, tokenizer, training, tune, cell, saved, dtype, phases, stop)
            model = cell.method.settle(model)
            release_memory()

    texts = [""] * len(scored)
    if cell.prompt.asks:
        with phases.phase("generate"):
            texts = answer(
                model,
                tokenizer,
                scored,
                cell.generation.batch,
                cell.generation.max_new_tokens,
                stop=cell.generation.stop + (cell.prompt.demonstration_starts if data.n_shots_mean else ()),
                progress=lambda done: phases.send(protocol.Answering(answered=done, n_examples=len(scored))),
            )

    with phases.phase("score"):
        likelihoods = reference_likelihoods(model, tokenizer, scored, cell.generation.batch)
        answers = answered(scored, texts, likelihoods)
        scores = score(cell, answers, model, tokenizer)
        persist(folder / "predictions.jsonl", answers, scores)
        phases.send(
            protocol.Scored(
                scores=scores.values,
                score_settings=scores.settings,
                score_info=scores.info,
                score_errors=scores.errors,
            )
        )
        phases.send(protocol.Missing(reasons={f"scores.{name}": reason for name, reason in scores.missing.items()}))
        release_memory()

    with phases.phase("latency"):
        measured = latency(model, tokenizer, scored, cell.generation.batch, cell.latency)
        phases.send(protocol.LatencyMeasured(latency=measured))

    if cell.method.trains:
        with phases.phase("save"):
            n_bytes = save_adapter(folder / "adapter", model, tokenizer, cell, loaded, data, scores)
            phases.send(protocol.Saved(bytes=n_bytes))


def prepare(
    cell: Cell, tokenizer: PreTrainedTokenizerBase, context_length: int | None
) -> tuple[list[Encoded], list[Encoded], list[Encoded], Data]:
    """The examples to train on, to evaluate during training and to score, as tokens, and the record of all three.

    Raises:
        InputError: the splits overlap, or what the cell asks for does not fit into `context_length` tokens.
    """
    splits = cell.dataset.load()
    shared = overlap.require_disjoint(splits)
    if cell.needs_tune:
        overlap.require_tune(splits)
    if cell.train.include_tune:
        splits = splits.replaced({"train": (*splits.train, *splits.tune), "tune": ()})
    room = Room(context.room(cell, context_length), answer=0)
    answering = room._replace(answer=cell.generation.max_new_tokens)
    shown = cell.method.demonstrations(splits.train, cell.seed)
    training, train_counts = encode(splits.train, cell.prompt, tokenizer, room)
    tune, tune_counts = encode(splits.tune, cell.prompt, tokenizer, answering, shown)
    test, test_counts = encode(splits.test, cell.prompt, tokenizer, answering, shown)
    scored = tune if cell.scored_on == "tune" else test
    context.require_examples(cell, context_length, "training", len(training))
    context.require_examples(cell, context_length, cell.scored_on, len(scored))
    context.require_room_for_latency(cell, context_length, max(len(item.prompt_ids) for item in scored))
    trained, tuned, tested = ([*dict.fromkeys(item.example for item in part)] for part in (training, tune, test))
    n_tokens = [item.n_answer_tokens for item in scored] if cell.prompt.asks else []
    counts = (train_counts, tune_counts, test_counts)
    data = Data(
        scored_on=cell.scored_on,
        n_train=len(trained),
        n_tune=len(tuned),
        n_test=len(tested),
        n_dropped=sum(part.n_dropped for part in counts),
        n_truncated=sum(part.n_truncated for part in counts),
        n_references_too_long=sum(n > cell.generation.max_new_tokens for n in n_tokens) if n_tokens else None,
        reference_tokens=_quantiles(n_tokens) if n_tokens else {},
        n_shots_mean=fmean(item.n_shots for item in scored),
        n_fewer_shots=sum(item.n_shots < len(shown) for item in scored),
        n_clusters_tune=len({example.cluster for example in tuned}),
        n_clusters_test=len({example.cluster for example in tested}),
        left_out=tuple(LeftOut(step=step.name, split=step.split, n_dropped=step.n_dropped) for step in splits.steps),
        train=train_counts,
        tune=tune_counts,
        test=test_counts,
        train_fingerprint=fingerprint(trained),
        tune_fingerprint=fingerprint(tuned) if tuned else None,
        test_fingerprint=fingerprint(tested),
        overlap=shared,
    )
    return training, tune, scored, data


def _quantiles(n_tokens: list[int]) -> dict[Literal["p50", "p99", "largest"], int]:
    """Each is one of the numbers, so that at least that share of them is not larger."""
    p50, p99 = (int(np.quantile(n_tokens, share, method="inverted_cdf")) for share in (0.5, 0.99))
    return {"p50": p50, "p99": p99, "largest": max(n_tokens)}


def _failure(error: BaseException, phases: Phases, folder: Path) -> protocol.Failed:
    message = str(error) or type(error).__name__
    # Libraries report a full disk in many ways.
    if shutil.disk_usage(folder).free < FULL_BYTES:
        message = (
            f"the disk is full ({folder}). Free some space and run again; the cell goes on from its last checkpoint."
        )
    return protocol.Failed(
        status="interrupted" if isinstance(error, Interrupted) else "oom" if is_out_of_memory(error) else "failed",
        type=type(error).__name__,
        message=message,
        phase=phases.failed_in,
    )


def _log_to(path: Path) -> None:
    with path.open("ab", buffering=0) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
