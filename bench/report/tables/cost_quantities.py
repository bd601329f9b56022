"""The quantities that the tables of costs show, a tuple for each table."""

from dataclasses import replace
from typing import get_args

from bench.phase import PhaseName
from bench.record_sections import LatencyAtBatch
from bench.report.compare.quantities import (
    CELL_SECONDS,
    ENERGY,
    GB,
    KJ,
    MEMORY,
    PEAK_POWER,
    POWER,
    SAVED,
    STEP_SECONDS,
    THROUGHPUT,
    TRAIN_ENERGY,
    TRAINING,
    Quantity,
    SectionOf,
    peaks,
    phase_seconds,
)
from bench.report.numbers import fixed, significant

PERCENT = ("%", 1e2, fixed(1))
MS = ("ms", 1e3, significant(3))
HOST = SectionOf("host", lambda cell: cell.record.host)


def _latencies(section: SectionOf[LatencyAtBatch], batch: str) -> tuple[Quantity, ...]:
    first, following, quantity = f"First token, {batch}", f"Next token, {batch}", section.quantity
    return (
        quantity("time_to_first_token_s_p50", f"{first}, p50", lambda at: at.time_to_first_token_s_p50, *MS),
        quantity("time_to_first_token_s_p95", f"{first}, p95", lambda at: at.time_to_first_token_s_p95, *MS),
        quantity("time_per_output_token_s_p50", f"{following}, p50", lambda at: at.time_per_output_token_s_p50, *MS),
        quantity("time_per_output_token_s_p95", f"{following}, p95", lambda at: at.time_per_output_token_s_p95, *MS),
        quantity(
            "tokens_per_s_p50", f"Output, {batch}", lambda at: at.tokens_per_s_p50, "tokens/s", show=significant(3)
        ),
    )


TIMES = (
    *(phase_seconds(phase, phase.capitalize()) for phase in get_args(PhaseName)),
    replace(CELL_SECONDS, title="Cell"),
    HOST.quantity("cpu_s", "CPU time", lambda host: host.cpu_s, "s", show=fixed(1)),
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
    POWER.quantity("net_energy_j", "Net energy", lambda power: power.net_energy_j, *KJ),
    POWER.quantity("idle_power_w", "Idle power", lambda power: power.idle_power_w, "W", show=fixed(1)),
    POWER.quantity("mean_power_w", "Mean power", lambda power: power.mean_power_w, "W", show=fixed(1)),
    replace(PEAK_POWER, title="Peak sampled power", show=fixed(1)),
    POWER.quantity("coverage", "Coverage", lambda power: power.coverage, *PERCENT),
    POWER.quantity("residual_percent", "Residual", lambda power: power.residual_percent, "%", show=fixed(1)),
    POWER.quantity("throttled_s", "Throttled", lambda power: power.throttled_s, "s", show=fixed(1)),
    HOST.quantity("package_energy_j", "CPU energy", lambda host: host.package_energy_j, *KJ),
)
CARBON = SectionOf("power.carbon", lambda cell: cell.record.power and cell.record.power.carbon).quantity(
    "emission_g", "Carbon", lambda carbon: carbon.emission_g, "g CO2e", show=significant(3)
)
PEAK_MEMORY = (
    *peaks(MEMORY),
    MEMORY.quantity("device_before_bytes", "GPU before the cell", lambda memory: memory.device_before_bytes, *GB),
)
TRAIN_PEAK_MEMORY = peaks(SectionOf("memory.phases.train", lambda cell: cell.train_memory))
SPEED_AND_SIZE = (
    THROUGHPUT,
    replace(STEP_SECONDS, title="Step time, p50"),
    TRAINING.quantity(
        "step_time_s_p95", "Step time, p95", lambda training: training.step_time_s_p95, "s", 1, significant(3)
    ),
    TRAINING.quantity("micro_batch", "Micro batch", lambda training: training.micro_batch, show=significant(2)),
    TRAINING.quantity(
        "effective_batch", "Effective batch", lambda training: training.effective_batch, show=significant(2)
    ),
    SAVED,
)
LATENCIES = (
    *_latencies(
        SectionOf("latency.single", lambda cell: cell.record.latency and cell.record.latency.single), "batch 1"
    ),
    *_latencies(
        SectionOf("latency.batched", lambda cell: cell.record.latency and cell.record.latency.batched), "batched"
    ),
)
