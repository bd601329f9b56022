"""The tables of what each setup cost: time, energy, memory, training speed, latency."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from bench.phase import PhaseName
from bench.report.compare.comparisons import Comparison
from bench.report.compare.quantities import CELL_SECONDS, ENERGY, TRAIN_ENERGY, Quantity
from bench.report.compare.setups import Setup
from bench.report.read.cells import StoredCell
from bench.report.render.table import Row, Table, TableCell
from bench.report.tables.cost_quantities import (
    CARBON,
    CPU_SECONDS,
    ENERGIES,
    MEMORY_BEFORE,
    TRAINING,
    latencies,
    peaks,
    phase_seconds,
)
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
from bench.telemetry.sections import PhasePower


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
    phases = tuple(phase_seconds(phase) for phase in get_args(PhaseName))
    remark = (
        "Phases exclude each other: validation inside training counts as validate alone. Cell is everything from start "
        "to record, so it is more than its phases, by the most in the first cell of a sweep, which waits for all "
        "imports. CPU time is that of the cell's processes in all phases, all cores together."
    )
    return CostTable("costs-time", "Time", (*phases, replace(CELL_SECONDS, title="Cell"), CPU_SECONDS), (remark,))


def _energy(cells: Sequence[StoredCell]) -> CostTable:
    remark = (
        "Energy and power are gross, of the cell's GPU boards together, from the first phase's start to the last one's "
        "end; train energy is that of the train phase, without validation. Energy per 1,000 training tokens is train "
        "energy over all tokens trained on, padding left out. Net energy is energy less idle power, which is the mean "
        "right before the cell, over the same time. Coverage is the share of the time that samples of power stand for; "
        "residual is how far their integral lies above the energy counter; throttled is the time in which a board had "
        "lowered its clocks. CPU energy is that of the machine's CPU packages (RAPL), by whomever used."
    )
    carbon = [cell.record.power.carbon for cell in cells if cell.record.power and cell.record.power.carbon]
    factors = sorted({(each.intensity_g_per_kwh, each.intensity_source) for each in carbon})
    texts = [f"{grams:g} g/kWh ({printable(source)})" for grams, source in factors]
    remarks = [remark]
    if texts:
        remarks.append(f"Carbon is energy times the grid's intensity: {listed(texts)}. The GPU boards alone.")
    quantities = (*ENERGIES, CARBON) if texts else ENERGIES
    return CostTable("costs-energy", "Energy and power", quantities, tuple(remarks), _energy_method, _aliasing)


def _energy_method(setup: Setup, quantity: Quantity) -> str:
    if quantity == ENERGY:
        return setup.describe(lambda cell: _method(cell.record.power))
    return setup.describe(lambda cell: _method(cell.train_power)) if quantity == TRAIN_ENERGY else ""


def _method(power: PhasePower | None) -> str | None:
    return ENERGY_METHODS[power.energy_method] if power and power.energy_method else None


def _aliasing(setup: Setup) -> str:
    if not any(cell.record.power and cell.record.power.step_time_aliases for cell in setup.ok):
        return ""
    return (
        "training steps repeat in time with the power sensor, so sampled power may be off by more than the sensor's "
        "own error"
    )


def _memory_of_cell() -> CostTable:
    remark = (
        "All are peaks, and no two of them are the same thing. GPU: in use on the cell's GPUs together, by whomever "
        "(NVML, sampled); cell's processes: what the driver says that they hold of it, sampled once a second. Torch "
        "reserved and allocated: what its CUDA allocator took from the device, and what tensors took of that. RSS: "
        "resident memory of the cell's processes together, pages that they share counted in each (sampled). PSS: the "
        "same with shared pages divided among all that share them, sampled more rarely. 1 GB is 1,000,000,000 bytes."
    )
    quantities = (*peaks("memory", lambda cell: cell.record.memory), MEMORY_BEFORE)
    return CostTable("costs-memory", "Peak memory over the whole cell", quantities, (remark,))


def _memory_of_training() -> CostTable:
    remark = "The same figures as over the whole cell, in the train phase alone, without validation."
    quantities = peaks("memory.phases.train", lambda cell: cell.train_memory)
    return CostTable("costs-memory-train", "Peak memory in the train phase", quantities, (remark,))


def _training() -> CostTable:
    remark = (
        "Throughput is tokens trained on, padding left out, per second of the steps after warm-up, which the step "
        "times are of, too. Saved is the size on disk of what training changed; 1 MB is 1,000,000 bytes."
    )
    return CostTable("costs-training", "Training speed and size on disk", TRAINING, (remark,))


def _latency(cells: Sequence[StoredCell]) -> CostTable:
    quantities = (
        *latencies("single", "batch 1", lambda cell: cell.record.latency and cell.record.latency.single),
        *latencies("batched", "batched", lambda cell: cell.record.latency and cell.record.latency.batched),
    )
    remarks = [
        "First token is the time to it from the prompt; next token is the mean time of each that follows; output is "
        "generated tokens of the whole batch per second, the median of all runs.",
    ]
    batches = numbers_of(cells, lambda cell: cell.record.latency and cell.record.latency.batched.batch)
    runs = numbers_of(cells, lambda cell: cell.record.latency and cell.record.latency.single.n_runs)
    remarks += [f"Batched: {batches}."] if batches else []
    remarks += [f"Runs behind each percentile: {runs}."] if runs else []
    return CostTable("costs-latency", "Latency of answers", quantities, tuple(remarks))
