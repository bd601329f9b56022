"""NVIDIA GPUs through NVML, using the nvidia-ml-py distribution (whose module is called `pynvml`)."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from types import ModuleType
from typing import Self

from bench.telemetry import Source, Unavailable
from bench.telemetry.nvml.boards import BY_BUS, VISIBLE, Board, choose, order
from bench.telemetry.nvml.reader import NvmlReader, or_none, text


class Nvml(Source):
    """NVIDIA GPUs that the cell can see."""

    visible_devices: str | None = None
    """Which of them, spelled as in CUDA_VISIBLE_DEVICES; null for those that the cell runs on."""

    def of(self, uuids: Sequence[str]) -> Self:
        """The same for these devices, unless the settings name some."""
        return self if self.visible_devices else self.model_copy(update={"visible_devices": ",".join(uuids)})

    def open(self) -> NvmlReader:
        """Start NVML and find the devices."""
        pynvml = _started()
        visible = os.environ.get(VISIBLE) if self.visible_devices is None else self.visible_devices
        try:
            devices = choose(_boards(pynvml), visible, order() == BY_BUS)
            return NvmlReader(pynvml, devices)
        except (pynvml.NVMLError, Unavailable) as error:
            pynvml.nvmlShutdown()
            raise Unavailable(f"nvml_failed: {error}" if isinstance(error, pynvml.NVMLError) else str(error)) from error


def boards() -> list[Board]:
    """The machine's GPUs, numbered by PCI bus; none if NVML cannot be started, as on a machine without any.

    Raises:
        Unavailable: NVML was started, and does not know how many there are.
    """
    try:
        nvml = _started()
    except Unavailable:
        return []
    try:
        return _boards(nvml)
    except nvml.NVMLError as error:
        raise Unavailable(f"nvml_failed: {error}") from error
    finally:
        nvml.nvmlShutdown()


def _started() -> ModuleType:
    """The binding, with NVML started; Unavailable if there is none."""
    try:
        import pynvml
    except ImportError as error:
        raise Unavailable("nvidia_ml_py_not_installed") from error
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        absent = error.value == pynvml.NVML_ERROR_LIBRARY_NOT_FOUND
        raise Unavailable("no_nvml" if absent else f"nvml_init_failed: {error}") from error
    return pynvml


def _boards(nvml: ModuleType) -> list[Board]:
    return [_board(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]


def _board(nvml: ModuleType, index: int) -> Board:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        uuid, name = text(nvml.nvmlDeviceGetUUID, handle), text(nvml.nvmlDeviceGetName, handle)
    except nvml.NVMLError:
        return Board(f"unreadable-{index}", name=None, handle=None)
    mode = or_none(nvml, nvml.nvmlDeviceGetMigMode, handle)
    mig = mode is not None and mode[0] == nvml.NVML_DEVICE_MIG_ENABLE
    whole = Board(uuid, name, handle, shared=mig)
    return replace(whole, instances=tuple(_instances(nvml, whole))) if mig else whole


def _instances(nvml: ModuleType, whole: Board) -> Iterator[Board]:
    for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(whole.handle)):
        # There may be no such instance, or it is another tenant's.
        with suppress(nvml.NVMLError):
            handle = nvml.nvmlDeviceGetMigDeviceHandleByIndex(whole.handle, index)
            ids = nvml.nvmlDeviceGetGpuInstanceId(handle), nvml.nvmlDeviceGetComputeInstanceId(handle)
            old_uuid = f"MIG-{whole.uuid}/{ids[0]}/{ids[1]}"
            yield Board(nvml.nvmlDeviceGetUUID(handle), whole.name, handle, shared=True, old_uuid=old_uuid)
