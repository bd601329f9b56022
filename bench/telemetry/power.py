"""Power and energy of the cell's devices, by phase and as a whole, for the record."""

from collections.abc import Sequence
from typing import Literal

from bench.telemetry import Telemetry
from bench.telemetry.energy import aliases, carbon_g, residual_percent, total_of
from bench.telemetry.sections import Carbon, DevicePower, PhasePower, Power
from bench.telemetry.signals import DeviceSignals, GpuSignals
from bench.telemetry.windows import Amount, Missing, Signal, Span, Spans

MIN_IDLE_S = 1.0
BUSY_PERCENT = 5
"""A device whose utilisation exceeds this before the cell is not idle."""
CONTRADICTION_PERCENT = 100.0
"""If sampled power gives more than this above the energy counter, its peak is not believable either. A sensor's own
error is about 5 %, and one that sees only a load's high half overstates it by less than this."""


def power_section(
    gpu: GpuSignals, spans: Spans, settings: Telemetry, step_time_s: float | None, missing: Missing
) -> Power | None:
    """The record's section; None if no device has given any power or energy."""
    if not any(len(device.power.t_s) or len(device.energy.t_s) for device in gpu.devices):
        return missing.noting("power", None, gpu.why_field(spans.whole, "power_w"))
    idle = _idle_power(gpu, spans.idle)
    whole = _phase_power("power", gpu, spans.whole, idle, missing)
    alias = None if step_time_s is None else aliases(step_time_s)
    return Power(
        **dict(whole),
        idle_power_w=missing.noting("power.idle_power_w", idle.rounded(), idle.reason),
        step_time_aliases=missing.noting("power.step_time_aliases", alias, "no_step_time"),
        carbon=_carbon(whole.energy_j, settings, missing),
        devices={device.uuid: _device_power(device, gpu, spans.whole, missing) for device in gpu.devices},
        phases={
            name: _phase_power(f"power.phases.{name}", gpu, span, idle, missing) for name, span in spans.phases.items()
        },
    )


def _phase_power(path: str, gpu: GpuSignals, span: Span, idle: Amount, missing: Missing) -> PhasePower:
    def noting(field: str, amount: Amount) -> float | None:
        return missing.noting(f"{path}.{field}", amount.rounded(), amount.reason)

    integral = gpu.power.integral(span, gpu.why_field(span, "power_w", otherwise=_unseen(gpu.power)))
    counter = _sum([_counted(device, gpu, span) for device in gpu.devices])
    covered_s = gpu.power.covered_s(span)
    method: Literal["counter", "integral"] | None
    if counter.value is not None:
        energy, method, mean = counter, "counter", Amount(counter.value / span.seconds)
    elif integral.value is not None:
        energy, method, mean = integral, "integral", Amount(integral.value / covered_s)
    else:
        energy, method, mean = integral, None, integral
    throttled = gpu.throttled.integral(span, gpu.why_field(span, "throttle_reasons", otherwise=_unseen(gpu.throttled)))
    return PhasePower(
        seconds=round(span.seconds, 6),
        energy_j=noting("energy_j", energy),
        energy_method=missing.noting(f"{path}.energy_method", method, energy.reason),
        energy_counter_j=noting("energy_counter_j", counter),
        energy_integral_j=noting("energy_integral_j", integral),
        residual_percent=noting("residual_percent", _residual(integral, counter)),
        mean_power_w=noting("mean_power_w", mean),
        peak_sampled_power_w=noting("peak_sampled_power_w", _peak(gpu.power, span, integral, counter)),
        net_energy_j=noting("net_energy_j", _net(energy, idle, span)),
        n_samples=gpu.power.count(span),
        coverage=round(gpu.power.coverage(span), 4),
        worst_gap_s=round(gpu.power.worst_gap_s(span), 6),
        lateness_s_p99=missing.noting(f"{path}.lateness_s_p99", gpu.lateness_s_p99(span), gpu.why(span)),
        missed_ticks=gpu.missed_ticks(span),
        throttled_s=noting("throttled_s", throttled),
        throttled_by_s=missing.noting(
            f"{path}.throttled_by_s",
            None if throttled.value is None else _throttled_by(gpu, span),
            throttled.reason,
        ),
    )


def _counted(device: DeviceSignals, gpu: GpuSignals, span: Span) -> Amount:
    """Energy by the device's own counter."""
    if span.too_short:
        return Amount(None, "too_short")
    otherwise = "low_coverage" if len(device.energy.t_s) else "no_samples"
    counted = device.energy.increase(span, gpu.why(span, device.uuid, f"{device.uuid}.energy_j", otherwise=otherwise))
    # A board that is on uses energy, so a counter that stands still does not work.
    return Amount(None, "counter_stuck") if counted.value == 0 else counted


def _sum(parts: Sequence[Amount]) -> Amount:
    """The sum, or the first reason why a part of it is missing."""
    reason = next((part.reason for part in parts if part.value is None), "")
    return Amount(total_of([part.value for part in parts]), reason)


def _residual(integral: Amount, counter: Amount) -> Amount:
    if integral.value is None or counter.value is None:
        return Amount(None, counter.reason or integral.reason)
    return Amount(residual_percent(integral.value, counter.value))


def _peak(power: Signal, span: Span, integral: Amount, counter: Amount) -> Amount:
    """Largest sample, if power is known well enough for its integral and the energy counter does not contradict it."""
    if integral.value is None:
        return integral
    residual = _residual(integral, counter).value
    if residual is not None and residual > CONTRADICTION_PERCENT:
        return Amount(None, "contradicts_counter")
    return Amount(power.peak(span))


def _net(energy: Amount, idle: Amount, span: Span) -> Amount:
    if energy.value is None or idle.value is None:
        return Amount(None, energy.reason or idle.reason)
    return Amount(energy.value - idle.value * span.seconds)


def _throttled_by(gpu: GpuSignals, span: Span) -> dict[str, float]:
    seconds = {name: round(signal.sum(span), 3) for name, signal in gpu.throttled_by.items()}
    return {name: duration for name, duration in seconds.items() if duration > 0}


def _idle_power(gpu: GpuSignals, idle: Span) -> Amount:
    """Mean power right before the first phase."""
    covered_s = gpu.power.covered_s(idle)
    if covered_s < MIN_IDLE_S:
        return Amount(None, gpu.why_field(idle, "power_w", otherwise="too_short"))
    if (gpu.utilisation.peak(idle) or 0.0) > BUSY_PERCENT:
        return Amount(None, "gpu_busy")
    return Amount(gpu.power.sum(idle) / covered_s)


def _carbon(energy_j: float | None, settings: Telemetry, missing: Missing) -> Carbon | None:
    intensity, source = settings.carbon_intensity_g_per_kwh, settings.carbon_intensity_source
    if intensity is None or source is None:
        return missing.noting("power.carbon", None, "intensity_not_set")
    emission_g = None if energy_j is None else round(carbon_g(energy_j, intensity), 3)
    return Carbon(
        emission_g=missing.noting("power.carbon.emission_g", emission_g, missing.get("power.energy_j", "")),
        intensity_g_per_kwh=intensity,
        intensity_source=source,
    )


def _device_power(device: DeviceSignals, gpu: GpuSignals, whole: Span, missing: Missing) -> DevicePower:
    path, facts = f"power.devices.{device.uuid}", device.facts
    no_power = gpu.why(whole, device.uuid, f"{device.uuid}.power_w", otherwise=_unseen(device.power))
    integral = device.power.integral(whole, no_power)
    counter = _counted(device, gpu, whole)

    def noting(field: str, amount: Amount) -> float | None:
        return missing.noting(f"{path}.{field}", amount.rounded(), amount.reason)

    return DevicePower(
        name=missing.noting(f"{path}.name", facts.get("name"), "gpu_lost"),
        power_reading=missing.noting(f"{path}.power_reading", facts.get("power_reading"), no_power),
        power_limit_w=missing.noting(f"{path}.power_limit_w", facts.get("power_limit_w"), "not_supported"),
        energy_counter_j=noting("energy_counter_j", counter),
        energy_integral_j=noting("energy_integral_j", integral),
        peak_sampled_power_w=noting("peak_sampled_power_w", _peak(device.power, whole, integral, counter)),
    )


def _unseen(signal: Signal) -> str:
    """The reason if a source does not say why there is too little of a signal."""
    return "low_coverage" if len(signal.t_s) else "no_samples"
