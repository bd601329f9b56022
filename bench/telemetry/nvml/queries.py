"""The calls of NVML that give the fields of a reading, in the schema's units."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

from bench.telemetry.nvml.boards import Handle
from bench.telemetry.schema import DEVICE

THROTTLING = {
    "sw_power_cap": 0x04,
    "hw_slowdown": 0x08,
    "sw_thermal": 0x20,
    "hw_thermal": 0x40,
    "hw_power_brake": 0x80,
}
"""NVML's clock event reasons that mean that the clocks are lower than the work needs: name to bit."""

Pids = Sequence[int] | None
"""The cell's processes; None before it has any."""


class Refused(Exception):
    """NVML answered, but without the value. The text is the reason that the record gives."""


@dataclass(frozen=True)
class Query:
    """One call of NVML, and the fields that it gives."""

    fields: tuple[str, ...]
    ask: Callable[[ModuleType, Handle, Pids], Sequence[Any]]
    """Gives the fields' values in their order; nothing where the answer does not say."""
    dated: bool = False
    """Whether the moment of the reading matters as much as its value."""
    of_board: bool = False
    """Whether the answer is about the whole GPU even if only an instance of it was asked for."""

    @property
    def slow(self) -> bool:
        """Whether asking once a second is enough."""
        return DEVICE[self.fields[0]].slow


def _field_watts(nvml: ModuleType, handle: Handle, identifier: int) -> Sequence[float]:
    members = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
    (answer,) = nvml.nvmlDeviceGetFieldValues(handle, [identifier])
    if answer.nvmlReturn != nvml.NVML_SUCCESS:
        raise nvml.NVMLError(answer.nvmlReturn)
    return [getattr(answer.value, members[answer.valueType]) / 1e3]


def _memory(nvml: ModuleType, handle: Handle, _: Pids) -> Sequence[int]:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)
    return memory.used, memory.reserved, memory.free


def _utilisation(nvml: ModuleType, handle: Handle, _: Pids) -> Sequence[int]:
    rates = nvml.nvmlDeviceGetUtilizationRates(handle)
    return rates.gpu, rates.memory


def _throttle_reasons(nvml: ModuleType, handle: Handle, _: Pids) -> Sequence[list[str]]:
    bits = nvml.nvmlDeviceGetCurrentClocksEventReasons(handle)
    return [[name for name, bit in THROTTLING.items() if bits & bit]]


def _process_memory(nvml: ModuleType, handle: Handle, pids: Pids) -> Sequence[int]:
    if pids is None:
        return ()
    used = [process.usedGpuMemory for process in _processes(nvml, handle) if process.pid in pids]
    if not used or None in used:
        raise Refused("not_supported" if used else "process_not_listed")
    return [sum(used)]


def _other_processes(nvml: ModuleType, handle: Handle, pids: Pids) -> Sequence[int]:
    listed = [process.pid for process in _processes(nvml, handle)]
    others = [pid for pid in listed if pid not in (pids or ())]
    if pids is not None and others and len(others) == len(listed):
        # In a container, the cell's own process can be listed by its number outside.
        return ()
    return [len(others)]


def _processes(nvml: ModuleType, handle: Handle) -> Sequence[Any]:
    # The function without a version raises no NVMLError if the driver is too old for it.
    return nvml.nvmlDeviceGetComputeRunningProcesses_v3(handle)


_of_board = partial(Query, dated=True, of_board=True)
INSTANT_POWER = _of_board(("power_w",), lambda nvml, gpu, _: _field_watts(nvml, gpu, nvml.NVML_FI_DEV_POWER_INSTANT))
POWER_USAGE = _of_board(("power_w",), lambda nvml, gpu, _: [nvml.nvmlDeviceGetPowerUsage(gpu) / 1e3])
"""Used only if there is no instant power: on Ampere and later it is a mean over 1 s, except on GA100."""

QUERIES = (
    INSTANT_POWER,
    _of_board(("energy_j",), lambda nvml, gpu, _: [nvml.nvmlDeviceGetTotalEnergyConsumption(gpu) / 1e3]),
    _of_board(
        ("average_power_w",),
        lambda nvml, gpu, _: _field_watts(nvml, gpu, nvml.NVML_FI_DEV_POWER_AVERAGE),
        dated=False,
    ),
    Query(("memory_used_bytes", "memory_reserved_bytes", "memory_free_bytes"), _memory),
    Query(("utilisation_percent", "memory_utilisation_percent"), _utilisation),
    Query(("temperature_c",), lambda nvml, gpu, _: [nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU)]),
    Query(("sm_clock_mhz",), lambda nvml, gpu, _: [nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_SM)]),
    Query(("memory_clock_mhz",), lambda nvml, gpu, _: [nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_MEM)]),
    Query(("throttle_reasons",), _throttle_reasons),
    Query(("process_memory_bytes",), _process_memory),
    Query(("other_processes",), _other_processes),
)
