"""Power and energy of the cell's devices, by phase and as a whole, for the record."""

from collections.abc import Sequence

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
        missing["power"] = gpu.why_field(spans.whole, "power_w")
        return None
    idle = _idle_power(gpu, spans.idle)
    whole = _phase_power("power", gpu, spans.whole, idle, missing)
    return missing.fill(
        Power,
        "power",
        **dict(whole),
        idle_power_w=idle,
        step_time_aliases=Amount(None if step_time_s is None else aliases(step_time_s), "no_step_time"),
        carbon=_carbon(whole.energy_j, settings, missing),
        devices={device.uuid: _device_power(device, gpu, spans.whole, missing) for device in gpu.devices},
        phases={
            name: _phase_power(f"power.phases.{name}", gpu, span, idle, missing) for name, span in spans.phases.items()
        },
    )


def _phase_power(path: str, gpu: GpuSignals, span: Span, idle: Amount, missing: Missing) -> PhasePower:
    integral = gpu.power.integral(span, gpu.why_field(span, "power_w", otherwise=gpu.power.unseen))
    counter = _sum([_counted(device, gpu, span) for device in gpu.devices])
    if counter.value is not None:
        energy, method, mean = counter, "counter", Amount(counter.value / span.seconds)
    elif integral.value is not None:
        energy, method, mean = integral, "integral", Amount(integral.value / gpu.power.covered_s(span))
    else:
        energy, method, mean = integral, None, integral
    throttled = gpu.throttled.integral(span, gpu.why_field(span, "throttle_reasons", otherwise=gpu.throttled.unseen))
    throttled_by = None if throttled.value is None else _throttled_by(gpu, span)
    return missing.fill(
        PhasePower,
        path,
        seconds=round(span.seconds, 6),
        energy_j=energy,
        energy_method=Amount(method, energy.reason),
        energy_counter_j=counter,
        energy_integral_j=integral,
        residual_percent=_residual(integral, counter),
        mean_power_w=mean,
        peak_sampled_power_w=_peak(gpu.power, span, integral, counter),
        net_energy_j=_net(energy, idle, span),
        n_samples=gpu.power.count(span),
        coverage=round(gpu.power.coverage(span), 4),
        worst_gap_s=round(gpu.power.worst_gap_s(span), 6),
        lateness_s_p99=Amount(gpu.lateness_s_p99(span), gpu.why(span), digits=6),
        missed_ticks=gpu.missed_ticks(span),
        throttled_s=throttled,
        throttled_by_s=Amount(throttled_by, throttled.reason),
    )


def _counted(device: DeviceSignals, gpu: GpuSignals, span: Span) -> Amount:
    """Energy by the device's own counter."""
    if span.too_short:
        return Amount(None, "too_short")
    low = gpu.why(span, device.uuid, f"{device.uuid}.energy_j", otherwise=device.energy.unseen)
    counted = device.energy.increase(span, low)
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
        missing["power.carbon"] = "intensity_not_set"
        return None
    emission_g = None if energy_j is None else carbon_g(energy_j, intensity)
    return missing.fill(
        Carbon,
        "power.carbon",
        emission_g=Amount(emission_g, missing.get("power.energy_j", "")),
        intensity_g_per_kwh=intensity,
        intensity_source=source,
    )


def _device_power(device: DeviceSignals, gpu: GpuSignals, whole: Span, missing: Missing) -> DevicePower:
    no_power = gpu.why(whole, device.uuid, f"{device.uuid}.power_w", otherwise=device.power.unseen)
    integral, counter = device.power.integral(whole, no_power), _counted(device, gpu, whole)
    return missing.fill(
        DevicePower,
        f"power.devices.{device.uuid}",
        name=Amount(device.facts.get("name"), "gpu_lost"),
        power_reading=Amount(device.facts.get("power_reading"), no_power),
        power_limit_w=Amount(device.facts.get("power_limit_w"), "not_supported"),
        energy_counter_j=counter,
        energy_integral_j=integral,
        peak_sampled_power_w=_peak(device.power, whole, integral, counter),
    )
