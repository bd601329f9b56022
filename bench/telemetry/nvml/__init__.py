"""NVIDIA GPUs through NVML, using the nvidia-ml-py distribution (whose module is called `pynvml`)."""

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

from bench.telemetry import DeviceSource, Inventory, ListedDevice, Unavailable
from bench.telemetry.nvml.boards import Board, Handle, Instance, choose
from bench.telemetry.nvml.reader import NvmlReader, text


class Nvml(DeviceSource):
    """NVIDIA GPUs that the cell can see."""

    visible_devices: str | None = None
    """Which of them, spelled as in CUDA_VISIBLE_DEVICES; null for the value of that variable."""

    def open(self) -> NvmlReader:
        """Start NVML and find the devices."""
        nvml = _start()
        visible = os.environ.get("CUDA_VISIBLE_DEVICES") if self.visible_devices is None else self.visible_devices
        try:
            devices = choose(_boards(nvml), visible, os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID")
            return NvmlReader(nvml, devices, _Listing(nvml).versions())
        except nvml.NVMLError as error:
            nvml.nvmlShutdown()
            raise Unavailable(f"nvml_failed: {error}") from error
        except Unavailable:
            nvml.nvmlShutdown()
            raise

    def inventory(self) -> Inventory:
        """Every board of this machine, and the versions of the driver and of CUDA."""
        nvml = _start()
        try:
            listing = _Listing(nvml)
            return Inventory(listing.devices(), listing.versions(), listing.missing)
        finally:
            nvml.nvmlShutdown()


def _start() -> ModuleType:
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


class _Listing:
    """What NVML says about the machine, and why some of it is missing."""

    def __init__(self, nvml: ModuleType) -> None:
        self._nvml = nvml
        self.missing: dict[str, str] = {}

    def devices(self) -> tuple[ListedDevice, ...] | None:
        return self._ask("gpu", lambda: tuple(map(self._device, range(self._nvml.nvmlDeviceGetCount()))))

    def versions(self) -> dict[str, str]:
        driver = self._ask("driver", text, self._nvml.nvmlSystemGetDriverVersion)
        cuda = self._ask("cuda", self._nvml.nvmlSystemGetCudaDriverVersion_v2)
        versions = {"driver": driver, "cuda": None if cuda is None else f"{cuda // 1000}.{cuda % 1000 // 10}"}
        return {name: version for name, version in versions.items() if version is not None}

    def _device(self, index: int) -> ListedDevice:
        handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
        name, uuid = text(self._nvml.nvmlDeviceGetName, handle), text(self._nvml.nvmlDeviceGetUUID, handle)
        memory = self._ask(f"gpu.{index}.memory_bytes", self._nvml.nvmlDeviceGetMemoryInfo, handle)
        return ListedDevice(name, uuid, memory.total if memory else None)

    def _ask(self, path: str, call: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except self._nvml.NVMLError as error:
            self.missing[path] = f"nvml_error: {error}"
            return None


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
