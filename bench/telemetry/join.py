"""Readings joined to phases: what the record says about power, memory and the machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bench.telemetry import Telemetry
from bench.telemetry.gather import Gathered
from bench.telemetry.power import power_section
from bench.telemetry.sections import (
    HostUse,
    Memory,
    PhaseHostUse,
    PhaseMemory,
    Power,
    Sampling,
    SourceSampling,
)
from bench.telemetry.signals import GpuSignals, HostSignals, SourceSignals
from bench.telemetry.windows import MIN_COVERAGE, Amount, Counter, Missing, Signal, Span, Spans, Stretch


class TorchPeaks(NamedTuple):
    """Peaks of torch's CUDA allocator in one phase, in bytes."""

    allocated: int | None
    reserved: int | None


@dataclass(frozen=True)
class TelemetrySections:
    """Telemetry's part of the record."""

    power: Power | None
    memory: Memory | None
    host: HostUse | None
    telemetry: Sampling
    missing: dict[str, str]
    """Dotted path, from the record's root, to the reason, for every None."""


def measure(
    gathered: Gathered,
    stretches: Sequence[Stretch],
    settings: Telemetry,
    *,
    file_bytes: int | None,
    torch_peaks: Mapping[str, TorchPeaks],
    torch_missing: str,
    step_time_s: float | None,
) -> TelemetrySections:
    """The sections of the record.

    Args:
        gathered: the readings of the whole cell.
        stretches: the phases' times, on the readings' clock; they do not overlap.
        settings: those that the readings were taken with.
        file_bytes: size of telemetry.jsonl, or None if readings are missing in it.
        torch_peaks: the peaks of each phase by torch's allocator.
        torch_missing: the reason for peaks that are missing there.
        step_time_s: median time of a training step, or None if none was timed.
    """
    gpu = GpuSignals(gathered.gpu, settings.gpu is not None, settings.hz)
    host = HostSignals(gathered.host, settings.host is not None, settings.hz)
    missing = Missing()
    sampling = missing.fill(
        Sampling,
        "telemetry",
        hz=settings.hz,
        file_bytes=Amount(file_bytes, "telemetry_file_incomplete"),
        gpu=_source_sampling("telemetry.gpu", gpu, missing),
        host=_source_sampling("telemetry.host", host, missing),
    )
    if not stretches:
        missing |= dict.fromkeys(("power", "memory", "host"), "no_phases")
        return TelemetrySections(None, None, None, sampling, dict(missing))
    spans = Spans.of(stretches, settings.idle_s)
    return TelemetrySections(
        power_section(gpu, spans, settings, step_time_s, missing),
        _memory(gpu, host, spans, torch_peaks, torch_missing, missing),
        _host(host, spans, missing),
        sampling,
        dict(missing),
    )


def _source_sampling(path: str, source: SourceSignals, missing: Missing) -> SourceSampling | None:
    if not source.on:
        missing[path] = "switched_off"
        return None
    gathered = source.gathered
    return missing.fill(
        SourceSampling,
        path,
        status=gathered.status,
        n_readings=gathered.n_readings,
        missed_ticks=gathered.n_missed,
        cpu_s=Amount(gathered.cpu_s, gathered.status, digits=9),
    )


def _memory(
    gpu: GpuSignals,
    host: HostSignals,
    spans: Spans,
    torch_peaks: Mapping[str, TorchPeaks],
    torch_missing: str,
    missing: Missing,
) -> Memory:
    def peaks(path: str, span: Span, torch: TorchPeaks) -> PhaseMemory:
        return missing.fill(
            PhaseMemory,
            path,
            torch_allocated_peak_bytes=Amount(torch.allocated, torch_missing),
            torch_reserved_peak_bytes=Amount(torch.reserved, torch_missing),
            device_peak_bytes=_followed_peak_bytes(gpu.memory, span, gpu.why_field(span, "memory_used_bytes")),
            process_device_peak_bytes=_peak_bytes(
                gpu.process_memory, span, gpu.why_field(span, "process_memory_bytes")
            ),
            rss_peak_bytes=_followed_peak_bytes(host.rss, span, host.why(span, "rss_bytes")),
            pss_peak_bytes=_peak_bytes(host.pss, span, host.why(span, "pss_bytes")),
        )

    whole = TorchPeaks(
        max((peaks.allocated for peaks in torch_peaks.values() if peaks.allocated is not None), default=None),
        max((peaks.reserved for peaks in torch_peaks.values() if peaks.reserved is not None), default=None),
    )
    return missing.fill(
        Memory,
        "memory",
        **dict(peaks("memory", spans.whole, whole)),
        device_before_bytes=_peak_bytes(gpu.memory, spans.idle, gpu.why_field(spans.idle, "memory_used_bytes")),
        phases={
            name: peaks(f"memory.phases.{name}", span, torch_peaks.get(name, TorchPeaks(None, None)))
            for name, span in spans.phases.items()
        },
    )


def _followed_peak_bytes(signal: Signal, span: Span, why: str) -> Amount:
    """The largest sample, if samples miss so little of `span` that this is its peak as far as sampling goes."""
    unknown_s = span.seconds - signal.covered_s(span)
    followed = unknown_s <= max(signal.hold_s, (1 - MIN_COVERAGE) * span.seconds)
    return _peak_bytes(signal, span, why) if followed else Amount(None, why)


def _peak_bytes(signal: Signal, span: Span, why: str) -> Amount:
    peak = signal.peak(span)
    return Amount(None if peak is None else round(peak), why)


def _host(host: HostSignals, spans: Spans, missing: Missing) -> HostUse | None:
    def use(path: str, span: Span) -> PhaseHostUse:
        def increase(counter: Counter, field: str) -> Amount:
            return counter.increase(span, host.why(span, field, otherwise=counter.unseen))

        cpu_s, package_energy_j = increase(host.cpu, "cpu_s"), increase(host.packages, "package_energy_j")
        return missing.fill(PhaseHostUse, path, cpu_s=cpu_s, package_energy_j=package_energy_j)

    if not host.on:
        missing["host"] = "switched_off"
        return None
    phases = {name: use(f"host.phases.{name}", span) for name, span in spans.phases.items()}
    return HostUse(**dict(use("host", spans.whole)), phases=phases)
