"""One cell, from the base model to its scores: the child side, readable as a paper's method section."""

import os
import shutil
import signal
import threading
import traceback
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path

import datasets
import transformers
from transformers import PreTrainedTokenizerBase, set_seed

from bench.cell import Cell
from bench.child import load as models
from bench.child.encode import Encoded, Room, encode
from bench.child.generate import answer, reference_likelihoods
from bench.child.latency import latency
from bench.child.phases import Interrupted, Phases, is_out_of_memory, release_memory
from bench.child.scores import persist, score
from bench.child.train import StopRequest, train
from bench.dataset import overlap
from bench.errors import InputError
from bench.example import fingerprint
from bench.metric import Answer
from bench.protocol import (
    Answering,
    DataPrepared,
    Failed,
    Finished,
    LatencyMeasured,
    Missing,
    ModelLoaded,
    ParametersCounted,
    Saved,
    Scored,
)
from bench.record import Base, Data


def main(cell_json: str, folder: Path, connection: Connection) -> None:
    """Run the cell in this process, and say over `connection` how it went. Everything printed goes to log.txt."""
    _log_to(folder / "log.txt")
    _die_with_parent()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    phases = Phases(connection)
    stop = StopRequest()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stop.make)
    try:
        # The server has it blocked: a request that came before this waits until here.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        run(Cell.model_validate_json(cell_json), folder, phases, stop)
    except Exception as error:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if not isinstance(error, InputError | Interrupted):
            traceback.print_exc()
        phases.send(_failure(error, phases, folder))
    else:
        phases.send(Finished())


def run(cell: Cell, folder: Path, phases: Phases, stop: StopRequest) -> None:
    """Load, prepare, train, answer, score, time and save."""
    with phases.phase("load"):
        set_seed(cell.seed)
        dtype = models.precision(cell.model)
        base, tokenizer, context_length, revision = models.load(cell.model, cell.method.quantization(dtype), cell.seed)
        model = cell.method.prepare(base)
        trainable, total = models.count_parameters(model)
        phases.send(ParametersCounted(trainable=trainable, total=total))
        phases.send(
            ModelLoaded(
                base=Base(
                    weights=cell.model.weights,
                    revision=revision,
                    precision=str(dtype).removeprefix("torch."),
                    device=str(model.device),
                    context_length=context_length,
                )
            )
        )

    with phases.phase("prepare"):
        training, validation, data = _prepare(cell, tokenizer, context_length)
        phases.send(DataPrepared(data=data))

    if cell.method.trains:
        with phases.phase("train"):
            train(model, tokenizer, training, validation, cell, folder / "checkpoints", dtype, phases, stop)
            model = cell.method.settle(model, dtype)
            release_memory()

    with phases.phase("generate"):
        texts = answer(
            model,
            tokenizer,
            validation,
            cell.generation.batch,
            cell.generation.max_new_tokens,
            cell.generation.stop,
            progress=lambda done: phases.send(Answering(answered=done, n_examples=len(validation))),
        )

    with phases.phase("score"):
        likelihoods = reference_likelihoods(model, tokenizer, validation, cell.generation.batch)
        answers = [
            Answer.of(item.example, text, likelihood.nll_nats, likelihood.tokens)
            for item, text, likelihood in zip(validation, texts, likelihoods, strict=True)
        ]
        scores = score(cell, answers)
        persist(folder / "predictions.jsonl", answers, scores)
        phases.send(Scored(scores=scores.values, settings=scores.settings, info=scores.info))
        phases.send(Missing(reasons={f"scores.{name}": reason for name, reason in scores.missing.items()}))
        release_memory()

    with phases.phase("latency"):
        measured = latency(model, tokenizer, validation, cell.generation.batch, cell.latency)
        phases.send(LatencyMeasured(latency=measured))

    if cell.method.trains:
        with phases.phase("save"):
            phases.send(Saved(bytes=cell.method.save(model, folder / "adapter")))


def _prepare(
    cell: Cell, tokenizer: PreTrainedTokenizerBase, context_length: int
) -> tuple[list[Encoded], list[Encoded], Data]:
    splits = cell.dataset.load()
    shared = overlap.require_disjoint(splits)
    longest = min(cell.prompt.max_length, context_length)
    training, train_counts = encode(splits.train, cell.prompt, tokenizer, Room(longest, 0))
    room = Room(longest, cell.generation.max_new_tokens)
    validation, validation_counts = encode(splits.validation, cell.prompt, tokenizer, room)
    for name, encoded in (("training", training), ("validation", validation)):
        if not encoded:
            raise InputError(
                f"No {name} example fits into {longest} tokens, even with an empty context. "
                f"Raise prompt.max_length (this model takes {context_length} tokens) or choose a shorter prompt."
            )
    data = Data(
        n_train=len(training),
        n_validation=len(validation),
        n_dropped=train_counts.n_dropped + validation_counts.n_dropped,
        n_truncated=train_counts.n_truncated + validation_counts.n_truncated,
        n_references_too_long=sum(len(item.completion_ids) > cell.generation.max_new_tokens for item in validation),
        n_clusters_validation=len({item.example.cluster for item in validation}),
        train=train_counts,
        validation=validation_counts,
        train_fingerprint=fingerprint(item.example for item in training),
        validation_fingerprint=fingerprint(item.example for item in validation),
        overlap=shared,
    )
    return training, validation, data


def _failure(error: Exception, phases: Phases, folder: Path) -> Failed:
    message = str(error) or type(error).__name__
    if shutil.disk_usage(folder).free < 500_000:
        message = (
            f"the disk is full ({folder}). Free some space and run again; the cell goes on from its last checkpoint."
        )
    return Failed(
        status="interrupted" if isinstance(error, Interrupted) else "oom" if is_out_of_memory(error) else "failed",
        type=type(error).__name__,
        message=message,
        phase=phases.failed_in,
    )


def _log_to(path: Path) -> None:
    with path.open("ab", buffering=0) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)


def _die_with_parent() -> None:
    """End when the supervisor does, even if it was killed: nobody would hear the rest of the cell."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="die-with-parent").start()
