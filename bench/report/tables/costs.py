"""The tables of what each setup cost: time, energy, memory, training speed, latency."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.report.compare.comparisons import Comparison
from bench.report.compare.quantities import ENERGY, TRAIN_ENERGY, Quantity
from bench.report.compare.setups import Setup
from bench.report.read.cells import StoredCell
from bench.report.render.table import Row, Table
from bench.report.tables.cost_quantities import (
    CARBON,
    ENERGIES,
    LATENCIES,
    PEAK_MEMORY,
    SPEED_AND_SIZE,
    TIMES,
    TRAIN_PEAK_MEMORY,
)
from bench.report.tables.rows import (
    behind,
    cautions,
    name_columns,
    name_entries,
    number_column,
    number_entry,
    numbers_of,
    row_of,
)
from bench.report.wording import ENERGY_METHODS, listed, printable
from bench.telemetry.sections import PhasePower


@dataclass(frozen=True)
class CostTable:
    """One table: its numbers, and what must be known to read them."""

    name: str
    title: str
    quantities: Sequence[Quantity]
    remark: str = ""
    note: Callable[[Setup, Quantity], str] = lambda setup, quantity: ""
    """The note on one number of a setup; empty for none."""
    caveat: Callable[[Setup], str] = lambda setup: ""
    """The note on all numbers of a setup."""


def cost_tables(comparisons: Sequence[Comparison]) -> list[Table]:
    """The tables, each with a row for each setup."""
    cells = [cell for comparison in comparisons for cell in comparison.ok]
    carbon = _carbon(cells)
    energies = (*ENERGIES, CARBON) if carbon else ENERGIES
    time = "Phases do not overlap: evaluation during training counts as validate, not as train."
    memory = "Each column is the peak of another quantity: compare within a column. 1 GB is 1,000,000,000 bytes."
    train = "As over the whole cell, but in the train phase only, without evaluation."
    kinds = (
        CostTable("costs-time", "Time", TIMES, time),
        CostTable("costs-energy", "Energy and power", energies, carbon, _energy_method, _aliasing),
        CostTable("costs-memory", "Peak memory over the whole cell", PEAK_MEMORY, memory),
        CostTable("costs-memory-train", "Peak memory in the train phase", TRAIN_PEAK_MEMORY, train),
        CostTable("costs-training", "Training speed and size on disk", SPEED_AND_SIZE),
        CostTable("costs-latency", "Latency of answers", LATENCIES, _latency(cells)),
    )
    return [_table(kind, comparisons) for kind in kinds]


def _table(kind: CostTable, comparisons: Sequence[Comparison]) -> Table:
    return Table(
        name=kind.name,
        title=kind.title,
        columns=(*name_columns(comparisons), *map(number_column, kind.quantities)),
        rows=tuple(_row(kind, comparison, setup) for comparison in comparisons for setup in comparison.setups),
        remarks=(*behind(comparisons), *([kind.remark] if kind.remark else [])),
        warnings=cautions(comparisons),
        section="costs",
    )


def _row(kind: CostTable, comparison: Comparison, setup: Setup) -> Row:
    names = name_entries(comparison, setup, kind.caveat(setup))
    return row_of(setup, names, kind.quantities, lambda each: number_entry(setup, each, kind.note(setup, each)))


def _carbon(cells: Sequence[StoredCell]) -> str:
    """What carbon emissions are, with the intensities of the grid; empty if no cell has any."""
    carbon = [cell.record.power.carbon for cell in cells if cell.record.power and cell.record.power.carbon]
    factors = sorted({(each.intensity_g_per_kwh, each.intensity_source) for each in carbon})
    texts = [f"{grams:g} g/kWh ({printable(source)})" for grams, source in factors]
    if not texts:
        return ""
    return f"Carbon: energy of the GPU boards alone times the grid's intensity, {listed(texts)}."


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


def _latency(cells: Sequence[StoredCell]) -> str:
    """What latencies are, and over how many runs."""
    batches = numbers_of(cells, lambda cell: cell.record.latency and cell.record.latency.batched.batch)
    runs = numbers_of(cells, lambda cell: cell.record.latency and cell.record.latency.single.n_runs)
    return (
        "First token: time from the prompt to the first token. Next token: mean time of each further token. Output: "
        "generated tokens of the whole batch per second, median of all runs. Batched: "
        f"{batches or 'no'} prompts at once. Runs behind each percentile: {runs or 'none'}."
    )
