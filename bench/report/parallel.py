"""Work that is spread over the cores of the machine."""

import gc
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import chain, islice
from multiprocessing import forkserver, get_context, resource_tracker
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

PRELOADED = ["bench.report.write"]
"""Modules that the other processes import before their first call."""
WORTH = 8
"""Below this many figures, starting other processes costs more than it saves."""
MOST = 8
"""Processes at most: each has all of matplotlib in memory."""


def prepare() -> None:
    """Let another process import what `begin` needs while this one does its own imports."""
    if _n_processes() > 1:
        get_context("forkserver").set_forkserver_preload(PRELOADED)
        # Inherited: Ctrl-C is for this process alone, which then ends the others. The tracker would undo it.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        forkserver.ensure_running()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin(call: Callable[[Item], Result], items: Iterable[Item], worth: int = WORTH) -> Iterator[Result]:
    """`call` of each item, in their order, on all cores while this process goes on.

    For few items, or on a machine with one core, this process calls it once a result is requested.

    Args:
        call: a module's function that takes some milliseconds or more and needs nothing but its item. Items and
            results are pickled.
        items: what to call it with; the first calls start before the last items are made.
        worth: how many items are worth other processes.
    """
    items = iter(items)
    first = list(islice(items, worth))
    if len(first) < worth or _n_processes() == 1:
        return map(call, chain(first, items))
    return _pool(_n_processes()).map(call, chain(first, items))


def cancel() -> None:
    """Begin no more calls, and wait for those that run."""
    if _pool.cache_info().currsize:
        _pool(_n_processes()).shutdown(cancel_futures=True)


def forget() -> None:
    """Start the other processes anew for the next call: after a failure they may be broken."""
    _pool.cache_clear()


def _n_processes() -> int:
    return min(os.cpu_count() or 1, MOST)


@cache
def _pool(n_processes: int) -> ProcessPoolExecutor:
    """One pool for all calls until this process ends."""
    # Not forked from this process, whose libraries may have threads, but from one that has only done the imports
    prepare()
    return ProcessPoolExecutor(n_processes, get_context("forkserver"), initializer=_step_back)


def _step_back() -> None:
    """Lower this process's priority, so that the process that hands out the work does not have to wait."""
    os.nice(5)
    # Drawing makes much garbage: collections are cheaper if they skip what was imported
    gc.freeze()
