"""The quantities that only the tables of costs show."""

from collections.abc import Callable
from dataclasses import replace

from bench.record import LatencyAtBatch, Training
from bench.report.compare.quantities import (
    ENERGY,
    GIGA,
    KILO,
    MEGA,
    PEAK_POWER,
    STEP_SECONDS,
    THROUGHPUT,
    TRAIN_ENERGY,
    Quantity,
    within,
)
from bench.report.numbers import Show, fixed, significant
from bench.report.read.cells import StoredCell
from bench.telemetry.sections import PhaseMemory, Power

MILLI, PERCENT = 1e3, 1e2
"""Factors from a unit to the one that is called so."""


def _power(name: str, title: str, get: Callable[[Power], float | None], unit: str = "W", scale: float = 1) -> Quantity:
    return Quantity(f"power.{name}", title, within(lambda cell: cell.record.power, get), unit, scale, fixed(1))


def _training(name: str, title: str, get: Callable[[Training], float | None], unit: str, show: Show) -> Quantity:
    return Quantity(f"training.{name}", title, within(lambda cell: cell.record.training, get), unit, show=show)


def phase_seconds(phase: str) -> Quantity:
    """The time of one phase."""
    title = phase.capitalize()
    return Quantity(f"phase_seconds.{phase}", title, lambda cell: cell.phase_seconds.get(phase), "s", show=fixed(1))


CPU_SECONDS = Quantity(
    "host.cpu_s", "CPU time", lambda cell: cell.record.host and cell.record.host.cpu_s, "s", show=fixed(1)
)
ENERGIES = (
    ENERGY,
    TRAIN_ENERGY,
    Quantity(
        "train_energy_j_per_1000_tokens",
        "Energy per 1,000 training tokens",
        lambda cell: cell.train_energy_j_per_1000_tokens,
        "J",
    ),
    replace(_power("net_energy_j", "Net energy", lambda power: power.net_energy_j, "kJ", KILO), show=significant(4)),
    _power("idle_power_w", "Idle power", lambda power: power.idle_power_w),
    _power("mean_power_w", "Mean power", lambda power: power.mean_power_w),
    replace(PEAK_POWER, title="Peak sampled power", show=fixed(1)),
    _power("coverage", "Coverage", lambda power: power.coverage, "%", PERCENT),
    _power("residual_percent", "Residual", lambda power: power.residual_percent, "%"),
    _power("throttled_s", "Throttled", lambda power: power.throttled_s, "s"),
    Quantity(
        "host.package_energy_j",
        "CPU energy",
        lambda cell: cell.record.host and cell.record.host.package_energy_j,
        "kJ",
        KILO,
    ),
)
CARBON = replace(
    _power("carbon.emission_g", "Carbon", lambda power: power.carbon and power.carbon.emission_g, "g CO2e"),
    show=significant(3),
)
TRAINING = (
    THROUGHPUT,
    replace(STEP_SECONDS, title="Step time, p50"),
    _training("step_time_s_p95", "Step time, p95", lambda training: training.step_time_s_p95, "s", significant(3)),
    _training("micro_batch", "Micro batch", lambda training: training.micro_batch, "", significant(2)),
    _training("effective_batch", "Effective batch", lambda training: training.effective_batch, "", significant(2)),
    Quantity(
        "parameters.saved_bytes",
        "Saved",
        lambda cell: cell.record.parameters and cell.record.parameters.saved_bytes,
        "MB",
        MEGA,
        significant(3),
    ),
)
MEMORY_BEFORE = Quantity(
    "memory.device_before_bytes",
    "GPU, before the cell",
    lambda cell: cell.record.memory and cell.record.memory.device_before_bytes,
    "GB",
    GIGA,
    fixed(2),
)
PEAKS: tuple[tuple[str, str, Callable[[PhaseMemory], int | None]], ...] = (
    ("device_peak_bytes", "GPU", lambda memory: memory.device_peak_bytes),
    ("process_device_peak_bytes", "GPU, cell's processes", lambda memory: memory.process_device_peak_bytes),
    ("torch_reserved_peak_bytes", "Torch reserved", lambda memory: memory.torch_reserved_peak_bytes),
    ("torch_allocated_peak_bytes", "Torch allocated", lambda memory: memory.torch_allocated_peak_bytes),
    ("rss_peak_bytes", "Process RSS", lambda memory: memory.rss_peak_bytes),
    ("pss_peak_bytes", "Process PSS", lambda memory: memory.pss_peak_bytes),
)
LATENCIES: tuple[tuple[str, str, str, Callable[[LatencyAtBatch], float]], ...] = (
    ("time_to_first_token_s_p50", "First token", "p50", lambda times: times.time_to_first_token_s_p50),
    ("time_to_first_token_s_p95", "First token", "p95", lambda times: times.time_to_first_token_s_p95),
    ("time_per_output_token_s_p50", "Next token", "p50", lambda times: times.time_per_output_token_s_p50),
    ("time_per_output_token_s_p95", "Next token", "p95", lambda times: times.time_per_output_token_s_p95),
)


def peaks(path: str, memory: Callable[[StoredCell], PhaseMemory | None]) -> tuple[Quantity, ...]:
    """All peaks of memory in one section of the record, given its path."""
    return tuple(
        Quantity(f"{path}.{name}", title, within(memory, get), "GB", GIGA, fixed(2)) for name, title, get in PEAKS
    )


def latencies(batch: str, words: str, section: Callable[[StoredCell], LatencyAtBatch | None]) -> list[Quantity]:
    """All latencies at one batch size, given the name of its section of the record."""
    quantities = [
        Quantity(
            f"latency.{batch}.{name}",
            f"{title}, {words}, {percentile}",
            within(section, get),
            "ms",
            MILLI,
            significant(3),
        )
        for name, title, percentile, get in LATENCIES
    ]
    output = within(section, lambda times: times.tokens_per_s_p50)
    path = f"latency.{batch}.tokens_per_s_p50"
    return [*quantities, Quantity(path, f"Output, {words}", output, "tokens/s", show=significant(3))]
