"""Replaces the child side in processes that have this folder in front on PYTHONPATH: cells that load no torch."""

import os
import signal
import sys
import time
import types
from multiprocessing.connection import Connection
from pathlib import Path


def main(cell_json: str, folder: Path, checkpoint_minutes: float | None, connection: Connection) -> None:
    """Begin to train; end at once, or after LIGHT_CELL_S. SIGTERM ends it, unless LIGHT_CELL_IGNORES says otherwise.

    LIGHT_CELL_SEES is the GPU that it says torch sees; `visible` for what it was given, nothing to say nothing.
    """
    from bench.protocol import Finished, ModelLoaded, PhaseEnded, PhaseStarted
    from bench.record_sections import Base, Parameters

    if "LIGHT_CELL_IGNORES" not in os.environ:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    if sees := os.environ.get("LIGHT_CELL_SEES"):
        gpus = (os.environ["CUDA_VISIBLE_DEVICES"] if sees == "visible" else sees,)
        base = Base(weights="random", revision=None, precision="float32", device="cuda:0", context_length=8, gpus=gpus)
        nothing = Parameters(trainable=0, total=0, trainable_percent=0.0, saved_bytes=None)
        connection.send_bytes(ModelLoaded(base=base, parameters=nothing).model_dump_json().encode())
    connection.send_bytes(PhaseStarted(phase="train", at_s=time.monotonic()).model_dump_json().encode())
    time.sleep(float(os.environ.get("LIGHT_CELL_S", "0")))
    ended = PhaseEnded(
        phase="train", at_s=time.monotonic(), torch_allocated_peak_bytes=None, torch_reserved_peak_bytes=None
    )
    for event in (ended, Finished()):
        connection.send_bytes(event.model_dump_json().encode())


def interrupt_while_the_record_is_made() -> None:
    """Have the supervisor send itself the third to fifth Ctrl-C once the cell's process is gone."""
    from bench.supervisor.account import Account

    record = Account.record

    def impatient(*arguments: object) -> object:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)
        return record(*arguments)  # type: ignore[arg-type]

    Account.record = impatient  # type: ignore[assignment]


def check(*arguments: object) -> None:
    """Find no fault before the first cell, at once or after LIGHT_CHECK_S."""
    connection = arguments[-1]
    assert isinstance(connection, Connection)
    time.sleep(float(os.environ.get("LIGHT_CHECK_S", "0")))
    connection.send(None)


for name, function in (("run", main), ("check", check), ("warm", None)):
    module = sys.modules[f"bench.child.{name}"] = types.ModuleType(f"bench.child.{name}")
    module.main = function  # type: ignore[attr-defined]
