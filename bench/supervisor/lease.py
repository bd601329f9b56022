"""Which GPUs a cell runs on: those that CUDA_VISIBLE_DEVICES names, or free ones. The cell locks them."""

import os
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from bench.errors import InputError
from bench.supervisor.environment import in_time
from bench.telemetry import Unavailable
from bench.telemetry.nvml import boards
from bench.telemetry.nvml.boards import BY_BUS, ORDER, VISIBLE, Board, choose, order

NAME = re.compile(r"\s*(\d+|GPU-.*|MIG-.*)\s*")
"""An entry of CUDA_VISIBLE_DEVICES that names a device; CUDA ignores any other, and all that follow it."""
POLL_S = 1.0
"""How often a waiting cell looks for a free GPU."""
FOR_EVERYBODY = 0o1777
"""Everybody who uses the machine can lock GPUs in the folder, and nobody can remove another's files there."""


class Gpus(NamedTuple):
    """The GPUs of one cell."""

    visible: str
    """What the cell's process gets as CUDA_VISIBLE_DEVICES."""
    uuids: tuple[str, ...]
    """Those that are locked for it; none if it runs on the CPU, or on a machine without NVML."""
    locks: tuple[int, ...] = ()
    """Descriptors of their locks. A process that inherits them holds the locks until it ends, too."""

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that tell CUDA."""
        return {VISIBLE: self.visible, ORDER: order()}


@contextmanager
def leased(n: int, folder: Path, stopped: Callable[[], bool], say: Callable[[str], None]) -> Iterator[Gpus | None]:
    """Lock `n` GPUs as soon as so many are free; gives None if the cell was asked to stop before.

    The locks end at the latest with this process and those that inherit them, however these end.

    Args:
        n: how many GPUs the cell uses.
        folder: where the locks are, the same for everybody who uses this machine.
        stopped: whether the cell was asked to stop.
        say: shows what the cell waits for, and why it runs on the CPU of a machine with GPUs.

    Raises:
        InputError: as `candidates` does, or the locks cannot be used.
    """
    uuids = candidates(n)
    if not uuids:
        visible = os.environ.get(VISIBLE)
        if visible is not None:
            with suppress(InputError):
                if n_hidden := len(_machine()):
                    say(f"on the CPU: {VISIBLE}={visible} hides all GPUs of this machine, which has {n_hidden}")
        yield Gpus("0" if visible is None else visible, ())
        return
    while not stopped():
        if locks := _lock(uuids, n, folder):
            try:
                yield Gpus(",".join(locks), tuple(locks), tuple(map(_descriptor, locks.values())))
            finally:
                _release(locks.values())
            return
        say(f"waiting for {'a free GPU' if n == 1 else f'{n} free GPUs'} of {len(uuids)}")
        # Cells that wait for several GPUs must not go on taking, and giving back, at the same moments.
        time.sleep(POLL_S * random.uniform(0.5, 1.0))
    yield None


def candidates(n: int) -> tuple[str, ...]:
    """The UUIDs of the GPUs of which a cell can lock `n`; none if it runs on the CPU, or without NVML.

    Raises:
        InputError: CUDA_VISIBLE_DEVICES names more than `n`, there are fewer, they cannot be used together, or NVML
            does not list them.
    """
    visible = os.environ.get(VISIBLE)
    uses = f"and a cell uses {n} (gpus_per_cell)"
    named = [] if visible is None else [*takewhile(NAME.fullmatch, visible.split(","))]
    if len(named) > n:
        raise InputError(
            f"{VISIBLE}={visible} names {len(named)} GPUs, {uses}; name {n}, or unset it, so that each cell takes "
            "what is free"
        )
    if n == 1 and visible is not None and not named:
        return ()
    machine = _machine()
    if n == 1 and not machine:
        return ()
    devices = _usable(machine) if visible is None else _chosen(machine, visible)
    if len(devices) < n:
        have = f"this machine has {len(devices)} GPUs that can be used"
        if visible is not None:
            have = f"{VISIBLE}={visible} names {len(devices)} of this machine's {len(machine)} GPUs"
        raise InputError(f"{have}, {uses}")
    together = [device for device in devices if n == 1 or device.old_uuid is None]
    if len(together) < n:
        raise InputError(f"gpus_per_cell: must be 1 on GPUs that MIG divides: CUDA uses one part of them, got {n}")
    return tuple(device.uuid for device in together)


def _machine() -> list[Board]:
    """All GPUs; none on a machine without NVML.

    Raises:
        InputError: NVML does not list them, so that a cell would use one without a lock.
    """

    def listed() -> list[Board] | str:
        try:
            return boards()
        except Unavailable as reason:
            return str(reason)

    answer = in_time(listed)
    if isinstance(answer, list):
        return answer
    raise InputError(
        f"no GPU can be locked, since NVML does not list them ({answer or 'hung'}); run again once nvidia-smi shows "
        f"them, or set {VISIBLE}= to run on the CPU"
    )


def _usable(machine: Sequence[Board]) -> list[Board]:
    """All that a process could be given: parts instead of a board that is divided."""
    devices = [device for board in machine for device in (board.instances or (board,))]
    return [device for device in devices if device.handle is not None and (device.old_uuid or not device.shared)]


def _chosen(machine: Sequence[Board], visible: str) -> list[Board]:
    try:
        return [device for device in choose(machine, visible, order() == BY_BUS) if device.handle is not None]
    except Unavailable as reason:
        if str(reason) == "no_visible_device":
            return []
        raise InputError(
            f"{VISIBLE}={visible} could mean any of these GPUs with {ORDER}={order()}; set {ORDER}={BY_BUS}, or name "
            "UUIDs"
        ) from reason


def _lock(uuids: Iterable[str], n: int, folder: Path) -> dict[str, FileLock]:
    """Locks on `n` of the devices by UUID; none if fewer are free, so that cells never wait for each other's."""
    locks: dict[str, FileLock] = {}
    try:
        _create(folder)
        for uuid in uuids:
            lock = FileLock(folder / uuid.replace("/", "-"), mode=0o666)
            with suppress(Timeout):
                lock.acquire(timeout=0)
                locks[uuid] = lock
            if len(locks) == n:
                return locks
    except OSError as error:
        _release(locks.values())
        raise InputError(
            f"{error.filename or folder}: no GPU can be locked ({error.strerror or error}); give a folder that "
            "everybody who uses this machine can write in with gpu_locks=..."
        ) from error
    _release(locks.values())
    return {}


def _descriptor(lock: FileLock) -> int:
    descriptor = lock._context.lock_file_fd
    assert descriptor is not None
    return descriptor


def _create(folder: Path) -> None:
    # Without a umask, so that there is no moment at which others find the folder closed.
    before = os.umask(0)
    try:
        with suppress(FileExistsError):
            folder.mkdir(FOR_EVERYBODY)
    finally:
        os.umask(before)


def _release(locks: Iterable[FileLock]) -> None:
    for lock in locks:
        lock.release()
