"""Which of the machine's NVIDIA devices a cell can use."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.telemetry import Unavailable

VISIBLE, ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"
BY_BUS = "PCI_BUS_ID"
"""The value of CUDA_DEVICE_ORDER with which CUDA numbers devices as NVML does; without it, the fastest is number 0."""
Handle = Any
"""What NVML identifies a device by."""


@dataclass(frozen=True)
class Board:
    """A GPU, or one instance of a GPU that was divided by MIG."""

    uuid: str
    name: str | None
    """None if the GPU does not answer."""
    handle: Handle
    """None if the GPU does not answer."""
    shared: bool = False
    """Whether others may use the same GPU, so that its power is not the cell's."""
    instances: tuple["Board", ...] = ()
    old_uuid: str | None = None
    """An instance's other name, `MIG-<UUID of the GPU>/<GPU instance>/<compute instance>`."""


def order() -> str:
    """What CUDA_DEVICE_ORDER is for cells: by PCI bus unless the user says otherwise."""
    return os.environ.get(ORDER, BY_BUS)


def choose(boards: Sequence[Board], visible: str | None, pci_order: bool) -> list[Board]:
    """The devices that CUDA offers if CUDA_VISIBLE_DEVICES is `visible`, or all of them for None.

    As in CUDA, an entry is an index, a UUID or an unambiguous beginning of one, or a MIG device in either spelling; an
    entry that matches nothing ends the list; a divided GPU, named as a whole, means its first instance.

    Args:
        boards: the machine's GPUs, numbered by PCI bus as NVML does.
        visible: the value of the variable.
        pci_order: whether CUDA numbers them in the same way. If not, it counts the fastest first.

    Raises:
        Unavailable: no device is visible, or an index could mean several devices.
    """
    chosen: dict[str, Board] = {}
    for board in boards if visible is None else _listed(boards, visible, pci_order):
        device = board.instances[0] if board.instances else board
        chosen[device.uuid] = device
    if not chosen:
        raise Unavailable("no_visible_device")
    return list(chosen.values())


def _listed(boards: Sequence[Board], visible: str, pci_order: bool) -> Iterator[Board]:
    for entry in visible.split(","):
        board = _find(boards, entry.strip(), pci_order)
        if board is None:
            return
        yield board


def _find(boards: Sequence[Board], entry: str, pci_order: bool) -> Board | None:
    if re.fullmatch(r"\d+", entry):
        if int(entry) >= len(boards):
            return None
        if not pci_order and len({board.name for board in boards}) > 1:
            raise Unavailable(f"device_order_unknown: set {ORDER}={BY_BUS}")
        return boards[int(entry)]
    if not entry.startswith(("GPU-", "MIG-")):
        return None
    devices = [*boards, *(instance for board in boards for instance in board.instances)]
    matches = [device for device in devices if device.uuid.startswith(entry) or device.old_uuid == entry]
    return matches[0] if len(matches) == 1 else None
