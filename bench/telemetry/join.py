"""Readings joined to phases: what the record says about power, memory and the machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bench.telemetry import Telemetry
from bench.telemetry.amount import Amount, MissingReasons, combine
from bench.telemetry.gather import Gathered
from bench.telemetry.power import power_section
from bench.telemetry.sections import HostUse, Memory, PhaseHostUse, PhaseMemory, Power, Sampling, SourceSampling
from bench.telemetry.signals import GpuSignals, HostSignals, SourceSignals
from bench.telemetry.windows import Span, Spans, Stretch


class TorchPeaks(NamedTuple):
    """Peaks of torch's CUDA allocator in one phase, in bytes, summed over the cell's GPUs."""

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
    gpu = GpuSignals(gathered.gpu, settings.hz, settings.gpu is not None)
    host = HostSignals(gathered.host, settings.hz, settings.host is not None)
    missing = MissingReasons()
    sampling = missing.fill(
        Sampling,
        "telemetry",
        hz=settings.hz,
        file_bytes=Amount(file_bytes, "telemetry_file_incomplete"),
        gpu=_source_sampling("telemetry.gpu", gpu, missing),
        host=_source_sampling("telemetry.host", host, missing),
        shared_board=gpu.shared_boards(),
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


def _source_sampling(path: str, source: SourceSignals, missing: MissingReasons) -> SourceSampling | None:
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
        cpu_s=Amount(gathered.cpu_s, gathered.status),
    )


def _memory(
    gpu: GpuSignals,
    host: HostSignals,
    spans: Spans,
    torch_peaks: Mapping[str, TorchPeaks],
    torch_missing: str,
    missing: MissingReasons,
) -> Memory:
    def peaks(span: Span, torch: Sequence[TorchPeaks]) -> dict[str, Amount]:
        allocated = max((peak.allocated for peak in torch if peak.allocated is not None), default=None)
        reserved = max((peak.reserved for peak in torch if peak.reserved is not None), default=None)
        return {
            "torch_allocated_peak_bytes": Amount(allocated, torch_missing),
            "torch_reserved_peak_bytes": Amount(reserved, torch_missing),
            "device_peak_bytes": combine(round, gpu.memory.followed_peak(span)),
            "process_device_peak_bytes": combine(round, gpu.process_memory.peak(span)),
            "rss_peak_bytes": combine(round, host.rss.followed_peak(span)),
            "pss_peak_bytes": combine(round, host.pss.peak(span)),
        }

    return missing.fill(
        Memory,
        "memory",
        **peaks(spans.whole, list(torch_peaks.values())),
        device_before_bytes=combine(round, gpu.memory.peak(spans.idle)),
        phases={
            name: missing.fill(
                PhaseMemory,
                f"memory.phases.{name}",
                **peaks(span, [torch_peaks[name]] if name in torch_peaks else []),
            )
            for name, span in spans.phases.items()
        },
    )


def _host(host: HostSignals, spans: Spans, missing: MissingReasons) -> HostUse | None:
    def use(span: Span) -> dict[str, Amount]:
        return {"cpu_s": host.cpu.increase(span), "package_energy_j": host.packages.increase(span)}

    if not host.on:
        missing["host"] = "switched_off"
        return None
    phases = {
        name: missing.fill(PhaseHostUse, f"host.phases.{name}", **use(span)) for name, span in spans.phases.items()
    }
    return missing.fill(HostUse, "host", **use(spans.whole), phases=phases)
