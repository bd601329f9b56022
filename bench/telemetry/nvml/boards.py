"""Which of the machine's NVIDIA devices a cell can use."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.telemetry import Unavailable

Handle = Any
"""What NVML identifies a device by."""


@dataclass(frozen=True)
class Instance:
    """A part of a board that was divided by MIG."""

    uuid: str
    gpu_instance: int
    compute_instance: int
    handle: Handle = None


@dataclass(frozen=True)
class Board:
    """A GPU, numbered by PCI bus as NVML does; `uuid` and `name` are None if it does not answer."""

    uuid: str | None
    name: str | None
    handle: Handle = None
    mig: bool = False
    instances: tuple[Instance, ...] = ()


@dataclass(frozen=True)
class VisibleDevice:
    """A device that the cell can use: a board, or one instance of it."""

    uuid: str
    name: str | None
    handle: Handle
    shared: bool
    """Whether others may use the same board, so that its power is not the cell's."""


def choose(boards: Sequence[Board], visible: str | None, pci_order: bool) -> list[VisibleDevice]:
    """The devices that CUDA offers if CUDA_VISIBLE_DEVICES is `visible`, or all of them for None.

    As in CUDA, an entry is an index, a UUID or an unambiguous beginning of one, or a MIG device in either spelling; an
    entry that matches nothing ends the list; a divided board, named as a whole, means its first instance.

    Raises:
        Unavailable: no device is visible, or an index could mean several devices: unless `pci_order`, CUDA counts the
            fastest first, which differs from NVML's order if the boards differ.
    """
    if visible is None:
        chosen = [_whole(index, board) for index, board in enumerate(boards)]
    else:
        chosen = []
        for entry in visible.split(","):
            device = _find(boards, entry.strip(), pci_order)
            if device is None:
                break
            if device not in chosen:
                chosen.append(device)
    if not chosen:
        raise Unavailable("no_visible_device")
    return chosen


def _find(boards: Sequence[Board], entry: str, pci_order: bool) -> VisibleDevice | None:
    if re.fullmatch(r"\d+", entry):
        if int(entry) >= len(boards):
            return None
        if not pci_order and len({board.name for board in boards}) > 1:
            raise Unavailable("device_order_unknown: set CUDA_DEVICE_ORDER=PCI_BUS_ID")
        return _whole(int(entry), boards[int(entry)])
    if not entry.startswith(("GPU-", "MIG-")):
        return None
    matches = [_whole(index, board) for index, board in enumerate(boards) if (board.uuid or "").startswith(entry)]
    matches += [
        _part(board, part)
        for board in boards
        for part in board.instances
        if part.uuid.startswith(entry) or entry == f"MIG-{board.uuid}/{part.gpu_instance}/{part.compute_instance}"
    ]
    return matches[0] if len(matches) == 1 else None


def _whole(index: int, board: Board) -> VisibleDevice:
    if board.instances:
        return _part(board, board.instances[0])
    return VisibleDevice(board.uuid or f"unreadable-{index}", board.name, board.handle, shared=board.mig)


def _part(board: Board, instance: Instance) -> VisibleDevice:
    return VisibleDevice(instance.uuid, board.name, instance.handle, shared=True)
