"""What a reading can hold: every field with its unit, what kind of quantity it is, and which values are believable.

A source for other hardware fills in `DeviceReading` and `DeviceFacts`, and nothing else has to know about it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, TypedDict, cast, get_type_hints

LIKELY_LIMIT_W = 2500.0
"""No board draws more than this (the largest of 2025 are limited to 1400 W); used where a device states no limit."""
HOLD_PERIODS = 5
"""A reading stands for the time after it for at most this many periods; after that the quantity is unknown."""
SLOW_PERIOD_S = 1.0
"""What changes slowly is read this often."""


@dataclass(frozen=True)
class FieldSpec:
    """What one field holds, and the bounds outside of which a value is dropped as `implausible`."""

    unit: str
    kind: Literal["signal", "counter", "names"] = "signal"
    """`signal`: holds until the next reading. `counter`: only rises, and its rise is what counts. `names`: a list of
    the conditions that hold."""
    lowest: float = 0.0
    highest: float = math.inf
    limited_by: str | None = None
    """The device fact that gives the upper bound instead of `highest`, where the device states it."""
    times: float = 1.0
    """The upper bound as a multiple of that fact."""
    slow: bool = False
    """Changes slowly: a reading stands for five seconds instead of five periods."""
    recorded: bool = False
    """Whether the record is computed from it; if not, it is only in telemetry.jsonl and in trackers."""

    def hold_s(self, hz: float) -> float:
        """How long a reading stands for the time after it, when sampled at `hz`."""
        return HOLD_PERIODS * (SLOW_PERIOD_S if self.slow else 1.0 / hz)

    def upper_bound(self, facts: Mapping[str, Any]) -> float:
        """Largest believable value for a device with these facts."""
        limit = facts.get(self.limited_by) if self.limited_by else None
        return self.times * limit if limit else self.highest

    def believes(self, value: Any, facts: Mapping[str, Any]) -> bool:
        """Whether `value` can be true for a device with these facts. NaN and infinity cannot."""
        if self.kind == "names":
            return all(isinstance(name, str) for name in value)
        return math.isfinite(value) and self.lowest <= value <= self.upper_bound(facts)


# A board that is on draws some power, so 0 W is a fault of its sensor. Short peaks exceed the limit.
_power = partial(FieldSpec, "W", lowest=0.1, highest=LIKELY_LIMIT_W, limited_by="power_limit_w", times=2.0)
_memory = partial(FieldSpec, "bytes", highest=2.0**50, limited_by="memory_total_bytes")


class DeviceReading(TypedDict, total=False):
    """What was read from one device. A field that could not be read is absent, and its reason is given elsewhere."""

    power_w: Annotated[float, _power(recorded=True)]
    """Draw of the whole board, as close to the moment as the device can say."""
    average_power_w: Annotated[float, _power()]
    """Draw averaged by the device over about a second."""
    energy_j: Annotated[float, FieldSpec("J", "counter", highest=1e13, recorded=True)]
    """Energy that the whole board has used since some time in the past."""
    memory_used_bytes: Annotated[int, _memory(recorded=True)]
    """In use by any process, without what the driver reserves for itself."""
    memory_reserved_bytes: Annotated[int, _memory()]
    memory_free_bytes: Annotated[int, _memory()]
    process_memory_bytes: Annotated[int, _memory(slow=True, recorded=True)]
    """In use by the cell's processes."""
    other_processes: Annotated[int, FieldSpec("processes", highest=1e6, slow=True, recorded=True)]
    """How many processes that are not the cell's compute on the device."""
    utilisation_percent: Annotated[float, FieldSpec("%", highest=100.0, recorded=True)]
    """Share of the time in which the compute units had work."""
    memory_utilisation_percent: Annotated[float, FieldSpec("%", highest=100.0)]
    """Share of the time in which memory was read or written."""
    temperature_c: Annotated[float, FieldSpec("°C", lowest=1.0, highest=150.0, slow=True)]
    sm_clock_mhz: Annotated[float, FieldSpec("MHz", lowest=1.0, highest=1e4, slow=True)]
    """Clock of the compute units."""
    memory_clock_mhz: Annotated[float, FieldSpec("MHz", lowest=1.0, highest=1e5, slow=True)]
    throttle_reasons: Annotated[list[str], FieldSpec("names", "names", slow=True, recorded=True)]
    """Why the clocks are lower than the work needs, in the source's own names such as `sw_power_cap`; empty: they are
    not."""


class HostReading(TypedDict, total=False):
    """What was read from the machine and the cell's processes."""

    rss_bytes: Annotated[int, FieldSpec("bytes", recorded=True)]
    """Resident memory of the cell's processes; pages that they share count in each."""
    pss_bytes: Annotated[int, FieldSpec("bytes", slow=True, recorded=True)]
    """The same with shared pages divided among all that share them."""
    cpu_s: Annotated[float, FieldSpec("s", "counter", slow=True, recorded=True)]
    """CPU time of the cell's processes, all cores together."""
    package_energy_j: Annotated[float, FieldSpec("J", "counter", slow=True, recorded=True)]
    """Energy of the CPU packages, whoever used it."""


class Values(HostReading, total=False):
    """The values of one reading, as they are written to telemetry.jsonl."""

    devices: dict[str, DeviceReading]
    """By UUID."""


class DeviceFacts(TypedDict, total=False):
    """What does not change about a device. What is not known is None or absent."""

    name: str | None
    memory_total_bytes: int | None
    power_limit_w: float | None
    """The highest limit that can be set."""
    power_reading: Literal["instant", "usage"] | None
    """`instant`: `power_w` is of the moment. `usage`: it may be a mean over about a second."""
    shared: bool
    """Whether others may use the same board, so that its power is not the cell's."""


def _quantities(fields: type) -> dict[str, FieldSpec]:
    hints = get_type_hints(fields, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


DEVICE = _quantities(DeviceReading)
HOST = _quantities(HostReading)
FIELDS = DEVICE | HOST


def judge(values: Values, devices: Mapping[str, DeviceFacts]) -> tuple[Values, dict[str, str | None]]:
    """The believable part of `values`, and for the path of every value None or the reason why it was dropped.

    Raises:
        TypeError: a value is not of its field's type.
    """
    verdicts: dict[str, str | None] = {}

    def kept(reading: Mapping[str, Any], quantities: Mapping[str, FieldSpec], facts: Any, path: str) -> dict[str, Any]:
        for name, value in reading.items():
            quantity = quantities.get(name)
            believed = quantity is not None and quantity.believes(value, facts)
            verdicts[path + name] = None if believed else "implausible" if quantity else "unknown_field"
        return {name: value for name, value in reading.items() if verdicts[path + name] is None}

    host = kept({name: value for name, value in values.items() if name != "devices"}, HOST, {}, "")
    if "devices" in values:
        host["devices"] = {
            uuid: kept(reading, DEVICE, devices.get(uuid, {}), f"{uuid}.")
            for uuid, reading in values["devices"].items()
        }
    return cast(Values, host), verdicts
