"""Readings joined to phases: what the record says about power, memory and the machine."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

from bench.telemetry import Telemetry
from bench.telemetry.energy import aliases, carbon_g, residual_percent, total_of
from bench.telemetry.gather import Device, Gathered, Gpu, Host
from bench.telemetry.reading import Reading
from bench.telemetry.sections import (
    Carbon,
    DevicePower,
    HostUse,
    Memory,
    PhaseHostUse,
    PhaseMemory,
    PhasePower,
    Power,
    Sampling,
    SourceSampling,
)
from bench.telemetry.windows import Counter, Group, Signal, Stretch, Windows

T = TypeVar("T")

MIN_COVERAGE = 0.95
"""Where samples stand for less of a phase than this, its power is unknown. The sensor's own error is about 5 %."""
MIN_SECONDS = 2.0
"""Power of a phase whose stretches are shorter than this on average is mostly that of its neighbours."""
MIN_IDLE_S = 1.0
BUSY_PERCENT = 5
"""A device that is used more than this before the cell is not idle."""


class TorchPeaks(NamedTuple):
    """Peaks of torch's CUDA allocator in one phase, in bytes."""

    allocated: int | None
    reserved: int | None


@dataclass(frozen=True)
class Measured:
    """Telemetry's part of the record."""

    power: Power | None
    memory: Memory | None
    host: HostUse | None
    telemetry: Sampling
    missing: dict[str, str]
    """Dotted path, from the record's root, to the reason, for every null."""


def measure(
    readings: Iterable[Reading],
    stretches: Sequence[Stretch],
    settings: Telemetry,
    *,
    file_bytes: int | None,
    torch_peaks: Mapping[str, TorchPeaks],
    torch_missing: str,
    step_time_s: float | None,
) -> Measured:
    """The sections of the record, from one pass over `readings` in bounded memory.

    Args:
        readings: of the whole cell, in the order taken for each source.
        stretches: the phases' times, on the readings' clock; they exclude each other.
        settings: those that the readings were taken with.
        file_bytes: size of telemetry.jsonl, None if readings are missing in it.
        torch_peaks: what torch's allocator says of each phase.
        torch_missing: the reason where it says nothing.
        step_time_s: median time of a training step, None if none was timed.
    """
    windows = Windows(stretches, settings.idle_s)
    gpu, host = Gpu(settings.gpu, windows, settings.hz), Host(settings.host, windows, settings.hz)
    for reading in readings:
        (gpu if reading.role == "gpu" else host).add(reading)
    gpu.finish()
    host.finish()
    missing = _Missing()
    sampling = Sampling(
        hz=settings.hz,
        file_bytes=missing.noting("telemetry.file_bytes", file_bytes, "telemetry_file_incomplete"),
        gpu=_source_sampling(gpu, missing),
        host=_source_sampling(host, missing),
    )
    if not stretches:
        missing |= dict.fromkeys(("power", "memory", "host"), "no_phases")
        return Measured(None, None, None, sampling, dict(missing))
    return Measured(
        _power(gpu, settings, step_time_s, missing),
        _memory(gpu, host, torch_peaks, torch_missing, missing),
        _host(host, missing),
        sampling,
        dict(missing),
    )


class _Missing(dict[str, str]):
    """Dotted path to reason."""

    def noting(self, path: str, value: T | None, reason: str) -> T | None:
        """`value`; if it is None, with its reason noted."""
        if value is None:
            self[path] = reason
        return value


@dataclass(frozen=True)
class _Amount:
    """A number, or why there is none."""

    value: float | None
    reason: str = ""

    def rounded(self) -> float | None:
        """To a thousandth of its unit, which is as far as sensors resolve."""
        return None if self.value is None else round(self.value, 3)


def _power(gpu: Gpu, settings: Telemetry, step_time_s: float | None, missing: _Missing) -> Power | None:
    whole = gpu.windows.whole
    if all(device.power.empty for device in gpu.devices.values()):
        return missing.noting("power", None, gpu.why_field(whole, "power_w"))
    idle = _idle_power(gpu)
    total = _phase_power("power", gpu, whole, idle, missing)
    alias = None if step_time_s is None else aliases(step_time_s)
    return Power(
        **dict(total),
        idle_power_w=missing.noting("power.idle_power_w", idle.rounded(), idle.reason),
        step_time_aliases=missing.noting("power.step_time_aliases", alias, "no_step_time"),
        carbon=_carbon(total.energy_j, settings, missing),
        devices={uuid: _device_power(uuid, device, gpu, missing) for uuid, device in gpu.devices.items()},
        phases={
            name: _phase_power(f"power.phases.{name}", gpu, group, idle, missing)
            for name, group in gpu.windows.phases.items()
        },
    )


def _phase_power(path: str, gpu: Gpu, group: Group, idle: _Amount, missing: _Missing) -> PhasePower:
    def noting(field: str, amount: _Amount) -> float | None:
        return missing.noting(f"{path}.{field}", amount.rounded(), amount.reason)

    low = gpu.why_field(group, "power_w", otherwise=_unseen(gpu.power))
    integral = _integral(gpu.power, group, low)
    counter = _sum([_counted(uuid, device, gpu, group) for uuid, device in gpu.devices.items()])
    covered_s = group.sum(gpu.power.covered_s)
    method: Literal["counter", "integral"] | None
    if counter.value is not None:
        energy, method, mean = counter, "counter", _Amount(counter.value / group.seconds)
    elif integral.value is not None:
        energy, method, mean = integral, "integral", _Amount(integral.value / covered_s)
    else:
        energy, method, mean = integral, None, integral
    throttled = _integral(gpu.throttled, group, gpu.why_field(group, "event_reasons", otherwise=_unseen(gpu.throttled)))
    return PhasePower(
        seconds=round(group.seconds, 6),
        energy_j=noting("energy_j", energy),
        energy_method=missing.noting(f"{path}.energy_method", method, energy.reason),
        energy_counter_j=noting("energy_counter_j", counter),
        energy_integral_j=noting("energy_integral_j", integral),
        residual_percent=noting("residual_percent", _residual(integral, counter)),
        mean_power_w=noting("mean_power_w", mean),
        peak_sampled_power_w=noting("peak_sampled_power_w", _peak_power(gpu.power, group, integral)),
        net_energy_j=noting("net_energy_j", _net(energy, idle, group)),
        n_samples=round(group.sum(gpu.power.count)),
        coverage=round(_share(covered_s, group), 4),
        worst_gap_s=round(group.max(gpu.power.worst_gap_s), 6),
        lateness_s_p99=missing.noting(
            f"{path}.lateness_s_p99", gpu.lateness.p99_s(group), gpu.why(group, otherwise="no_samples")
        ),
        missed_ticks=gpu.lateness.missed(group),
        throttled_s=noting("throttled_s", throttled),
        throttled_by_s=missing.noting(
            f"{path}.throttled_by_s",
            None if throttled.value is None else _durations(gpu.throttled_by, group),
            throttled.reason,
        ),
    )


def _integral(signal: Signal, group: Group, low: str) -> _Amount:
    """Integral of `signal`; `low` is the reason where too little of it is known."""
    if _too_short(group):
        return _Amount(None, "too_short")
    if _share(group.sum(signal.covered_s), group) < MIN_COVERAGE:
        return _Amount(None, low)
    return _Amount(group.sum(signal.integral))


def _increase(counter: Counter, group: Group, low: str) -> _Amount:
    """What `counter` rose by; `low` is the reason where too little of it is known."""
    if fault := counter.fault(group):
        return _Amount(None, fault)
    if _share(group.sum(counter.covered_s), group) < MIN_COVERAGE:
        return _Amount(None, low)
    return _Amount(group.sum(counter.increase))


def _counted(uuid: str, device: Device, gpu: Gpu, group: Group) -> _Amount:
    """Energy by the device's own counter."""
    if _too_short(group):
        return _Amount(None, "too_short")
    increase = _increase(
        device.energy, group, gpu.why(group, uuid, f"{uuid}.energy_j", otherwise=_unseen(device.energy))
    )
    # A board that is on uses energy, so a counter that stands still is no counter.
    return _Amount(None, "counter_stuck") if increase.value == 0 else increase


def _sum(parts: Sequence[_Amount]) -> _Amount:
    """The sum, or the first reason why a part of it is missing."""
    reason = next((part.reason for part in parts if part.value is None), "")
    return _Amount(total_of([part.value for part in parts]), reason)


def _residual(integral: _Amount, counter: _Amount) -> _Amount:
    if integral.value is None or counter.value is None:
        return _Amount(None, counter.reason or integral.reason)
    return _Amount(residual_percent(integral.value, counter.value))


def _net(energy: _Amount, idle: _Amount, group: Group) -> _Amount:
    if energy.value is None or idle.value is None:
        return _Amount(None, energy.reason or idle.reason)
    return _Amount(energy.value - idle.value * group.seconds)


def _peak_power(power: Signal, group: Group, integral: _Amount) -> _Amount:
    """Largest sample where power is known well enough for its integral."""
    return integral if integral.value is None else _Amount(group.max(power.peak))


def _durations(signals: Mapping[str, Signal], group: Group) -> dict[str, float]:
    seconds = {name: round(group.sum(signal.integral), 3) for name, signal in signals.items()}
    return {name: duration for name, duration in seconds.items() if duration > 0}


def _idle_power(gpu: Gpu) -> _Amount:
    """Mean power right before the first phase."""
    idle = gpu.windows.idle
    covered_s = idle.sum(gpu.power.covered_s)
    if covered_s < MIN_IDLE_S:
        return _Amount(None, gpu.why_field(idle, "power_w", otherwise="too_short"))
    if idle.max(gpu.utilisation.peak) > BUSY_PERCENT:
        return _Amount(None, "gpu_busy")
    return _Amount(idle.sum(gpu.power.integral) / covered_s)


def _carbon(energy_j: float | None, settings: Telemetry, missing: _Missing) -> Carbon | None:
    intensity, source = settings.carbon_intensity_g_per_kwh, settings.carbon_intensity_source
    if intensity is None or source is None:
        return missing.noting("power.carbon", None, "intensity_not_set")
    emission_g = None if energy_j is None else round(carbon_g(energy_j, intensity), 3)
    return Carbon(
        emission_g=missing.noting("power.carbon.emission_g", emission_g, missing.get("power.energy_j", "")),
        intensity_g_per_kwh=intensity,
        intensity_source=source,
    )


def _device_power(uuid: str, device: Device, gpu: Gpu, missing: _Missing) -> DevicePower:
    path, whole = f"power.devices.{uuid}", gpu.windows.whole
    no_power = gpu.why(whole, uuid, f"{uuid}.power_w", otherwise=_unseen(device.power))
    integral = _integral(device.power, whole, no_power)
    counter = _counted(uuid, device, gpu, whole)
    peak = _peak_power(device.power, whole, integral)

    def noting(field: str, amount: _Amount) -> float | None:
        return missing.noting(f"{path}.{field}", amount.rounded(), amount.reason)

    return DevicePower(
        name=missing.noting(f"{path}.name", device.facts.get("name"), "gpu_lost"),
        power_reading=missing.noting(f"{path}.power_reading", device.facts.get("power_reading"), no_power),
        power_limit_w=missing.noting(f"{path}.power_limit_w", device.facts.get("power_limit_w"), "not_supported"),
        energy_counter_j=noting("energy_counter_j", counter),
        energy_integral_j=noting("energy_integral_j", integral),
        peak_sampled_power_w=noting("peak_sampled_power_w", peak),
    )


def _memory(
    gpu: Gpu, host: Host, torch_peaks: Mapping[str, TorchPeaks], torch_missing: str, missing: _Missing
) -> Memory:
    windows = gpu.windows
    whole = TorchPeaks(
        _largest([peaks.allocated for peaks in torch_peaks.values()]),
        _largest([peaks.reserved for peaks in torch_peaks.values()]),
    )
    nothing = TorchPeaks(None, None)
    before = _peak_bytes(gpu.memory, windows.idle)
    return Memory(
        **dict(_phase_memory("memory", gpu, host, windows.whole, whole, torch_missing, missing)),
        device_before_bytes=missing.noting(
            "memory.device_before_bytes", before, gpu.why_field(windows.idle, "memory_used_bytes")
        ),
        phases={
            name: _phase_memory(
                f"memory.phases.{name}", gpu, host, group, torch_peaks.get(name, nothing), torch_missing, missing
            )
            for name, group in windows.phases.items()
        },
    )


def _phase_memory(
    path: str, gpu: Gpu, host: Host, group: Group, torch: TorchPeaks, torch_missing: str, missing: _Missing
) -> PhaseMemory:
    def noting(field: str, peak: int | None, reason: str) -> int | None:
        return missing.noting(f"{path}.{field}", peak, reason)

    return PhaseMemory(
        torch_allocated_peak_bytes=noting("torch_allocated_peak_bytes", torch.allocated, torch_missing),
        torch_reserved_peak_bytes=noting("torch_reserved_peak_bytes", torch.reserved, torch_missing),
        device_peak_bytes=noting(
            "device_peak_bytes",
            _peak_bytes(gpu.memory, group) if _followed(gpu.memory, group, gpu.hold_s) else None,
            gpu.why_field(group, "memory_used_bytes"),
        ),
        process_device_peak_bytes=noting(
            "process_device_peak_bytes",
            _peak_bytes(gpu.process_memory, group),
            gpu.why_field(group, "process_memory_bytes"),
        ),
        rss_peak_bytes=noting(
            "rss_peak_bytes",
            _peak_bytes(host.rss, group) if _followed(host.rss, group, host.hold_s) else None,
            host.why(group, "rss_bytes"),
        ),
        pss_peak_bytes=noting("pss_peak_bytes", _peak_bytes(host.pss, group), host.why(group, "pss_bytes")),
    )


def _followed(signal: Signal, group: Group, hold_s: float) -> bool:
    """Whether samples miss so little of `group` that their peak is its peak as far as sampling goes."""
    unknown_s = group.seconds - group.sum(signal.covered_s)
    return unknown_s <= max(hold_s, (1 - MIN_COVERAGE) * group.seconds)


def _peak_bytes(signal: Signal, group: Group) -> int | None:
    return round(group.max(signal.peak)) if group.sum(signal.count) else None


def _largest(values: Sequence[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _host(host: Host, missing: _Missing) -> HostUse | None:
    if host.source is None:
        return missing.noting("host", None, "switched_off")
    windows = host.windows
    return HostUse(
        **dict(_phase_host("host", host, windows.whole, missing)),
        phases={
            name: _phase_host(f"host.phases.{name}", host, group, missing) for name, group in windows.phases.items()
        },
    )


def _phase_host(path: str, host: Host, group: Group, missing: _Missing) -> PhaseHostUse:
    cpu = _increase(host.cpu, group, host.why(group, "cpu_s", otherwise=_unseen(host.cpu)))
    packages = _increase(host.packages, group, host.why(group, "package_energy_j", otherwise=_unseen(host.packages)))
    return PhaseHostUse(
        cpu_s=missing.noting(f"{path}.cpu_s", cpu.rounded(), cpu.reason),
        package_energy_j=missing.noting(f"{path}.package_energy_j", packages.rounded(), packages.reason),
    )


def _source_sampling(gathered: Gathered, missing: _Missing) -> SourceSampling | None:
    path = f"telemetry.{gathered.role}"
    if gathered.source is None:
        return missing.noting(path, None, "switched_off")
    return SourceSampling(
        status=gathered.status,
        n_readings=gathered.n_readings,
        missed_ticks=gathered.n_missed,
        cpu_s=missing.noting(f"{path}.cpu_s", gathered.cpu_s, gathered.status),
    )


def _unseen(stream: Signal | Counter) -> str:
    """The reason where a source says nothing of why there is too little of it."""
    return "no_samples" if stream.empty else "low_coverage"


def _share(covered_s: float, group: Group) -> float:
    return min(1.0, covered_s / group.seconds) if group.seconds > 0 else 0.0


def _too_short(group: Group) -> bool:
    return group.seconds < MIN_SECONDS * len(group.members) - 1e-6
