"""Power and energy of the cell's devices, by phase and as a whole, for the record."""

import math
from typing import Any

from bench.telemetry import Telemetry
from bench.telemetry.amount import Amount, MissingReasons, combine, rounded
from bench.telemetry.energy import aliases, carbon_g, residual_percent
from bench.telemetry.sections import Carbon, DevicePower, PhasePower, Power
from bench.telemetry.signals import Device, GpuSignals
from bench.telemetry.windows import Signal, Span, Spans

MIN_IDLE_S = 1.0
BUSY_PERCENT = 5
"""A device whose utilisation exceeds this before the cell is not idle."""
CONTRADICTION_PERCENT = 100.0
"""If sampled power gives more than this above the energy counter, its peak is not believable either. A sensor's own
error is about 5 %, and one that sees only a load's high half overstates it by less than this."""


def power_section(
    gpu: GpuSignals, spans: Spans, settings: Telemetry, step_time_s: float | None, missing: MissingReasons
) -> Power | None:
    """The record's section; None if no device has given any power or energy."""
    if not any(len(device.power.t_s) or len(device.energy.t_s) for device in gpu.devices.values()):
        missing["power"] = gpu.power.unknown(spans.whole).reason
        return None
    idle = _idle_power(gpu, spans.idle)
    whole = _figures(gpu, spans.whole, idle)
    return missing.fill(
        Power,
        "power",
        **whole,
        idle_power_w=idle,
        step_time_aliases=combine(aliases, Amount(step_time_s, "no_step_time")),
        carbon=_carbon(whole["energy_j"], settings, missing),
        devices={
            uuid: missing.fill(DevicePower, f"power.devices.{uuid}", **_device_figures(device, spans.whole))
            for uuid, device in gpu.devices.items()
        },
        phases={
            name: missing.fill(PhasePower, f"power.phases.{name}", **_figures(gpu, span, idle))
            for name, span in spans.phases.items()
        },
    )


def _figures(gpu: GpuSignals, span: Span, idle: Amount) -> dict[str, Any]:
    integral = gpu.power.integral(span)
    counter = combine(lambda *parts: math.fsum(parts), *(_counted(device, span) for device in gpu.devices.values()))
    energy, method = (integral, "integral") if counter.value is None else (counter, "counter")
    throttled = gpu.throttled.integral(span)
    return {
        "seconds": Amount(span.seconds),
        "energy_j": energy,
        "energy_method": combine(lambda _: method, energy),
        "energy_counter_j": counter,
        "energy_integral_j": integral,
        "residual_percent": _residual(integral, counter),
        "mean_power_w": combine(lambda energy_j: energy_j / span.seconds, energy),
        "peak_sampled_power_w": _peak(gpu.power, span, integral, counter),
        "net_energy_j": combine(lambda energy_j, idle_w: energy_j - idle_w * span.seconds, energy, idle),
        "n_samples": span.count(gpu.power.t_s),
        "coverage": Amount(gpu.power.coverage(span)),
        "worst_gap_s": Amount(gpu.power.worst_gap_s(span)),
        "lateness_s_p99": gpu.lateness_s_p99(span),
        "missed_ticks": gpu.missed_ticks(span),
        "throttled_s": throttled,
        "throttled_by_s": combine(lambda _: _throttled_by(gpu, span), throttled),
    }


def _device_figures(device: Device, whole: Span) -> dict[str, Any]:
    integral, counter = device.power.integral(whole), _counted(device, whole)
    return {
        "name": Amount(device.facts.get("name"), "gpu_lost"),
        "power_reading": Amount(device.facts.get("power_reading"), device.power.unknown(whole).reason),
        "power_limit_w": Amount(device.facts.get("power_limit_w"), "not_supported"),
        "energy_counter_j": counter,
        "energy_integral_j": integral,
        "peak_sampled_power_w": _peak(device.power, whole, integral, counter),
    }


def _counted(device: Device, span: Span) -> Amount:
    """Energy by the device's own counter."""
    if span.too_short:
        return Amount(None, "too_short")
    counted = device.energy.increase(span)
    # A board that is on uses energy, so a counter that stands still does not work.
    return Amount(None, "counter_stuck") if counted.value == 0 else counted


def _residual(integral: Amount, counter: Amount) -> Amount:
    return combine(lambda counter_j, integral_j: residual_percent(integral_j, counter_j), counter, integral)


def _peak(power: Signal, span: Span, integral: Amount, counter: Amount) -> Amount:
    """Largest sample, if power is known well enough for its integral and the energy counter does not contradict it."""
    if integral.value is None:
        return integral
    if (_residual(integral, counter).value or 0.0) > CONTRADICTION_PERCENT:
        return Amount(None, "contradicts_counter")
    return power.peak(span)


def _throttled_by(gpu: GpuSignals, span: Span) -> dict[str, float]:
    seconds = {name: signal.integral(span).value for name, signal in gpu.throttled_by.items()}
    return {name: rounded(throttled_s) for name, throttled_s in seconds.items() if throttled_s > 0}


def _idle_power(gpu: GpuSignals, idle: Span) -> Amount:
    """Mean power right before the first phase."""
    if gpu.power.covered_s(idle) < MIN_IDLE_S:
        return Amount(None, gpu.power.why(idle) or "too_short")
    if (gpu.utilisation.peak(idle).value or 0.0) > BUSY_PERCENT:
        return Amount(None, "gpu_busy")
    return Amount(gpu.power.mean(idle))


def _carbon(energy: Amount, settings: Telemetry, missing: MissingReasons) -> Carbon | None:
    intensity, source = settings.carbon_intensity_g_per_kwh, settings.carbon_intensity_source
    if intensity is None or source is None:
        missing["power.carbon"] = "intensity_not_set"
        return None
    return missing.fill(
        Carbon,
        "power.carbon",
        emission_g=combine(lambda energy_j: carbon_g(energy_j, intensity), energy),
        intensity_g_per_kwh=intensity,
        intensity_source=source,
    )
