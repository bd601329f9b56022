"""Readings made by hand, with a cell whose power and memory are known, joined to its phases."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from bench.record import null_paths
from bench.telemetry import Telemetry
from bench.telemetry.gather import Gathered
from bench.telemetry.host import Host
from bench.telemetry.join import TelemetrySections, TorchPeaks, measure
from bench.telemetry.nvml import Nvml
from bench.telemetry.reading import Reading
from bench.telemetry.trace import thin
from bench.telemetry.windows import Stretch

A, B = "GPU-a", "GPU-b"
GIB = 2**30
SETTINGS = Telemetry(name="default", gpu=Nvml(name="nvml"), host=Host(name="host"))
PHASES = (
    Stretch("load", 0.0, 5.0),
    Stretch("train", 5.0, 10.0),
    Stretch("validate", 15.0, 4.0),
    Stretch("train", 19.0, 10.0),
    Stretch("save", 29.0, 1.0),
)
FACTS = {"name": "Board", "memory_total_bytes": 80 * GIB, "power_limit_w": 700.0, "power_reading": "instant"}
Answer = dict[str, Any]


def flat(watts: float) -> Callable[[float], Answer]:
    """A board at constant power with a counter that agrees, and nothing else."""
    return lambda t_s: {"power_w": watts, "energy_j": 1e6 + watts * t_s}


def gpu_readings(
    devices: dict[str, Callable[[float], Answer]],
    until_s: float = 31.0,
    reasons: dict[str, str] | None = None,
    facts: dict[str, Any] | None = None,
) -> Iterator[Reading]:
    """At 10 Hz from 3 s before the first phase, 3 ms late every time."""
    yield Reading(
        "gpu",
        -3.01,
        facts={"driver": "575.00", "devices": {uuid: FACTS | (facts or {}) for uuid in devices}},
        reasons=dict(reasons or {}),
    )
    for tick in range(round((until_s + 3.0) * 10)):
        t_s = -2.997 + tick / 10
        yield Reading("gpu", t_s, 0.003, values={"devices": {uuid: answer(t_s) for uuid, answer in devices.items()}})
    yield Reading("gpu", until_s, facts={"closed": {"status": "ok", "cpu_s": 0.1}})


def joined(
    readings: Iterator[Reading] | Sequence[Reading],
    phases: Sequence[Stretch] = PHASES,
    settings: Telemetry = SETTINGS,
    file_bytes: int | None = 1000,
    step_time_s: float | None = 0.37,
    torch_peaks: dict[str, TorchPeaks] | None = None,
) -> TelemetrySections:
    """What is measured; every null has a reason, and every reason a null."""
    measured = measure(
        Gathered.of(readings),
        phases,
        settings,
        file_bytes=file_bytes,
        torch_peaks=torch_peaks or {},
        torch_missing="no_cuda",
        step_time_s=step_time_s,
    )
    sections = {
        name: section.model_dump() if (section := getattr(measured, name)) else None
        for name in ("power", "memory", "host", "telemetry")
    }
    assert set(measured.missing) == set(null_paths(sections))
    assert all(measured.missing.values())
    return measured


def test_flat_power() -> None:
    measured = joined(gpu_readings({A: flat(300.0)}))
    power = measured.power
    assert power is not None
    assert power.model_dump(exclude={"phases", "devices"}) == {
        "seconds": 30.0,
        "energy_j": 9000.0,
        "energy_method": "counter",
        "energy_counter_j": 9000.0,
        "energy_integral_j": 9000.0,
        "residual_percent": 0.0,
        "mean_power_w": 300.0,
        "peak_sampled_power_w": 300.0,
        "net_energy_j": 0.0,
        "n_samples": 300,
        "coverage": 1.0,
        "worst_gap_s": 0.1,
        "lateness_s_p99": 0.003,
        "missed_ticks": 0,
        "throttled_s": None,
        "throttled_by_s": None,
        "idle_power_w": 300.0,
        "step_time_aliases": False,
        "carbon": None,
    }
    assert {name: (phase.seconds, phase.energy_j) for name, phase in power.phases.items()} == {
        "load": (5.0, 1500.0),
        "train": (20.0, 6000.0),
        "validate": (4.0, 1200.0),
        "save": (1.0, None),
    }
    assert power.devices[A].model_dump() == {
        "name": "Board",
        "power_reading": "instant",
        "power_limit_w": 700.0,
        "energy_counter_j": 9000.0,
        "energy_integral_j": 9000.0,
        "peak_sampled_power_w": 300.0,
    }
    assert measured.missing["power.carbon"] == "intensity_not_set"


def test_a_phase_under_two_seconds_is_too_short_for_power_and_not_for_memory() -> None:
    measured = joined(gpu_readings({A: lambda t_s: flat(300.0)(t_s) | {"memory_used_bytes": 5 * GIB}}))
    assert measured.power is not None
    assert measured.memory is not None
    save = measured.power.phases["save"]
    nulls = {"energy_j", "energy_method", "energy_counter_j", "energy_integral_j", "residual_percent", "mean_power_w"}
    nulls |= {"peak_sampled_power_w", "net_energy_j", "throttled_s", "throttled_by_s"}
    assert {name for name, value in save if value is None} == nulls
    assert {measured.missing[f"power.phases.save.{name}"] for name in nulls} == {"too_short"}
    assert measured.memory.phases["save"].device_peak_bytes == 5 * GIB


def test_power_belongs_to_the_phase_in_which_it_was_drawn() -> None:
    def board(t_s: float) -> Answer:
        return {"power_w": 600.0 if 15.0 <= t_s < 19.0 else 200.0}

    power = joined(gpu_readings({A: board})).power
    assert power is not None
    assert power.energy_method == "integral"
    assert power.phases["train"].energy_j == pytest.approx(200.0 * 20.0, rel=0.01)
    assert power.phases["validate"].energy_j == pytest.approx(600.0 * 4.0, rel=0.01)
    assert power.phases["train"].peak_sampled_power_w == 200.0
    assert power.phases["validate"].peak_sampled_power_w == 600.0
    assert power.peak_sampled_power_w == 600.0
    assert power.energy_j == pytest.approx(200.0 * 26.0 + 600.0 * 4.0, rel=0.001)


def test_the_counter_is_preferred_and_the_residual_shown() -> None:
    power = joined(gpu_readings({A: lambda t_s: {"power_w": 315.0, "energy_j": 300.0 * t_s + 1e4}})).power
    assert power is not None
    assert (power.energy_j, power.energy_method, power.mean_power_w) == (9000.0, "counter", 300.0)
    assert (power.energy_integral_j, power.residual_percent) == (9450.0, 5.0)


def test_without_a_counter_the_integral_counts() -> None:
    reasons = {f"{A}.energy_j": "not_supported"}
    measured = joined(gpu_readings({A: lambda _: {"power_w": 300.0}}, reasons=reasons))
    power = measured.power
    assert power is not None
    assert (power.energy_j, power.energy_method, power.energy_counter_j) == (9000.0, "integral", None)
    assert measured.missing["power.energy_counter_j"] == "not_supported"
    assert measured.missing["power.residual_percent"] == "not_supported"


@pytest.mark.parametrize(
    ("counter", "reason"),
    [
        (lambda t_s: 1e5 + 300.0 * t_s if t_s < 10.0 else 300.0 * (t_s - 10.0), "counter_reset"),
        (lambda t_s: 1e5 + 300.0 * t_s + (1e9 if t_s > 10.0 else 0.0), "counter_implausible"),
        (lambda _: 1e5, "counter_stuck"),
    ],
)
def test_a_counter_that_lies_gives_way_to_the_integral(counter: Callable[[float], float], reason: str) -> None:
    measured = joined(gpu_readings({A: lambda t_s: {"power_w": 300.0, "energy_j": counter(t_s)}}))
    power = measured.power
    assert power is not None
    assert (power.energy_j, power.energy_method, power.energy_counter_j) == (9000.0, "integral", None)
    assert measured.missing["power.energy_counter_j"] == reason
    assert measured.missing["power.phases.train.energy_counter_j"] == reason
    if reason != "counter_stuck":
        assert power.phases["validate"].energy_counter_j == 1200.0


def test_a_peak_that_the_counter_contradicts_is_not_given() -> None:
    measured = joined(gpu_readings({A: lambda t_s: {"power_w": 1390.0, "energy_j": 300.0 * t_s + 1e4}}))
    power = measured.power
    assert power is not None
    assert (power.mean_power_w, power.peak_sampled_power_w, power.devices[A].peak_sampled_power_w) == (
        300.0,
        None,
        None,
    )
    assert measured.missing["power.peak_sampled_power_w"] == "contradicts_counter"
    assert power.residual_percent == pytest.approx(363.333)


def test_a_counter_that_starts_after_the_phase_gives_no_low_energy() -> None:
    """At 96 % of the load phase the rise is 4 % less than the phase's energy."""
    readings = [
        replace(reading, values={"devices": {A: {"power_w": 300.0}}})
        if reading.values and reading.t_s < 1.0
        else reading
        for reading in gpu_readings({A: flat(300.0)})
    ]
    measured = joined(readings, phases=[Stretch("load", 0.0, 25.0)])
    assert measured.power is not None
    assert (measured.power.energy_j, measured.power.energy_method) == (7500.0, "integral")
    assert measured.missing["power.energy_counter_j"] == "low_coverage"


def test_an_integral_stands_for_the_whole_phase() -> None:
    """Readings that are missing for 1.4 s of 30 s leave 0.9 s that no sample stands for: 3 % of the energy."""
    readings = [
        replace(reading, values={}) if 7.0 < reading.t_s < 8.4 else reading
        for reading in gpu_readings({A: lambda _: {"power_w": 300.0}})
    ]
    power = joined(readings).power
    assert power is not None
    assert power.coverage == pytest.approx(1 - 1.0 / 30, abs=0.0034)
    assert (power.energy_integral_j, power.energy_j, power.mean_power_w) == (9000.0, 9000.0, 300.0)
    assert (power.phases["train"].energy_j, power.net_energy_j) == (6000.0, 0.0)


def test_memory_that_is_read_too_rarely_has_samples_and_no_peak() -> None:
    def board(t_s: float) -> Answer:
        return flat(300.0)(t_s) | ({"memory_used_bytes": 5 * GIB} if t_s < 7.0 else {})

    measured = joined(gpu_readings({A: board}))
    assert measured.memory is not None
    assert measured.memory.phases["load"].device_peak_bytes == 5 * GIB
    assert measured.missing["memory.phases.train.device_peak_bytes"] == "low_coverage"
    assert measured.missing["memory.phases.save.device_peak_bytes"] == "no_samples"


def test_net_energy_is_above_idle() -> None:
    power = joined(gpu_readings({A: lambda t_s: {"power_w": 70.0 if t_s < 0.0 else 300.0}})).power
    assert power is not None
    assert power.idle_power_w == 70.0
    assert power.energy_j == pytest.approx(9000.0, rel=0.001)
    assert power.net_energy_j == pytest.approx(9000.0 - 70.0 * 30.0, rel=0.001)
    assert power.phases["validate"].net_energy_j == pytest.approx(920.0)


def test_a_busy_gpu_has_no_idle_power() -> None:
    measured = joined(gpu_readings({A: lambda t_s: flat(300.0)(t_s) | {"utilisation_percent": 40}}))
    assert measured.power is not None
    assert measured.power.energy_j == 9000.0
    assert measured.missing["power.idle_power_w"] == "gpu_busy"
    assert measured.missing["power.net_energy_j"] == "gpu_busy"


def test_no_idle_power_without_time_for_it() -> None:
    late = [reading for reading in gpu_readings({A: flat(300.0)}) if reading.t_s > -0.5 or reading.facts]
    assert joined(late).missing["power.idle_power_w"] == "too_short"


def test_a_gap_leaves_the_counter_and_takes_the_integral() -> None:
    gap = [reading for reading in gpu_readings({A: flat(300.0)}) if not 21.0 < reading.t_s < 27.0]
    measured = joined(gap)
    power = measured.power
    assert power is not None
    train = power.phases["train"]
    assert (train.energy_j, train.energy_method, train.energy_integral_j) == (6000.0, "counter", None)
    assert train.peak_sampled_power_w is None
    assert measured.missing["power.phases.train.energy_integral_j"] == "low_coverage"
    assert train.coverage == pytest.approx((20.0 - 6.0 + 0.4) / 20.0, abs=0.0051)
    assert train.worst_gap_s == pytest.approx(6.1, abs=0.0051)
    assert power.phases["validate"].energy_integral_j == 1200.0


def test_a_gap_across_a_boundary_takes_both() -> None:
    gap = [reading for reading in gpu_readings({A: flat(300.0)}) if not 13.0 < reading.t_s < 17.0]
    measured = joined(gap)
    assert measured.power is not None
    assert measured.power.energy_j == 9000.0, "the whole has readings on both sides"
    assert measured.power.phases["train"].energy_j is None
    assert measured.missing["power.phases.train.energy_counter_j"] == "gap_at_boundary"
    assert measured.missing["power.phases.train.energy_j"] == "low_coverage"
    assert measured.missing["power.phases.validate.energy_j"] == "low_coverage"


def test_one_reading_is_no_measurement() -> None:
    readings = list(gpu_readings({A: flat(300.0)}))
    measured = joined([readings[0], readings[100]])
    assert measured.power is not None
    assert measured.power.n_samples == 1
    assert (measured.power.energy_j, measured.power.mean_power_w, measured.power.peak_sampled_power_w) == (None,) * 3
    assert measured.missing["power.energy_j"] == "low_coverage"


def test_several_gpus_are_summed_in_time() -> None:
    def first(t_s: float) -> Answer:
        return {"power_w": 500.0 if t_s % 2 < 1 else 100.0, "memory_used_bytes": (8 if t_s % 2 < 1 else 2) * GIB}

    def second(t_s: float) -> Answer:
        return {"power_w": 100.0 if t_s % 2 < 1 else 400.0, "memory_used_bytes": (1 if t_s % 2 < 1 else 3) * GIB}

    measured = joined(gpu_readings({A: first, B: second}))
    assert measured.power is not None
    assert measured.memory is not None
    assert measured.power.peak_sampled_power_w == 600.0, "not 500 + 400"
    assert measured.power.mean_power_w == pytest.approx(550.0, rel=0.01)
    assert measured.memory.device_peak_bytes == 9 * GIB
    assert {uuid: device.peak_sampled_power_w for uuid, device in measured.power.devices.items()} == {
        A: 500.0,
        B: 400.0,
    }


def test_one_gpu_of_several_lost() -> None:
    lost = [
        replace(reading, values={"devices": {A: reading.values["devices"][A], B: {}}}, reasons={B: "gpu_lost"})
        if reading.values and reading.t_s > 16.0
        else reading
        for reading in gpu_readings({A: flat(300.0), B: flat(400.0)})
    ]
    measured = joined(lost)
    power = measured.power
    assert power is not None
    assert (power.energy_j, power.peak_sampled_power_w) == (None, None)
    assert measured.missing["power.energy_j"] == measured.missing["power.phases.train.energy_j"] == "gpu_lost"
    assert measured.missing["power.energy_counter_j"] == "gpu_lost"
    assert power.phases["load"].energy_j == 3500.0, "before the loss all was well"
    assert power.devices[A].energy_counter_j == 9000.0, "the one that is left is known"
    assert power.devices[B].energy_counter_j is None


def test_a_shared_board_has_memory_and_no_power() -> None:
    measured = joined(
        gpu_readings(
            {"MIG-a": lambda _: {"memory_used_bytes": 5 * GIB}},
            reasons={"MIG-a.power_w": "mig_shared", "MIG-a.energy_j": "mig_shared"},
            facts={"power_reading": None},
        )
    )
    assert measured.power is None
    assert measured.missing["power"] == "mig_shared"
    assert measured.memory is not None
    assert measured.memory.device_peak_bytes == 5 * GIB


def test_no_driver() -> None:
    measured = joined(
        [Reading("gpu", 0.04, facts={"closed": {"status": "no_nvml", "cpu_s": 0.02}}, reasons={"": "no_nvml"})]
    )
    assert measured.power is None
    assert measured.missing["power"] == "no_nvml"
    assert measured.missing["memory.device_peak_bytes"] == "no_nvml"
    assert measured.telemetry.gpu is not None
    assert measured.telemetry.gpu.status == "no_nvml"


def test_a_source_that_was_found_missing_after_the_phases() -> None:
    hung = [Reading("gpu", 40.0, facts={"closed": {"status": "hung", "cpu_s": None}}, reasons={"": "hung"})]
    assert joined(hung).missing["power"] == "hung"


def test_a_source_that_is_switched_off() -> None:
    measured = joined([], settings=SETTINGS.model_copy(update={"gpu": None, "host": None}))
    assert measured.missing == {
        "power": "switched_off",
        "host": "switched_off",
        "telemetry.gpu": "switched_off",
        "telemetry.host": "switched_off",
    } | {
        f"memory.{path}{field}_peak_bytes": reason
        for path in ("", *(f"phases.{name}." for name in ("load", "train", "validate", "save")))
        for field, reason in {
            "torch_allocated": "no_cuda",
            "torch_reserved": "no_cuda",
            "device": "switched_off",
            "process_device": "switched_off",
            "rss": "switched_off",
            "pss": "switched_off",
        }.items()
    } | {"memory.device_before_bytes": "switched_off"}


def test_a_cell_without_phases() -> None:
    measured = joined(gpu_readings({A: flat(300.0)}), phases=())
    assert {name: measured.missing[name] for name in ("power", "memory", "host")} == {
        "power": "no_phases",
        "memory": "no_phases",
        "host": "no_phases",
    }


def test_a_hang_takes_what_came_after_it() -> None:
    before = [reading for reading in gpu_readings({A: flat(300.0)}) if reading.t_s < 16.0]
    hung = Reading("gpu", 16.0, facts={"closed": {"status": "hung", "cpu_s": None}}, reasons={"": "hung"})
    measured = joined([*before, hung])
    assert measured.power is not None
    assert measured.power.phases["load"].energy_j == 1500.0
    assert measured.missing["power.energy_j"] == measured.missing["power.phases.validate.energy_j"] == "hung"
    assert measured.missing["power.energy_counter_j"] == "hung"


def test_a_reason_that_has_gone_explains_only_its_own_time() -> None:
    readings = []
    for reading in gpu_readings({A: flat(300.0)}):
        if 5.0 < reading.t_s < 8.0:
            reading = replace(reading, values={}, reasons={"": "read_failed: Unknown Error"})
        elif 8.0 < reading.t_s < 8.1:
            reading = replace(reading, reasons={"": None})
        elif 15.5 < reading.t_s < 18.0:
            continue
        readings.append(reading)
    measured = joined(readings)
    assert measured.missing["power.phases.train.energy_integral_j"] == "read_failed: Unknown Error"
    assert measured.missing["power.phases.validate.energy_integral_j"] == "low_coverage"


def test_throttling_is_timed_by_reason() -> None:
    def board(t_s: float) -> Answer:
        slow = abs(t_s - round(t_s)) < 0.01
        reasons = ["sw_power_cap"] * (5.0 <= t_s < 10.0) + ["hw_thermal"] * (8.0 <= t_s < 12.0)
        return flat(300.0)(t_s) | ({"throttle_reasons": reasons} if slow else {})

    power = joined(gpu_readings({A: board})).power
    assert power is not None
    assert power.throttled_s == pytest.approx(7.0)
    assert power.throttled_by_s == pytest.approx({"sw_power_cap": 5.0, "hw_thermal": 4.0})
    assert power.phases["validate"].throttled_s == 0.0
    assert power.phases["validate"].throttled_by_s == {}


def test_missed_ticks_and_lateness_go_to_their_phases() -> None:
    readings = []
    for reading in gpu_readings({A: flat(300.0)}):
        if 6.0 < reading.t_s < 6.3:
            continue
        if 6.3 < reading.t_s < 6.4:
            reading = replace(reading, missed=3, late_s=0.02, t_s=reading.t_s + 0.017)
        readings.append(reading)
    power = joined(readings).power
    assert power is not None
    assert {name: phase.missed_ticks for name, phase in power.phases.items()} == {
        "load": 0,
        "train": 3,
        "validate": 0,
        "save": 0,
    }
    assert power.missed_ticks == 3
    assert power.phases["train"].lateness_s_p99 == pytest.approx(0.003)


def test_steps_that_alias_are_flagged() -> None:
    flagged = joined(gpu_readings({A: flat(300.0)}), step_time_s=0.102).power
    unknown = joined(gpu_readings({A: flat(300.0)}), step_time_s=None)
    assert flagged is not None
    assert flagged.step_time_aliases is True
    assert unknown.missing["power.step_time_aliases"] == "no_step_time"


def test_carbon_stands_beside_its_factor() -> None:
    settings = SETTINGS.model_copy(
        update={"carbon_intensity_g_per_kwh": 400.0, "carbon_intensity_source": "a yearbook"}
    )
    power = joined(gpu_readings({A: flat(300.0)}), settings=settings).power
    assert power is not None
    assert power.carbon is not None
    assert power.carbon.model_dump() == {
        "emission_g": 1.0,
        "intensity_g_per_kwh": 400.0,
        "intensity_source": "a yearbook",
    }
    nothing = joined(list(gpu_readings({A: flat(300.0)}))[:100], settings=settings)
    assert nothing.missing["power.carbon.emission_g"] == "low_coverage"


def test_memory_peaks_by_phase() -> None:
    def board(t_s: float) -> Answer:
        used = 20 if 6.95 < t_s < 7.05 else 12 if 15.0 < t_s < 19.0 else 10 if t_s > 0.0 else 1
        return {"memory_used_bytes": used * GIB, "process_memory_bytes": 0.5 * used * GIB}

    def host(t_s: float) -> dict[str, float]:
        return {"rss_bytes": 3e9 if 20.0 < t_s < 20.5 else 1e9, "pss_bytes": 8e8, "cpu_s": 1.5 * (t_s + 1.0)}

    readings = [
        *gpu_readings({A: board}, reasons={f"{A}.power_w": "not_supported"}),
        *(Reading("host", tick / 10, 0.001, values=host(tick / 10)) for tick in range(-2, 303)),
        Reading("host", 30.3, facts={"closed": {"status": "ok", "cpu_s": 0.2}}),
    ]
    measured = joined(
        readings, torch_peaks={"load": TorchPeaks(5, 6), "train": TorchPeaks(70, 80), "save": TorchPeaks(None, None)}
    )
    memory, host_use = measured.memory, measured.host
    assert memory is not None
    assert host_use is not None
    assert memory.model_dump(exclude={"phases"}) == {
        "torch_allocated_peak_bytes": 70,
        "torch_reserved_peak_bytes": 80,
        "device_peak_bytes": 20 * GIB,
        "process_device_peak_bytes": 10 * GIB,
        "rss_peak_bytes": 3_000_000_000,
        "pss_peak_bytes": 800_000_000,
        "device_before_bytes": 1 * GIB,
    }
    assert {name: phase.device_peak_bytes for name, phase in memory.phases.items()} == {
        "load": 10 * GIB,
        "train": 20 * GIB,
        "validate": 12 * GIB,
        "save": 10 * GIB,
    }
    assert memory.phases["validate"].rss_peak_bytes == 1_000_000_000
    assert measured.missing["memory.phases.save.torch_allocated_peak_bytes"] == "no_cuda"
    assert measured.missing["power"] == "not_supported"
    assert host_use.cpu_s == 45.0
    assert host_use.phases["train"].cpu_s == 30.0
    assert measured.missing["host.package_energy_j"] == "no_samples"


def test_a_long_cell_is_joined_in_a_moment() -> None:
    """Four hours at 10 Hz, most of whose readings are put into the columns directly."""
    gathered = Gathered.of(gpu_readings({A: flat(300.0)}, until_s=1.0))
    n = 4 * 3600 * 10
    times_s = [2.0 + tick / 10 for tick in range(n)]
    for field, values in (("power_w", [300.0] * n), ("energy_j", [1e6 + 300.0 * t_s for t_s in times_s])):
        gathered.gpu.columns[A, field].t_s.extend(times_s)
        gathered.gpu.columns[A, field].value.extend(values)
    phases = [
        Stretch(phase, 700.0 * k + at, 350.0) for k in range(20) for phase, at in (("train", 2), ("validate", 352))
    ]
    begun_s = time.process_time()
    measured = measure(
        gathered, phases, SETTINGS, file_bytes=1, torch_peaks={}, torch_missing="no_cuda", step_time_s=None
    )
    trace = thin(gathered, phases, SETTINGS.hz)
    took_s = time.process_time() - begun_s
    assert measured.power is not None
    assert trace is not None
    assert measured.power.phases["validate"].energy_j == 300.0 * 7000.0
    assert measured.power.energy_integral_j == 300.0 * 14000.0
    assert took_s < 1.5, "an interrupted user waits for it; reading the file again took seconds"


def test_an_incomplete_file_is_told() -> None:
    measured = joined(gpu_readings({A: flat(300.0)}), file_bytes=None)
    assert measured.missing["telemetry.file_bytes"] == "telemetry_file_incomplete"
    assert measured.power is not None
    assert measured.power.energy_j == 9000.0
