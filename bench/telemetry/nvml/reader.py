"""Reading NVIDIA devices through NVML, after it has been started."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, Literal, cast

from bench.telemetry import UNDATED_S, Reader, Sample, Unavailable
from bench.telemetry.nvml.boards import Board
from bench.telemetry.nvml.queries import INSTANT_POWER, POWER_USAGE, QUERIES, Pids, Query, Refused
from bench.telemetry.processes import ProcessTree
from bench.telemetry.schema import DeviceFacts, DeviceReading

REASONS = {
    "NVML_ERROR_NOT_SUPPORTED": "not_supported",
    "NVML_ERROR_FUNCTION_NOT_FOUND": "not_supported",
    "NVML_ERROR_ARGUMENT_VERSION_MISMATCH": "not_supported",
    "NVML_ERROR_DEPRECATED": "not_supported",
    "NVML_ERROR_NO_PERMISSION": "no_permission",
    "NVML_ERROR_GPU_IS_LOST": "gpu_lost",
    "NVML_ERROR_RESET_REQUIRED": "gpu_lost",
}
AT_FIRST = REASONS | {"NVML_ERROR_INVALID_ARGUMENT": "not_supported"}
"""If a driver does not know a query it may call it an invalid argument; later the same error means a fault."""
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

    def __init__(self, nvml: ModuleType, boards: Sequence[Board]) -> None:
        self._nvml = nvml
        self._tree: ProcessTree | None = None
        self.reasons = {}
        self._devices = [NvmlDevice(nvml, board, self.reasons) for board in boards]
        driver = or_none(nvml, text, nvml.nvmlSystemGetDriverVersion)
        cuda = or_none(nvml, nvml.nvmlSystemGetCudaDriverVersion_v2)
        versions = {"driver": driver, "cuda": cuda and f"{cuda // 1000}.{cuda % 1000 // 10}"}
        self.facts = {name: version for name, version in versions.items() if version}
        self.facts["devices"] = {device.uuid: device.facts() for device in self._devices}

    def watch(self, pid: int) -> None:
        """Also read the device memory of process `pid` and its descendants."""
        self._tree = ProcessTree(pid)

    def read(self, slow: bool) -> Sample:
        """Read all devices: first the dated fields of each, to be as near to one moment as possible, then the rest."""
        begun_s = time.monotonic()
        answers = {device.uuid: device.read(dated=True) for device in self._devices}
        ended_s = time.monotonic()
        if ended_s - begun_s > UNDATED_S * len(self._devices):
            # Nobody knows which moment the answers belong to.
            for device in self._devices:
                device.excuse(answers[device.uuid], "slow_reading")
                answers[device.uuid] = {}
        pids = self._tree.pids(refresh=True) if slow and self._tree else None
        for device in self._devices:
            answers[device.uuid].update(device.read(slow=slow, pids=pids))
        if all(device.lost for device in self._devices):
            raise Unavailable("gpu_lost")
        return Sample((begun_s + ended_s) / 2, {"devices": answers})

    def close(self) -> None:
        """Stop NVML."""
        self._nvml.nvmlShutdown()


class NvmlDevice:
    """One device and the queries that it still answers. Why it does not answer others is noted in `reasons`."""

    def __init__(self, nvml: ModuleType, board: Board, reasons: dict[str, str]) -> None:
        self.uuid = board.uuid
        self._nvml = nvml
        self._board = board
        self._reasons = reasons
        self._queries = [query for query in QUERIES if not (query.of_board and board.shared)]
        for query in QUERIES:
            if query not in self._queries:
                self.excuse(query.fields, "mig_shared")
        if board.handle is None:
            self._lose()
        for query in list(self._queries):
            self._ask(query, AT_FIRST)
        if INSTANT_POWER not in self._queries and not board.shared and not self.lost:
            self._queries.insert(0, POWER_USAGE)
            self._ask(POWER_USAGE, AT_FIRST)

    @property
    def lost(self) -> bool:
        """Whether the device will not answer any more."""
        return self.uuid in self._reasons

    def facts(self) -> DeviceFacts:
        """What does not change about the device."""
        handle = self._board.handle
        if handle is None:
            return {"name": None}
        memory = or_none(self._nvml, self._nvml.nvmlDeviceGetMemoryInfo, handle, self._nvml.nvmlMemory_v2)
        limits_mw = or_none(self._nvml, self._nvml.nvmlDeviceGetPowerManagementLimitConstraints, handle)
        usage: Literal["usage"] | None = "usage" if POWER_USAGE in self._queries else None
        return {
            "name": self._board.name,
            "memory_total_bytes": memory.total if memory else None,
            "power_limit_w": limits_mw[1] / 1e3 if limits_mw and limits_mw[1] > 0 else None,
            "power_reading": "instant" if INSTANT_POWER in self._queries else usage,
            "shared": self._board.shared,
        }

    def read(self, dated: bool = False, slow: bool = False, pids: Pids = None) -> DeviceReading:
        """The dated fields, or all others, the slow ones only if `slow`; nothing once the device is lost."""
        answers: dict[str, Any] = {}
        for query in list(self._queries):
            if query.dated == dated and (slow or not query.slow):
                answers |= self._ask(query, REASONS, pids)
        return cast(DeviceReading, answers)

    def excuse(self, fields: Iterable[str], reason: str) -> None:
        """Give the reason why `fields` are not in the readings."""
        self._reasons.update({f"{self.uuid}.{name}": reason for name in fields})

    def _ask(self, query: Query, reasons: Mapping[str, str], pids: Pids = None) -> dict[str, Any]:
        """The answers, or none if NVML refuses, for one of `reasons` or an unknown one, or the device is lost."""
        if self.lost:
            return {}
        try:
            answers = dict(zip(query.fields, query.ask(self._nvml, self._board.handle, pids), strict=False))
        except Refused as refusal:
            self.excuse(query.fields, str(refusal))
            return {}
        except self._nvml.NVMLError as error:
            known = {getattr(self._nvml, name): reason for name, reason in reasons.items()}
            self._drop(query, known.get(error.value, f"read_failed: {error}"))
            return {}
        for name in query.fields:
            self._reasons.pop(f"{self.uuid}.{name}", None)
        return answers

    def _drop(self, query: Query, reason: str) -> None:
        """Give up the query or the whole device if asking again is useless."""
        if reason == "gpu_lost":
            self._lose()
            return
        if reason in FINAL:
            self._queries.remove(query)
        self.excuse(query.fields, reason)

    def _lose(self) -> None:
        self._queries = []
        self._reasons[self.uuid] = "gpu_lost"
