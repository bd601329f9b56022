"""Reads NVIDIA devices through NVML once it is started."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

from bench.telemetry import UNDATED_S, Reader, Sample, Unavailable
from bench.telemetry.nvml.boards import VisibleDevice
from bench.telemetry.nvml.queries import INSTANT_POWER, POWER_USAGE, QUERIES, Query
from bench.telemetry.processes import ProcessTree
from bench.telemetry.schema import DeviceFacts, DeviceReading

UNSUPPORTED = {
    "NVML_ERROR_NOT_SUPPORTED",
    "NVML_ERROR_FUNCTION_NOT_FOUND",
    "NVML_ERROR_ARGUMENT_VERSION_MISMATCH",
    "NVML_ERROR_DEPRECATED",
}
LOST = {"NVML_ERROR_GPU_IS_LOST", "NVML_ERROR_RESET_REQUIRED"}
FINAL = ("not_supported", "no_permission")
"""Reasons after which asking again is useless."""


def text(call: Callable[..., str], *arguments: Any) -> str:
    """What `call` gives; bytes that are not UTF-8 are replaced."""
    try:
        return call(*arguments)
    except UnicodeDecodeError as error:
        return error.object.decode(errors="replace")


def or_none(nvml: ModuleType, call: Callable[..., Any], *arguments: Any) -> Any:
    """What `call` gives, or None if NVML refuses it."""
    try:
        return call(*arguments)
    except nvml.NVMLError:
        return None


class NvmlReader(Reader):
    """NVML, started, with the devices that the cell can see."""

    def __init__(self, nvml: ModuleType, visible: Sequence[VisibleDevice]) -> None:
        self._nvml = nvml
        self._tree: ProcessTree | None = None
        self._devices = [NvmlDevice(nvml, device) for device in visible]
        self.measures_idle = any(device.power_reading for device in self._devices)

    @property
    def facts(self) -> dict[str, Any]:
        """Versions of the driver and of CUDA, and what is known about each device."""
        driver = or_none(self._nvml, text, self._nvml.nvmlSystemGetDriverVersion)
        cuda = or_none(self._nvml, self._nvml.nvmlSystemGetCudaDriverVersion_v2)
        versions = {"driver": driver, "cuda": cuda and f"{cuda // 1000}.{cuda % 1000 // 10}"}
        return {
            **{name: version for name, version in versions.items() if version},
            "devices": {device.uuid: device.facts for device in self._devices},
        }

    @property
    def reasons(self) -> dict[str, str]:
        """Under `<uuid>` or `<uuid>.<field>`."""
        return {
            f"{device.uuid}.{name}" if name else device.uuid: reason
            for device in self._devices
            for name, reason in device.reasons.items()
        }

    def watch(self, pid: int) -> None:
        """Also read the device memory of process `pid` and its descendants."""
        self._tree = ProcessTree(pid)

    def read(self, slow: bool) -> Sample:
        """Read all devices. What is dated is read first, of all of them, to be as near to one moment as possible."""
        begun_s = time.monotonic()
        answers = {device.uuid: device.read(dated=True) for device in self._devices}
        ended_s = time.monotonic()
        if ended_s - begun_s > UNDATED_S * len(self._devices):
            answers = {device.uuid: device.refuse(answers[device.uuid]) for device in self._devices}
        processes = self._tree.pids(refresh=True) if slow and self._tree else None
        for device in self._devices:
            answers[device.uuid].update(device.read(slow=slow))
            if processes is not None:
                answers[device.uuid].update(device.read_processes(processes))
        if all(device.lost for device in self._devices):
            raise Unavailable("gpu_lost")
        return Sample((begun_s + ended_s) / 2, {"devices": answers})

    def close(self) -> None:
        """Stop NVML."""
        self._nvml.nvmlShutdown()


@dataclass
class NvmlDevice:
    """One device, and which queries it still answers."""

    nvml: ModuleType
    visible: VisibleDevice
    reasons: dict[str, str] = field(default_factory=dict)
    """Field, or "" for the whole device, to why it is not in the readings."""
    lost: bool = False
    power_reading: Literal["instant", "usage"] | None = None

    def __post_init__(self) -> None:
        self.uuid = self.visible.uuid
        self._queries = list(QUERIES)
        self._lists_processes = True
        if self.visible.handle is None:
            self._lose()
            return
        for query in [query for query in QUERIES if query.of_board and self.visible.shared]:
            self._drop(query, "mig_shared")
        # If a driver does not know a query it may call it an invalid argument; later the same error means a fault.
        unsupported = UNSUPPORTED | {"NVML_ERROR_INVALID_ARGUMENT"}
        for query in list(self._queries):
            self._ask(query, unsupported)
        if self.visible.shared or self.lost:
            return
        self.power_reading = "instant"
        if INSTANT_POWER not in self._queries:
            self._queries.insert(0, POWER_USAGE)
            self._ask(POWER_USAGE, unsupported)
            self.power_reading = "usage" if POWER_USAGE in self._queries else None

    @property
    def facts(self) -> DeviceFacts:
        """What does not change about the device."""
        handle = self.visible.handle
        if handle is None:
            return {"name": None}
        memory = or_none(self.nvml, self.nvml.nvmlDeviceGetMemoryInfo, handle, self.nvml.nvmlMemory_v2)
        limits_mw = or_none(self.nvml, self.nvml.nvmlDeviceGetPowerManagementLimitConstraints, handle)
        return {
            "name": self.visible.name,
            "memory_total_bytes": memory.total if memory else None,
            "power_limit_w": limits_mw[1] / 1e3 if limits_mw and limits_mw[1] > 0 else None,
            "power_reading": self.power_reading,
            "shared": self.visible.shared,
        }

    def read(self, dated: bool = False, slow: bool = False) -> DeviceReading:
        """The dated fields, or all others, the slow ones only if `slow`; nothing once the device is lost."""
        answers: DeviceReading = {}
        for query in list(self._queries):
            if query.dated == dated and (slow or not query.slow) and not self.lost:
                answers.update(self._ask(query, UNSUPPORTED))
        return answers

    def refuse(self, answers: DeviceReading) -> DeviceReading:
        """Nothing, in place of answers that took so long that nobody knows their moment."""
        self.reasons.update(dict.fromkeys(answers, "slow_reading"))
        return {}

    def read_processes(self, processes: Sequence[int]) -> DeviceReading:
        """Memory that `processes` hold on the device, if the driver lists them."""
        if self.lost or not self._lists_processes:
            return {}
        name = "process_memory_bytes"
        try:
            # The function without a version raises no NVMLError if the driver is too old for it.
            listed = self.nvml.nvmlDeviceGetComputeRunningProcesses_v3(self.visible.handle)
        except self.nvml.NVMLError as error:
            if reason := self._judge(error, UNSUPPORTED):
                self.reasons[name] = reason
                self._lists_processes = reason not in FINAL
            return {}
        used = [process.usedGpuMemory for process in listed if process.pid in processes]
        if not used or None in used:
            self.reasons[name] = "not_supported" if used else "process_not_listed"
            return {}
        self.reasons.pop(name, None)
        return {"process_memory_bytes": sum(used)}

    def _ask(self, query: Query, unsupported: set[str]) -> DeviceReading:
        try:
            answers = query.ask(self.nvml, self.visible.handle)
        except self.nvml.NVMLError as error:
            if (reason := self._judge(error, unsupported)) in FINAL:
                self._drop(query, reason)
            elif reason:
                self.reasons.update(dict.fromkeys(query.fields, reason))
            return {}
        for name in query.fields:
            self.reasons.pop(name, None)
        return answers

    def _judge(self, error: Any, unsupported: set[str]) -> str | None:
        """The reason for a query that was refused; None if the whole device is lost."""
        known = {getattr(self.nvml, name): name for name in unsupported | LOST | {"NVML_ERROR_NO_PERMISSION"}}
        name = known.get(error.value)
        if name in LOST:
            self._lose()
            return None
        if name == "NVML_ERROR_NO_PERMISSION":
            return "no_permission"
        return "not_supported" if name in unsupported else f"read_failed: {error}"

    def _drop(self, query: Query, reason: str) -> None:
        self._queries.remove(query)
        self.reasons.update(dict.fromkeys(query.fields, reason))

    def _lose(self) -> None:
        self.lost = True
        self.reasons = {"": "gpu_lost"}
