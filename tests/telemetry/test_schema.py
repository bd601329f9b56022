"""The schema of readings, and that a source for other hardware needs nothing but itself."""

import math
import time
from pathlib import Path
from typing import Any

import pytest

from bench.machine import Gpu
from bench.supervisor.environment import environment
from bench.telemetry import Reader, Sample, Source, Telemetry
from bench.telemetry.join import measure
from bench.telemetry.sampler import Sampler
from bench.telemetry.schema import DEVICE, FIELDS, HOST, LIKELY_LIMIT_W, judge
from bench.telemetry.windows import Stretch
from bench.tracker.series import Thinned

GIB = 2**30
UUID = "9c8f0d6e"
WATTS = 600.0


class AmdReader(Reader):
    """An Instinct board at 600 W that is throttled all the time and once gives an absurd power."""

    def __init__(self) -> None:
        self._n = 0

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "driver": "6.12.12",
            "rocm": "6.4.1",
            "devices": {
                UUID: {
                    "name": "AMD Instinct MI300X",
                    "memory_total_bytes": 192 * GIB,
                    "power_limit_w": 750.0,
                    "power_reading": "instant",
                    "shared": False,
                }
            },
        }

    @property
    def reasons(self) -> dict[str, str]:
        return {f"{UUID}.process_memory_bytes": "not_supported"}

    def watch(self, pid: int) -> None: ...

    def read(self, slow: bool) -> Sample:
        self._n += 1
        at_s = time.monotonic()
        answer: Any = {
            "power_w": 1600.0 if self._n == 20 else WATTS,
            "energy_j": WATTS * at_s,
            "memory_used_bytes": 100 * GIB,
            "utilisation_percent": 0,
        }
        return Sample(at_s, {"devices": {UUID: answer | ({"throttle_reasons": ["prochot", "ppt0"]} if slow else {})}})

    def close(self) -> None: ...


class AmdSmi(Source):
    def open(self) -> Reader:
        return AmdReader()


def test_a_source_for_other_hardware_is_one_class(tmp_path: Path) -> None:
    settings = Telemetry(name="test", hz=20.0, idle_s=0.0, gpu=AmdSmi(name="amd"))
    origin_s = time.monotonic()
    sampler = Sampler(settings, tmp_path / "telemetry.jsonl", origin_s)
    sampler.start()
    time.sleep(0.2)
    start_s = time.monotonic() - origin_s
    time.sleep(2.1)
    end_s = time.monotonic() - origin_s
    drained, recording = sampler.drain(), sampler.stop()
    measured = measure(
        recording.gathered,
        [Stretch("train", start_s, end_s - start_s)],
        settings,
        file_bytes=recording.file_bytes,
        torch_peaks={},
        torch_missing="no_cuda",
        step_time_s=None,
    )
    power, memory = measured.power, measured.memory
    assert power is not None
    assert memory is not None
    assert (power.energy_method, power.energy_counter_j) == ("counter", pytest.approx(WATTS * power.seconds, rel=1e-3))
    assert power.peak_sampled_power_w == WATTS, "1600 W is more than twice the limit"
    assert power.throttled_by_s == {"ppt0": power.throttled_s, "prochot": power.throttled_s}
    assert power.throttled_s == pytest.approx(power.seconds, abs=0.002)
    assert power.devices[UUID].name == "AMD Instinct MI300X"
    assert memory.device_peak_bytes == 100 * GIB
    assert measured.missing["memory.process_device_peak_bytes"] == "not_supported"
    reasons = [reading.reasons for reading in drained if f"{UUID}.power_w" in reading.reasons]
    assert reasons == [{f"{UUID}.power_w": "implausible"}, {f"{UUID}.power_w": None}]
    thinned = Thinned()
    points = [point for reading in drained if (point := thinned.add(reading))]
    assert set(points[0].values) == {
        "telemetry/gpu0/energy_j",
        *(
            f"telemetry/gpu0/{field}_{figure}"
            for field in ("power_w", "memory_used_bytes", "utilisation_percent")
            for figure in ("mean", "max")
        ),
    }


def test_the_records_environment_has_the_devices_of_the_source() -> None:
    content, missing = environment.__wrapped__(AmdSmi(name="amd"))
    assert content.gpu == (Gpu(name="AMD Instinct MI300X", uuid=UUID, memory_bytes=192 * GIB),)
    assert (content.driver, content.cuda) == ("6.12.12", None)
    assert {path: why for path, why in missing.items() if "git" not in path} == {"environment.cuda": "not_reported"}


def test_every_unit_is_in_its_fields_name() -> None:
    suffixes = {"W": "_w", "J": "_j", "bytes": "_bytes", "%": "_percent", "°C": "_c", "MHz": "_mhz", "s": "_s"}
    assert all(name.endswith(suffixes.get(field.unit, "")) for name, field in FIELDS.items())
    assert [name for name, field in FIELDS.items() if field.kind == "counter"] == [
        "energy_j",
        "cpu_s",
        "package_energy_j",
    ]
    assert not DEVICE.keys() & HOST.keys()


@pytest.mark.parametrize(
    ("name", "value", "facts", "believed"),
    [
        ("power_w", 1399.0, {"power_limit_w": 700.0}, True),
        ("power_w", 1401.0, {"power_limit_w": 700.0}, False),
        ("power_w", LIKELY_LIMIT_W + 1, {}, False),
        ("power_w", LIKELY_LIMIT_W - 1, {"power_limit_w": None}, True),
        ("power_w", 0, {}, False),
        ("memory_used_bytes", 80 * GIB, {"memory_total_bytes": 80 * GIB}, True),
        ("memory_used_bytes", 80 * GIB + 1, {"memory_total_bytes": 80 * GIB}, False),
        ("utilisation_percent", 101, {}, False),
        ("temperature_c", math.nan, {}, False),
        ("energy_j", math.inf, {}, False),
        ("throttle_reasons", [], {}, True),
        ("throttle_reasons", [4], {}, False),
    ],
)
def test_what_cannot_be_true_is_dropped(name: str, value: Any, facts: Any, believed: bool) -> None:
    kept, verdicts = judge({"devices": {UUID: {name: value}}}, {UUID: facts})  # type: ignore[misc]
    assert kept == {"devices": {UUID: {name: value} if believed else {}}}
    assert verdicts == {f"{UUID}.{name}": None if believed else "implausible"}


def test_a_field_outside_the_schema_is_dropped_and_named() -> None:
    values: Any = {"rss_bytes": 5, "fan_rpm": 900, "devices": {UUID: {"hotspot_c": 80}}}
    assert judge(values, {}) == (
        {"rss_bytes": 5, "devices": {UUID: {}}},
        {"rss_bytes": None, "fan_rpm": "unknown_field", f"{UUID}.hotspot_c": "unknown_field"},
    )
