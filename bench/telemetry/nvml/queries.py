"""The calls of NVML that give the fields of a reading, in the schema's units."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from bench.telemetry.nvml.boards import Handle
from bench.telemetry.schema import DEVICE, DeviceReading

THROTTLING = {
    "sw_power_cap": 0x04,
    "hw_slowdown": 0x08,
    "sw_thermal": 0x20,
    "hw_thermal": 0x40,
    "hw_power_brake": 0x80,
}
"""Those of NVML's clock event reasons that mean that the clocks are lower than the work needs: name to bit."""


@dataclass(frozen=True)
class Query:
    """One call of NVML, and the fields that it gives."""

    fields: tuple[str, ...]
    ask: Callable[[ModuleType, Handle], DeviceReading]
    dated: bool = False
    """Whether the moment of the reading matters as much as its value."""
    of_board: bool = False
    """Whether it is about the whole board even if the board is shared."""

    @property
    def slow(self) -> bool:
        """Whether asking once a second is enough."""
        return DEVICE[self.fields[0]].slow


def _field_value(nvml: ModuleType, handle: Handle, identifier: str) -> float:
    members = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
    (answer,) = nvml.nvmlDeviceGetFieldValues(handle, [getattr(nvml, identifier)])
    if answer.nvmlReturn != nvml.NVML_SUCCESS:
        raise nvml.NVMLError(answer.nvmlReturn)
    value: float = getattr(answer.value, members[answer.valueType])
    return value


def _instant_power(nvml: ModuleType, handle: Handle) -> DeviceReading:
    return {"power_w": _field_value(nvml, handle, "NVML_FI_DEV_POWER_INSTANT") / 1e3}


def _average_power(nvml: ModuleType, handle: Handle) -> DeviceReading:
    return {"average_power_w": _field_value(nvml, handle, "NVML_FI_DEV_POWER_AVERAGE") / 1e3}


def _power_usage(nvml: ModuleType, handle: Handle) -> DeviceReading:
    return {"power_w": nvml.nvmlDeviceGetPowerUsage(handle) / 1e3}


def _energy(nvml: ModuleType, handle: Handle) -> DeviceReading:
    return {"energy_j": nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3}


def _memory(nvml: ModuleType, handle: Handle) -> DeviceReading:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)
    return {
        "memory_used_bytes": memory.used,
        "memory_reserved_bytes": memory.reserved,
        "memory_free_bytes": memory.free,
    }


def _utilisation(nvml: ModuleType, handle: Handle) -> DeviceReading:
    rates = nvml.nvmlDeviceGetUtilizationRates(handle)
    return {"utilisation_percent": rates.gpu, "memory_utilisation_percent": rates.memory}


def _temperature(nvml: ModuleType, handle: Handle) -> DeviceReading:
    return {"temperature_c": nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)}


def _sm_clock(nvml: ModuleType, handle: Handle) -> DeviceReading:
    return {"sm_clock_mhz": nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)}


def _memory_clock(nvml: ModuleType, handle: Handle) -> DeviceReading:
    return {"memory_clock_mhz": nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)}


def _throttle_reasons(nvml: ModuleType, handle: Handle) -> DeviceReading:
    bits = nvml.nvmlDeviceGetCurrentClocksEventReasons(handle)
    return {"throttle_reasons": [name for name, bit in THROTTLING.items() if bits & bit]}


INSTANT_POWER = Query(("power_w",), _instant_power, dated=True, of_board=True)
POWER_USAGE = Query(("power_w",), _power_usage, dated=True, of_board=True)
"""Used only if there is no instant power: on Ampere and later it is a mean over 1 s, except on GA100."""

QUERIES = (
    INSTANT_POWER,
    Query(("energy_j",), _energy, dated=True, of_board=True),
    Query(("memory_used_bytes", "memory_reserved_bytes", "memory_free_bytes"), _memory),
    Query(("average_power_w",), _average_power, of_board=True),
    Query(("utilisation_percent", "memory_utilisation_percent"), _utilisation),
    Query(("temperature_c",), _temperature),
    Query(("sm_clock_mhz",), _sm_clock),
    Query(("memory_clock_mhz",), _memory_clock),
    Query(("throttle_reasons",), _throttle_reasons),
)
