"""Work that is spread over the machine's cores."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

WORTH = 8
"""Fewer calls than this are over before another process has imported what it takes for one."""


def on_all_cores(call: Callable[[Item], Result], items: Sequence[Item], n_cores: int | None = None) -> list[Result]:
    """`call` of each item, in their order. Items and results travel between processes, and `call` by its name.

    Args:
        call: a module's function of some tenths of a second, that needs nothing but its item.
        items: what to call it with.
        n_cores: how many processes to use; null for as many as suit the machine and the number of items.
    """
    if n_cores is None:
        n_cores = (os.cpu_count() or 1) if len(items) >= WORTH else 1
    if n_cores == 1:
        return [call(item) for item in items]
    # Not forked from here, where libraries may have threads: from a process that has only imported the module
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([call.__module__])
    with ProcessPoolExecutor(n_cores, context) as pool:
        return list(pool.map(call, items))
