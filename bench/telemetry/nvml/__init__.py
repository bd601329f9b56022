"""NVIDIA GPUs through NVML, using the nvidia-ml-py distribution (whose module is called `pynvml`)."""

import os
from types import ModuleType

from bench.telemetry import Source, Unavailable
from bench.telemetry.nvml.boards import Board, Handle, Instance, choose
from bench.telemetry.nvml.reader import NvmlReader, text


class Nvml(Source):
    """NVIDIA GPUs that the cell can see."""

    visible_devices: str | None = None
    """Which of them, spelled as in CUDA_VISIBLE_DEVICES; null for the value of that variable."""

    def open(self) -> NvmlReader:
        """Start NVML and find the devices."""
        try:
            import pynvml
        except ImportError as error:
            raise Unavailable("nvidia_ml_py_not_installed") from error
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            absent = error.value == pynvml.NVML_ERROR_LIBRARY_NOT_FOUND
            raise Unavailable("no_nvml" if absent else f"nvml_init_failed: {error}") from error
        visible = os.environ.get("CUDA_VISIBLE_DEVICES") if self.visible_devices is None else self.visible_devices
        try:
            devices = choose(_boards(pynvml), visible, os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID")
            return NvmlReader(pynvml, devices)
        except pynvml.NVMLError as error:
            pynvml.nvmlShutdown()
            raise Unavailable(f"nvml_failed: {error}") from error
        except Unavailable:
            pynvml.nvmlShutdown()
            raise


def _boards(nvml: ModuleType) -> list[Board]:
    return [_board(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]


def _board(nvml: ModuleType, index: int) -> Board:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        uuid, name = text(nvml.nvmlDeviceGetUUID, handle), text(nvml.nvmlDeviceGetName, handle)
    except nvml.NVMLError:
        return Board(uuid=None, name=None)
    try:
        mig = nvml.nvmlDeviceGetMigMode(handle)[0] == nvml.NVML_DEVICE_MIG_ENABLE
    except nvml.NVMLError:
        mig = False
    return Board(uuid, name, handle, mig, tuple(_instances(nvml, handle)) if mig else ())


def _instances(nvml: ModuleType, board: Handle) -> list[Instance]:
    instances = []
    for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(board)):
        try:
            handle = nvml.nvmlDeviceGetMigDeviceHandleByIndex(board, index)
            uuid = nvml.nvmlDeviceGetUUID(handle)
            ids = nvml.nvmlDeviceGetGpuInstanceId(handle), nvml.nvmlDeviceGetComputeInstanceId(handle)
        except nvml.NVMLError:
            # There is no such instance, or it is another tenant's.
            continue
        instances.append(Instance(uuid, *ids, handle))
    return instances
