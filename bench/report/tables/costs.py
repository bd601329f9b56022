"""The tables of what each setup cost: time, energy, memory, training speed, latency."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from bench.phase import PhaseName
from bench.record import LatencyAtBatch
from bench.report.compare.comparisons import Comparison
from bench.report.compare.quantities import (
    CELL_SECONDS,
    ENERGY,
    GIGA,
    KILO,
    MEGA,
    PEAK_POWER,
    STEP_SECONDS,
    THROUGHPUT,
    Quantity,
)
from bench.report.compare.setups import Setup
from bench.report.numbers import fixed, significant
from bench.report.read.cells import StoredCell
from bench.report.render.table import Row, Table, TableCell
from bench.report.tables.rows import (
    behind,
    cautions,
    name_columns,
    name_entries,
    number_column,
    number_entry,
    numbers_of,
)
from bench.report.wording import ENERGY_METHODS, listed, printable
from bench.telemetry.sections import PhaseMemory, Power

MILLI, PERCENT = 1e3, 1e2
"""Factors from a unit to the one that is called so."""


@dataclass(frozen=True)
class CostTable:
    """One table: its numbers, and what must be known to read them."""

    name: str
    title: str
    quantities: tuple[Quantity, ...]
    remarks: tuple[str, ...]
    note: Callable[[Setup, Quantity], str] = lambda setup, quantity: ""
    """The note on one number of a setup; empty for none."""
    caveat: Callable[[Setup], str] = lambda setup: ""
    """The note on all numbers of a setup."""


def cost_tables(found: Sequence[Comparison]) -> list[Table]:
    """The tables, each with a row for each setup."""
    cells = [cell for comparison in found for cell in comparison.ok]
    kinds = (_time(), _energy(cells), _memory_of_cell(), _memory_of_training(), _training(), _latency(cells))
    return [_table(kind, found) for kind in kinds]


def _table(kind: CostTable, found: Sequence[Comparison]) -> Table:
    counts = [behind(each) if len(found) == 1 else f"{each.title}: {behind(each)}" for each in found if each.ok]
    return Table(
        name=kind.name,
        title=kind.title,
        columns=(*name_columns(found), *map(number_column, kind.quantities)),
        rows=tuple(_row(kind, comparison, setup) for comparison in found for setup in comparison.setups),
        remarks=(*counts, *kind.remarks) if counts else (),
        warnings=cautions(found),
        section="costs",
    )


def _row(kind: CostTable, comparison: Comparison, setup: Setup) -> Row:
    if not setup.ok:
        names = name_entries(comparison, setup)
        return Row((*names, *(TableCell(None) for _ in kind.quantities)), instead=setup.ending)
    names = name_entries(comparison, setup, setup.resumed, setup.refitted, kind.caveat(setup))
    return Row((*names, *(number_entry(setup, each, kind.note(setup, each)) for each in kind.quantities)))


def _time() -> CostTable:
    phases = tuple(_phase_seconds(phase) for phase in get_args(PhaseName))
    cpu = Quantity("host.cpu_s", "CPU time", lambda cell: cell.record.host and cell.record.host.cpu_s, "s", 1, fixed(1))
    remark = (
        "Phases exclude each other: validation inside training counts as validate alone. Cell is everything from start "
        "to record, so it is more than its phases, by the most in the first cell of a sweep, which waits for all "
        "imports. CPU time is that of the cell's processes in all phases, all cores together."
    )
    return CostTable("costs-time", "Time", (*phases, replace(CELL_SECONDS, title="Cell"), cpu), (remark,))


def _phase_seconds(phase: str) -> Quantity:
    get: Callable[[StoredCell], float | None] = lambda cell: cell.phase_seconds.get(phase)  # noqa: E731
    return Quantity(f"phase_seconds.{phase}", phase.capitalize(), get, "s", show=fixed(1))


def _power(name: str, title: str, get: Callable[[Power], float | None], unit: str = "W", scale: float = 1) -> Quantity:
    return Quantity(
        f"power.{name}",
        title,
        lambda cell: get(cell.record.power) if cell.record.power else None,
        unit,
        scale,
        fixed(1),
    )


TRAIN_ENERGY = Quantity(
    "power.phases.train.energy_j",
    "Train energy",
    lambda cell: cell.train_power.energy_j if cell.train_power else None,
    "kJ",
    KILO,
)
ENERGY_PER_TOKENS = Quantity(
    "train_energy_j_per_1000_tokens",
    "Energy per 1,000 training tokens",
    lambda cell: cell.train_energy_j_per_1000_tokens,
    "J",
)
NET_ENERGY = replace(
    _power("net_energy_j", "Net energy", lambda power: power.net_energy_j, "kJ", KILO), show=ENERGY.show
)
CPU_ENERGY = Quantity(
    "host.package_energy_j",
    "CPU energy",
    lambda cell: cell.record.host and cell.record.host.package_energy_j,
    "kJ",
    KILO,
)
CARBON = Quantity(
    "power.carbon.emission_g",
    "Carbon",
    lambda cell: cell.record.power and cell.record.power.carbon and cell.record.power.carbon.emission_g,
    "g CO2e",
    show=significant(3),
)


def _energy(cells: Sequence[StoredCell]) -> CostTable:
    quantities = [
        ENERGY,
        TRAIN_ENERGY,
        ENERGY_PER_TOKENS,
        NET_ENERGY,
        _power("idle_power_w", "Idle power", lambda power: power.idle_power_w),
        _power("mean_power_w", "Mean power", lambda power: power.mean_power_w),
        replace(PEAK_POWER, title="Peak sampled power", show=fixed(1)),
        _power("coverage", "Coverage", lambda power: power.coverage, "%", PERCENT),
        _power("residual_percent", "Residual", lambda power: power.residual_percent, "%"),
        _power("throttled_s", "Throttled", lambda power: power.throttled_s, "s"),
        CPU_ENERGY,
    ]
    remarks = [
        "Energy and power are gross, of the cell's GPU boards together, from the first phase's start to the last one's "
        "end; train energy is that of the train phase, without validation. Energy per 1,000 training tokens is train "
        "energy over all tokens trained on, padding left out. Net energy is energy less idle power, which is the mean "
        "right before the cell, over the same time. Coverage is the share of the time that samples of power stand for; "
        "residual is how far their integral lies above the energy counter; throttled is the time in which a board had "
        "lowered its clocks. CPU energy is that of the machine's CPU packages (RAPL), by whomever used.",
    ]
    carbon = [cell.record.power.carbon for cell in cells if cell.record.power and cell.record.power.carbon]
    if factors := sorted({(each.intensity_g_per_kwh, each.intensity_source) for each in carbon}):
        quantities.append(CARBON)
        listing = listed(f"{grams:g} g/kWh ({printable(source)})" for grams, source in factors)
        remarks.append(f"Carbon is energy times the grid's intensity: {listing}. The GPU boards alone.")
    return CostTable("costs-energy", "Energy and power", tuple(quantities), tuple(remarks), _energy_method, _aliasing)


def _energy_method(setup: Setup, quantity: Quantity) -> str:
    section = {ENERGY: lambda cell: cell.record.power, TRAIN_ENERGY: lambda cell: cell.train_power}.get(quantity)
    if section is None:
        return ""

    def method(cell: StoredCell) -> str | None:
        power = section(cell)
        return ENERGY_METHODS[power.energy_method] if power and power.energy_method else None

    return setup.describe(method)


def _aliasing(setup: Setup) -> str:
    if not any(cell.record.power and cell.record.power.step_time_aliases for cell in setup.ok):
        return ""
    return (
        "training steps repeat in time with the power sensor, so sampled power may be off by more than the sensor's "
        "own error"
    )


PEAKS: tuple[tuple[str, str, Callable[[PhaseMemory], int | None]], ...] = (
    ("device_peak_bytes", "GPU", lambda memory: memory.device_peak_bytes),
    ("process_device_peak_bytes", "GPU, cell's processes", lambda memory: memory.process_device_peak_bytes),
    ("torch_reserved_peak_bytes", "Torch reserved", lambda memory: memory.torch_reserved_peak_bytes),
    ("torch_allocated_peak_bytes", "Torch allocated", lambda memory: memory.torch_allocated_peak_bytes),
    ("rss_peak_bytes", "Process RSS", lambda memory: memory.rss_peak_bytes),
    ("pss_peak_bytes", "Process PSS", lambda memory: memory.pss_peak_bytes),
)
"""The record's peaks of memory: name, column title and getter."""
BEFORE = Quantity(
    "memory.device_before_bytes",
    "GPU, before the cell",
    lambda cell: cell.record.memory and cell.record.memory.device_before_bytes,
    "GB",
    GIGA,
    fixed(2),
)


def _peaks(section: str, memory: Callable[[StoredCell], PhaseMemory | None]) -> tuple[Quantity, ...]:
    def quantity(name: str, title: str, peak: Callable[[PhaseMemory], int | None]) -> Quantity:
        def get(cell: StoredCell) -> int | None:
            peaks = memory(cell)
            return None if peaks is None else peak(peaks)

        return Quantity(f"{section}.{name}", title, get, "GB", GIGA, fixed(2))

    return tuple(quantity(*peak) for peak in PEAKS)


def _memory_of_cell() -> CostTable:
    remark = (
        "All are peaks, and no two of them are the same thing. GPU: in use on the cell's GPUs together, by whomever "
        "(NVML, sampled); cell's processes: what the driver says that they hold of it, sampled once a second. Torch "
        "reserved and allocated: what its CUDA allocator took from the device, and what tensors took of that. RSS: "
        "resident memory of the cell's processes together, pages that they share counted in each (sampled). PSS: the "
        "same with shared pages divided among all that share them, sampled more rarely. 1 GB is 1,000,000,000 bytes."
    )
    peaks = _peaks("memory", lambda cell: cell.record.memory)
    return CostTable("costs-memory", "Peak memory over the whole cell", (*peaks, BEFORE), (remark,))


def _memory_of_training() -> CostTable:
    remark = "The same figures as over the whole cell, in the train phase alone, without validation."
    peaks = _peaks("memory.phases.train", lambda cell: cell.train_memory)
    return CostTable("costs-memory-train", "Peak memory in the train phase", peaks, (remark,))


def _training() -> CostTable:
    quantities = (
        THROUGHPUT,
        replace(STEP_SECONDS, title="Step time, p50"),
        Quantity(
            "training.step_time_s_p95",
            "Step time, p95",
            lambda cell: cell.record.training and cell.record.training.step_time_s_p95,
            "s",
            show=significant(3),
        ),
        Quantity(
            "training.micro_batch",
            "Micro batch",
            lambda cell: cell.record.training and cell.record.training.micro_batch,
            show=significant(2),
        ),
        Quantity(
            "training.effective_batch",
            "Effective batch",
            lambda cell: cell.record.training and cell.record.training.effective_batch,
            show=significant(2),
        ),
        Quantity(
            "parameters.saved_bytes",
            "Saved",
            lambda cell: cell.record.parameters and cell.record.parameters.saved_bytes,
            "MB",
            MEGA,
            significant(3),
        ),
    )
    remark = (
        "Throughput is tokens trained on, padding left out, per second of the steps after warm-up, which the step "
        "times are of, too. Saved is the size on disk of what training changed; 1 MB is 1,000,000 bytes."
    )
    return CostTable("costs-training", "Training speed and size on disk", quantities, (remark,))


Times = Callable[[LatencyAtBatch], float]
LATENCIES: tuple[tuple[str, str, str, Times], ...] = (
    ("time_to_first_token_s_p50", "First token", "p50", lambda times: times.time_to_first_token_s_p50),
    ("time_to_first_token_s_p95", "First token", "p95", lambda times: times.time_to_first_token_s_p95),
    ("time_per_output_token_s_p50", "Next token", "p50", lambda times: times.time_per_output_token_s_p50),
    ("time_per_output_token_s_p95", "Next token", "p95", lambda times: times.time_per_output_token_s_p95),
)


def _single(cell: StoredCell) -> LatencyAtBatch | None:
    return cell.record.latency and cell.record.latency.single


def _batched(cell: StoredCell) -> LatencyAtBatch | None:
    return cell.record.latency and cell.record.latency.batched


def _latencies(batch: str, words: str, section: Callable[[StoredCell], LatencyAtBatch | None]) -> list[Quantity]:
    def get(times: Times) -> Callable[[StoredCell], float | None]:
        return lambda cell: None if (found := section(cell)) is None else times(found)

    three = significant(3)
    quantities = [
        Quantity(f"latency.{batch}.{name}", f"{title}, {words}, {percentile}", get(times), "ms", MILLI, three)
        for name, title, percentile, times in LATENCIES
    ]
    output = get(lambda times: times.tokens_per_s_p50)
    return [
        *quantities,
        Quantity(f"latency.{batch}.tokens_per_s_p50", f"Output, {words}", output, "tokens/s", show=three),
    ]


def _latency(cells: Sequence[StoredCell]) -> CostTable:
    quantities = (*_latencies("single", "batch 1", _single), *_latencies("batched", "batched", _batched))
    remarks = [
        "First token is the time to it from the prompt; next token is the mean time of each that follows; output is "
        "generated tokens of the whole batch per second, the median of all runs.",
    ]
    batches = numbers_of(cells, lambda cell: cell.record.latency and cell.record.latency.batched.batch)
    runs = numbers_of(cells, lambda cell: cell.record.latency and cell.record.latency.single.n_runs)
    remarks += [f"Batched: {batches}."] if batches else []
    remarks += [f"Runs behind each percentile: {runs}."] if runs else []
    return CostTable("costs-latency", "Latency of answers", quantities, tuple(remarks))
