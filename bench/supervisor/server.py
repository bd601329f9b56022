"""The warm server that cells are forked from: the heavy modules are imported once for all cells of a sweep."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from multiprocessing import forkserver, get_context, resource_tracker, set_start_method
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import NamedTuple

from bench.cell import Cell

PRELOADED = ["bench.child.warm"]
"""What the server imports; torch and all that a cell needs come with it."""


class Child(NamedTuple):
    """A cell's process, and the end of the pipe that it tells its events over."""

    process: ForkServerProcess
    pid: int
    told: Connection


def fork(cell: Cell, folder: Path, name: str) -> Child:
    """Start the process of `cell`, which lives in `folder`. The server is started with the first one."""
    # A process is told its parent's start method, and a fork knows none of joblib's.
    set_start_method("forkserver", force=True)
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with _deaf_and_quiet():
        forkserver.ensure_running()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_main, args=(cell.model_dump_json(), folder, sender), name=name)
    process.start()
    sender.close()
    assert process.pid is not None
    return Child(process, process.pid, receiver)


def _main(cell_json: str, folder: Path, sender: Connection) -> None:
    # Named, not imported: the supervisor's modules must never load torch.
    import_module("bench.child.run").main(cell_json, folder, sender)


@contextlib.contextmanager
def _deaf_and_quiet() -> Iterator[None]:
    """What the server inherits: no Ctrl-C or SIGTERM to its group, which are for the supervisor alone, and no terminal
    for what imports print.

    SIGTERM is blocked, not ignored: what is sent to a cell before it can answer waits until it can.
    It also inherits that asking whether there is a GPU must not initialise CUDA, which no fork survives.
    """
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    # It unblocks SIGTERM behind itself, so it goes before.
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main_thread else None
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        if in_main_thread:
            signal.signal(signal.SIGINT, before)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
