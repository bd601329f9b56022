"""NVIDIA GPUs through NVML, by way of the nvidia-ml-py distribution (whose module is called `pynvml`)."""

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

from bench.telemetry import UNDATED_S, Reader, Sample, Source, Unavailable
from bench.telemetry.processes import ProcessTree

Handle = Any

UNSUPPORTED = {
    "NVML_ERROR_NOT_SUPPORTED",
    "NVML_ERROR_FUNCTION_NOT_FOUND",
    "NVML_ERROR_ARGUMENT_VERSION_MISMATCH",
    "NVML_ERROR_DEPRECATED",
}
LOST = {"NVML_ERROR_GPU_IS_LOST", "NVML_ERROR_RESET_REQUIRED"}

THROTTLING = {
    "sw_power_cap": 0x04,
    "hw_slowdown": 0x08,
    "sw_thermal": 0x20,
    "hw_thermal": 0x40,
    "hw_power_brake": 0x80,
}
"""Bits of NVML's clock event reasons that say that the clocks are lower than the work would have them."""


@dataclass(frozen=True)
class Instance:
    """A part of a board that was divided by MIG."""

    uuid: str
    gpu_instance: int
    compute_instance: int
    handle: Handle = None


@dataclass(frozen=True)
class Board:
    """A GPU as NVML numbers them, which is by PCI bus; `uuid` and `name` are None where it does not answer."""

    uuid: str | None
    name: str | None
    handle: Handle = None
    mig: bool = False
    instances: tuple[Instance, ...] = ()


@dataclass(frozen=True)
class Chosen:
    """A device that the cell can use: a board, or one instance of it."""

    uuid: str
    name: str | None
    handle: Handle
    shared: bool
    """Whether others may use the same board: then its power is not the cell's."""


def choose(boards: Sequence[Board], visible: str | None, pci_order: bool) -> list[Chosen]:
    """The devices that CUDA would offer for `visible`, a CUDA_VISIBLE_DEVICES, or all of them for None.

    As CUDA does it: indices, UUIDs or their unambiguous beginnings, and MIG devices in both spellings; an entry that
    fits nothing ends the list; a divided board, named as a whole, means its first instance.

    Raises:
        Unavailable: no device is visible, or an index could mean several: CUDA counts the fastest first unless
            `pci_order`, which differs from NVML's order where the boards differ.
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


def _find(boards: Sequence[Board], entry: str, pci_order: bool) -> Chosen | None:
    if re.fullmatch(r"\d+", entry):
        if int(entry) >= len(boards):
            return None
        if not pci_order and len({board.name for board in boards}) > 1:
            raise Unavailable("device_order_unknown: set CUDA_DEVICE_ORDER=PCI_BUS_ID")
        return _whole(int(entry), boards[int(entry)])
    if spelled := re.fullmatch(r"MIG-(GPU-[^/]+)/(\d+)/(\d+)", entry):
        board_uuid, gpu_instance, compute_instance = spelled[1], int(spelled[2]), int(spelled[3])
        found = [
            _part(board, instance)
            for board in boards
            for instance in board.instances
            if board.uuid == board_uuid
            and (instance.gpu_instance, instance.compute_instance) == (gpu_instance, compute_instance)
        ]
    elif entry.startswith("MIG-"):
        found = [
            _part(board, instance)
            for board in boards
            for instance in board.instances
            if instance.uuid.startswith(entry)
        ]
    elif entry.startswith("GPU-"):
        found = [
            _whole(index, board)
            for index, board in enumerate(boards)
            if board.uuid is not None and board.uuid.startswith(entry)
        ]
    else:
        found = []
    return found[0] if len(found) == 1 else None


def _whole(index: int, board: Board) -> Chosen:
    if board.instances:
        return _part(board, board.instances[0])
    return Chosen(board.uuid or f"unreadable-{index}", board.name, board.handle, shared=board.mig)


def _part(board: Board, instance: Instance) -> Chosen:
    return Chosen(instance.uuid, board.name, instance.handle, shared=True)


class Nvml(Source):
    """NVIDIA GPUs that the cell can see."""

    visible_devices: str | None = None
    """Which of them, in the spelling of CUDA_VISIBLE_DEVICES; null for that variable's own value."""

    def open(self) -> "NvmlReader":
        """Start NVML and find the devices."""
        try:
            import pynvml
        except ImportError as error:
            raise Unavailable("nvidia_ml_py_not_installed") from error
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            missing = error.value == pynvml.NVML_ERROR_LIBRARY_NOT_FOUND
            raise Unavailable("no_nvml" if missing else f"nvml_init_failed: {error}") from error
        visible = os.environ.get("CUDA_VISIBLE_DEVICES") if self.visible_devices is None else self.visible_devices
        try:
            chosen = choose(_boards(pynvml), visible, os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID")
            return NvmlReader(pynvml, chosen)
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
        uuid, name = nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetName(handle)
    except nvml.NVMLError:
        return Board(uuid=None, name=None)
    try:
        mig = nvml.nvmlDeviceGetMigMode(handle)[0] == nvml.NVML_DEVICE_MIG_ENABLE
    except nvml.NVMLError:
        mig = False
    return Board(uuid, name, handle, mig, tuple(_instances(nvml, handle)) if mig else ())


def _instances(nvml: ModuleType, board: Handle) -> list[Instance]:
    found = []
    for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(board)):
        try:
            handle = nvml.nvmlDeviceGetMigDeviceHandleByIndex(board, index)
            uuid = nvml.nvmlDeviceGetUUID(handle)
            ids = nvml.nvmlDeviceGetGpuInstanceId(handle), nvml.nvmlDeviceGetComputeInstanceId(handle)
        except nvml.NVMLError:
            # Not there, or another tenant's.
            continue
        found.append(Instance(uuid, *ids, handle))
    return found


@dataclass(frozen=True)
class Query:
    """One call of NVML, and the fields of a reading that it gives."""

    fields: tuple[str, ...]
    ask: Callable[[ModuleType, Handle], tuple[float, ...]]
    pace: Literal["dated", "fast", "slow"] = "fast"
    """`dated`: at every tick, and the moment counts. `slow`: about once a second."""
    of_board: bool = False
    """Whether it tells of the whole board even where the board is shared."""


def _field_value(identifier: str) -> Callable[[ModuleType, Handle], int]:
    members = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")

    def ask(nvml: ModuleType, handle: Handle) -> int:
        (answer,) = nvml.nvmlDeviceGetFieldValues(handle, [getattr(nvml, identifier)])
        if answer.nvmlReturn != nvml.NVML_SUCCESS:
            raise nvml.NVMLError(answer.nvmlReturn)
        value: int = getattr(answer.value, members[answer.valueType])
        return value

    return ask


def _instant_power(nvml: ModuleType, handle: Handle) -> tuple[float]:
    return (_field_value("NVML_FI_DEV_POWER_INSTANT")(nvml, handle) / 1e3,)


def _average_power(nvml: ModuleType, handle: Handle) -> tuple[float]:
    return (_field_value("NVML_FI_DEV_POWER_AVERAGE")(nvml, handle) / 1e3,)


def _power_usage(nvml: ModuleType, handle: Handle) -> tuple[float]:
    return (nvml.nvmlDeviceGetPowerUsage(handle) / 1e3,)


def _energy(nvml: ModuleType, handle: Handle) -> tuple[float]:
    return (nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3,)


def _memory(nvml: ModuleType, handle: Handle) -> tuple[int, int, int]:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)
    return memory.used, memory.reserved, memory.free


def _utilisation(nvml: ModuleType, handle: Handle) -> tuple[int, int]:
    rates = nvml.nvmlDeviceGetUtilizationRates(handle)
    return rates.gpu, rates.memory


def _temperature(nvml: ModuleType, handle: Handle) -> tuple[int]:
    return (nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),)


def _sm_clock(nvml: ModuleType, handle: Handle) -> tuple[int]:
    return (nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),)


def _memory_clock(nvml: ModuleType, handle: Handle) -> tuple[int]:
    return (nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM),)


def _event_reasons(nvml: ModuleType, handle: Handle) -> tuple[int]:
    return (nvml.nvmlDeviceGetCurrentClocksEventReasons(handle),)


POWER_USAGE = Query(("power_w",), _power_usage, "dated", of_board=True)
"""Asked only where there is no instant power: on Ampere and later it is a mean over 1 s, except on GA100."""

QUERIES = (
    Query(("power_w",), _instant_power, "dated", of_board=True),
    Query(("energy_j",), _energy, "dated", of_board=True),
    Query(("memory_used_bytes", "memory_reserved_bytes", "memory_free_bytes"), _memory),
    Query(("average_power_w",), _average_power, of_board=True),
    Query(("utilisation_percent", "memory_utilisation_percent"), _utilisation),
    Query(("temperature_c",), _temperature, "slow"),
    Query(("sm_clock_mhz",), _sm_clock, "slow"),
    Query(("memory_clock_mhz",), _memory_clock, "slow"),
    Query(("event_reasons",), _event_reasons, "slow"),
)


class NvmlReader(Reader):
    """NVML, started, with the devices that were chosen."""

    def __init__(self, nvml: ModuleType, chosen: Sequence[Chosen]) -> None:
        self._nvml = nvml
        self._tree: ProcessTree | None = None
        self._devices = [Device(nvml, device) for device in chosen]
        self.measures_idle = any(device.power_reading for device in self._devices)

    @property
    def facts(self) -> dict[str, Any]:
        """Driver version, and per UUID the device's name, memory, power limit and which power it reports."""
        return {
            "driver": _or_none(self._nvml, self._nvml.nvmlSystemGetDriverVersion),
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
        """Read the device memory of process `pid` and its descendants, too."""
        self._tree = ProcessTree(pid)

    def read(self, slow: bool) -> Sample:
        """Per UUID, the fields that could be read."""
        begun_s = time.monotonic()
        answers = {device.uuid: device.read("dated") for device in self._devices}
        ended_s = time.monotonic()
        if ended_s - begun_s > UNDATED_S * len(self._devices):
            answers = {device.uuid: device.refuse(answers[device.uuid]) for device in self._devices}
        processes = self._tree.pids(refresh=True) if slow and self._tree else None
        for device in self._devices:
            answers[device.uuid] |= device.read("fast")
            if slow:
                answers[device.uuid] |= device.read("slow")
            if processes is not None:
                answers[device.uuid] |= device.read_processes(processes)
        if all(device.lost for device in self._devices):
            raise Unavailable("gpu_lost")
        return Sample((begun_s + ended_s) / 2, {"devices": answers})

    def close(self) -> None:
        """Stop NVML."""
        self._nvml.nvmlShutdown()


@dataclass
class Device:
    """One device, and what is still worth asking it."""

    nvml: ModuleType
    chosen: Chosen
    reasons: dict[str, str] = field(default_factory=dict)
    """Field, or "" for the whole device, to why it is not in the readings."""
    lost: bool = False
    power_reading: str | None = None

    def __post_init__(self) -> None:
        self.uuid = self.chosen.uuid
        self._queries = list(QUERIES)
        self._lists_processes = True
        if self.chosen.handle is None:
            self._lose()
            return
        if self.chosen.shared:
            for query in [query for query in self._queries if query.of_board]:
                self._drop(query, "mig_shared")
        self._limit_w = self._power_limit_w()
        self._memory_bytes = self._total_memory_bytes()
        self._bounds = self._plausible()
        # What a driver does not know, it may call an invalid argument; later the same word would mean a fault.
        unsupported = UNSUPPORTED | {"NVML_ERROR_INVALID_ARGUMENT"}
        for query in list(self._queries):
            self._answer(query, unsupported)
        if not self.chosen.shared and not self.lost:
            self._fall_back_to_power_usage(unsupported)

    def _fall_back_to_power_usage(self, unsupported: set[str]) -> None:
        self.power_reading = "instant"
        if self.reasons.get("power_w") in ("not_supported", "no_permission"):
            del self.reasons["power_w"]
            self._queries.insert(0, POWER_USAGE)
            self._answer(POWER_USAGE, unsupported)
            self.power_reading = "usage" if POWER_USAGE in self._queries else None

    @property
    def facts(self) -> dict[str, Any]:
        """What does not change about the device."""
        if self.chosen.handle is None:
            return {"name": None}
        return {
            "name": self.chosen.name,
            "memory_total_bytes": self._memory_bytes,
            "power_limit_w": self._limit_w,
            "power_reading": self.power_reading,
            "shared": self.chosen.shared,
        }

    def read(self, pace: str) -> dict[str, float]:
        """The fields of this pace that could be read; none once the device is lost."""
        values: dict[str, float] = {}
        for query in [query for query in self._queries if query.pace == pace]:
            if not self.lost:
                values |= self._answer(query, UNSUPPORTED)
        return values

    def refuse(self, answers: Mapping[str, float]) -> dict[str, float]:
        """Nothing, in place of answers that took so long that nobody knows their moment."""
        self.reasons.update(dict.fromkeys(answers, "slow_reading"))
        return {}

    def _answer(self, query: Query, unsupported: set[str]) -> dict[str, float]:
        try:
            answers = dict(zip(query.fields, query.ask(self.nvml, self.chosen.handle), strict=True))
        except self.nvml.NVMLError as error:
            if (reason := self._judge(error, unsupported)) and is_final(reason):
                self._drop(query, reason)
            elif reason:
                self.reasons.update(dict.fromkeys(query.fields, reason))
            return {}
        return self._keep_plausible(answers)

    def _judge(self, error: Any, unsupported: set[str]) -> str | None:
        """The reason for a field that was refused; None where the whole device is gone."""
        known = {getattr(self.nvml, name): name for name in unsupported | LOST | {"NVML_ERROR_NO_PERMISSION"}}
        name = known.get(error.value)
        if name in LOST:
            self._lose()
            return None
        if name == "NVML_ERROR_NO_PERMISSION":
            return "no_permission"
        return "not_supported" if name in unsupported else f"read_failed: {error}"

    def _keep_plausible(self, answers: Mapping[str, float]) -> dict[str, float]:
        kept = {}
        for name, value in answers.items():
            lowest, highest = self._bounds[name]
            if lowest <= value <= highest:
                self.reasons.pop(name, None)
                kept[name] = value
            else:
                self.reasons[name] = "implausible"
        return kept

    def read_processes(self, processes: Sequence[int]) -> dict[str, float]:
        """Memory that `processes` hold on the device, if the driver tells."""
        name = "process_memory_bytes"
        if self.lost or not self._lists_processes:
            return {}
        try:
            listed = self.nvml.nvmlDeviceGetComputeRunningProcesses(self.chosen.handle)
        except self.nvml.NVMLError as error:
            if reason := self._judge(error, UNSUPPORTED):
                self.reasons[name] = reason
                self._lists_processes = not is_final(reason)
            return {}
        own = [process.usedGpuMemory for process in listed if process.pid in processes]
        if not own:
            self.reasons[name] = "process_not_listed"
            return {}
        if None in own:
            self.reasons[name] = "not_supported"
            return {}
        return self._keep_plausible({name: sum(own)})

    def _drop(self, query: Query, reason: str) -> None:
        self._queries.remove(query)
        self.reasons.update(dict.fromkeys(query.fields, reason))

    def _lose(self) -> None:
        self.lost = True
        self.reasons = {"": "gpu_lost"}

    def _power_limit_w(self) -> float | None:
        limits = _or_none(self.nvml, self.nvml.nvmlDeviceGetPowerManagementLimitConstraints, self.chosen.handle)
        return limits[1] / 1e3 if limits and limits[1] > 0 else None

    def _total_memory_bytes(self) -> int | None:
        read = self.nvml.nvmlDeviceGetMemoryInfo
        memory = _or_none(self.nvml, read, self.chosen.handle, self.nvml.nvmlMemory_v2)
        return memory.total if memory else None

    def _plausible(self) -> dict[str, tuple[float, float]]:
        """Smallest and largest believable value per field."""
        # A board that is on draws some power, so 0 W is a sensor's fault.
        power = (0.1, 2 * self._limit_w if self._limit_w else 5e3)
        memory = (0.0, self._memory_bytes or 2**50)
        return {
            "power_w": power,
            "average_power_w": power,
            "energy_j": (0.0, 1e13),
            "memory_used_bytes": memory,
            "memory_reserved_bytes": memory,
            "memory_free_bytes": memory,
            "process_memory_bytes": memory,
            "utilisation_percent": (0, 100),
            "memory_utilisation_percent": (0, 100),
            "temperature_c": (1, 150),
            "sm_clock_mhz": (1, 1e4),
            "memory_clock_mhz": (1, 1e5),
            "event_reasons": (0, 2**63),
        }


def is_final(reason: str) -> bool:
    """Whether asking again is of no use."""
    return reason in ("not_supported", "no_permission")


def _or_none(nvml: ModuleType, call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except nvml.NVMLError:
        return None
