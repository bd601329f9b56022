"""Work that is spread over the machine's cores."""

import gc
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import chain, islice
from multiprocessing import forkserver, get_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

PRELOADED = ["bench.report.write"]
"""What the processes have imported before their first call."""
WORTH = 8
"""Fewer figures than this are drawn before other processes have imported what it takes for one."""
MOST = 8
"""Processes: each has all of matplotlib in memory."""


def prepare() -> None:
    """Have another process import what `begin` needs, while this one imports what it needs itself."""
    if _n_processes() > 1:
        get_context("forkserver").set_forkserver_preload(PRELOADED)
        forkserver.ensure_running()


def begin(call: Callable[[Item], Result], items: Iterable[Item], worth: int = WORTH) -> Iterator[Result]:
    """`call` of each item, in their order: begun at once on all cores, while this process goes on.

    Few items, or those of a machine with one core, are left to this process, and to when their results are asked for.

    Args:
        call: a module's function of some milliseconds or more, that needs nothing but its item. It travels to other
            processes by its name, and items and results with it.
        items: what to call it with; the first calls begin before the last of them are made.
        worth: how many items are not few.
    """
    items = iter(items)
    first = list(islice(items, worth))
    if len(first) < worth or _n_processes() == 1:
        return map(call, chain(first, items))
    return _pool(_n_processes()).map(call, chain(first, items))


def _n_processes() -> int:
    return min(os.cpu_count() or 1, MOST)


@cache
def _pool(n_processes: int) -> ProcessPoolExecutor:
    """For all that is begun, until this process ends."""
    # Not forked from here, where libraries may have threads: from a process that has only imported what is needed
    prepare()
    return ProcessPoolExecutor(n_processes, get_context("forkserver"), initializer=_step_back)


def _step_back() -> None:
    """Let the process that hands out the work go first: what it does is done by nobody else."""
    os.nice(5)
    # What is imported stays, and drawing makes so much that is garbage that collections are frequent
    gc.freeze()
