"""The tables of what each setup cost: time, energy, memory, training speed, latency."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

from bench.phase import PhaseName
from bench.report.compare.setups import Cell, Group, Setup
from bench.report.numbers import fixed, significant
from bench.report.read.load import PER_TOKENS
from bench.report.render.table import Column, Row, Table, TableCell
from bench.report.tables.rows import behind, name_columns, name_entries, number_entry, numbers_of
from bench.report.words import ENERGY_METHODS, listed, printable

KILO, MEGA, GIGA, MILLI, PERCENT = 1e-3, 1e-6, 1e-9, 1e3, 1e2
"""What a number in the record's unit is multiplied with, to be shown in one that is called so."""

MEMORY_FIGURES = {
    "device_peak_bytes": "GPU",
    "process_device_peak_bytes": "GPU, cell's processes",
    "torch_reserved_peak_bytes": "Torch reserved",
    "torch_allocated_peak_bytes": "Torch allocated",
    "rss_peak_bytes": "Process RSS",
    "pss_peak_bytes": "Process PSS",
}
"""The record's peaks of memory: name to column title."""
MEMORY_REMARKS = (
    "All are peaks, and no two of them are the same thing. GPU: in use on the cell's GPUs together, by whomever (NVML, "
    "sampled); cell's processes: what the driver says that they hold of it, sampled once a second. Torch reserved and "
    "allocated: what its CUDA allocator took from the device, and what tensors took of that. RSS: resident memory of "
    "the cell's processes together, pages that they share counted in each (sampled). PSS: the same with shared pages "
    "divided among all that share them, sampled more rarely. 1 GB is 1,000,000,000 bytes."
)
"""What the figures mean."""


@dataclass(frozen=True)
class Cost:
    """One table: its columns of numbers, and what must be known to read them."""

    name: str
    title: str
    columns: tuple[Column, ...]
    remarks: tuple[str, ...]
    note: Callable[[Setup, str], str] = lambda setup, path: ""
    """What to say of a setup's number at a path; empty for nothing."""
    caveat: Callable[[Setup], str] = lambda setup: ""
    """What to say of all of a setup's numbers."""


def cost_tables(found: Sequence[Group]) -> list[Table]:
    """Every table has a row for each setup of the groups found."""
    cells = [cell for group in found for cell in group.ok]
    memory = _memory("costs-memory", "Peak memory over the whole cell", "memory", MEMORY_REMARKS)
    before = Column("memory.device_before_bytes", "GPU, before the cell", "GB", scale=GIGA, format=fixed(2))
    alone = "The same figures as over the whole cell, in the train phase alone, without validation."
    memory_train = _memory("costs-memory-train", "Peak memory in the train phase", "memory.phases.train", alone)
    whole = Cost(memory.name, memory.title, (*memory.columns, before), memory.remarks)
    return [
        _table(cost, found) for cost in (_time(), _energy(cells), whole, memory_train, _training(), _latency(cells))
    ]


def _table(cost: Cost, found: Sequence[Group]) -> Table:
    told = [behind(group) if len(found) == 1 else f"{group.title}: {behind(group)}" for group in found if group.ok]
    return Table(
        name=cost.name,
        title=cost.title,
        columns=(*name_columns(found), *cost.columns),
        rows=tuple(_row(cost, group, setup) for group in found for setup in group.setups),
        remarks=(*told, *cost.remarks) if told else (),
        warnings=tuple(sentence for group in found for sentence in (*group.refusals, *group.warnings)),
    )


def _row(cost: Cost, group: Group, setup: Setup) -> Row:
    paths = [column.key for column in cost.columns]
    if not setup.ok:
        return Row((*name_entries(group, setup), *(TableCell(None) for _ in paths)), instead=setup.ending())
    names = name_entries(group, setup, setup.resumed(), setup.refitted(), cost.caveat(setup))
    return Row((*names, *(number_entry(setup, path, cost.note(setup, path)) for path in paths)))


def _time() -> Cost:
    phases = [
        Column(f"phase_seconds.{phase}", phase.capitalize(), "s", format=fixed(1)) for phase in get_args(PhaseName)
    ]
    rest = (
        Column("seconds", "Cell", "s", format=fixed(1)),
        Column("host.cpu_s", "CPU time", "s", format=fixed(1)),
    )
    remarks = (
        "Phases exclude each other: validation inside training counts as validate alone. Cell is everything from start "
        "to record, so it is more than its phases, by the most in the first cell of a sweep, which waits for all "
        "imports. CPU time is that of the cell's processes in all phases, all cores together.",
    )
    return Cost("costs-time", "Time", (*phases, *rest), remarks)


def _energy(cells: Sequence[Cell]) -> Cost:
    joules = significant(4)
    columns = [
        Column("power.energy_j", "Energy", "kJ", scale=KILO, format=joules),
        Column("power.phases.train.energy_j", "Train energy", "kJ", scale=KILO, format=joules),
        Column(PER_TOKENS, "Energy per 1,000 training tokens", "J", format=joules),
        Column("power.net_energy_j", "Net energy", "kJ", scale=KILO, format=joules),
        Column("power.idle_power_w", "Idle power", "W", format=fixed(1)),
        Column("power.mean_power_w", "Mean power", "W", format=fixed(1)),
        Column("power.peak_sampled_power_w", "Peak sampled power", "W", format=fixed(1)),
        Column("power.coverage", "Coverage", "%", scale=PERCENT, format=fixed(1)),
        Column("power.residual_percent", "Residual", "%", format=fixed(1)),
        Column("power.throttled_s", "Throttled", "s", format=fixed(1)),
        Column("host.package_energy_j", "CPU energy", "kJ", scale=KILO, format=joules),
    ]
    remarks = [
        "Energy and power are gross, of the cell's GPU boards together, from the first phase's start to the last one's "
        "end; train energy is that of the train phase, without validation. Energy per 1,000 training tokens is train "
        "energy over all tokens trained on, padding left out. Net energy is energy less idle power, which is the mean "
        "right before the cell, over the same time. Coverage is the share of the time that samples of power stand for; "
        "residual is how far their integral lies above the energy counter; throttled is the time in which a board had "
        "lowered its clocks. CPU energy is that of the machine's CPU packages (RAPL), by whomever used.",
    ]
    if factors := sorted({(cell[GRAMS], cell[SOURCE]) for cell in cells if GRAMS in cell}):
        columns.append(Column("power.carbon.emission_g", "Carbon", "g CO2e", format=significant(3)))
        told = listed(f"{grams:g} g/kWh ({printable(source)})" for grams, source in factors)
        remarks.append(f"Carbon is energy times the grid's intensity: {told}. The GPU boards alone.")
    return Cost("costs-energy", "Energy and power", tuple(columns), tuple(remarks), _energy_method, _aliasing)


GRAMS, SOURCE = "power.carbon.intensity_g_per_kwh", "power.carbon.intensity_source"


def _energy_method(setup: Setup, path: str) -> str:
    if not path.endswith(".energy_j"):
        return ""
    return setup.told(path.replace("energy_j", "energy_method"), ENERGY_METHODS)


def _aliasing(setup: Setup) -> str:
    if not any(cell.get("power.step_time_aliases") for cell in setup.ok):
        return ""
    return (
        "training steps repeat in time with the power sensor, so sampled power may be off by more than the sensor's "
        "own error"
    )


def _memory(name: str, title: str, section: str, remark: str) -> Cost:
    columns = tuple(
        Column(f"{section}.{figure}", title, "GB", scale=GIGA, format=fixed(2))
        for figure, title in MEMORY_FIGURES.items()
    )
    return Cost(name, title, columns, (remark,))


def _training() -> Cost:
    columns = (
        Column("training.tokens_per_s", "Throughput", "tokens/s", format=significant(4)),
        Column("training.step_time_s_p50", "Step time, p50", "s", format=significant(3)),
        Column("training.step_time_s_p95", "Step time, p95", "s", format=significant(3)),
        Column("training.micro_batch", "Micro batch", format=significant(2)),
        Column("training.effective_batch", "Effective batch", format=significant(2)),
        Column("parameters.saved_bytes", "Saved", "MB", scale=MEGA, format=significant(3)),
    )
    remarks = (
        "Throughput is tokens trained on, padding left out, per second of the steps after warm-up, which the step "
        "times are of, too. Saved is the size on disk of what training changed; 1 MB is 1,000,000 bytes.",
    )
    return Cost("costs-training", "Training speed and size on disk", columns, remarks)


def _latency(cells: Sequence[Cell]) -> Cost:
    columns = []
    for batch, words in (("single", "batch 1"), ("batched", "batched")):
        for figure, title in (("time_to_first_token", "First token"), ("time_per_output_token", "Next token")):
            for percentile in ("p50", "p95"):
                path, heading = f"latency.{batch}.{figure}_s_{percentile}", f"{title}, {words}, {percentile}"
                columns.append(Column(path, heading, "ms", scale=MILLI, format=significant(3)))
        path = f"latency.{batch}.tokens_per_s_p50"
        columns.append(Column(path, f"Output, {words}", "tokens/s", format=significant(3)))
    remarks = [
        "First token is the time to it from the prompt; next token is the mean time of each that follows; output is "
        "generated tokens of the whole batch per second, the median of all runs.",
    ]
    for what, path in (("Batched", "latency.batched.batch"), ("Runs behind each percentile", "latency.single.n_runs")):
        if numbers := numbers_of(cells, path):
            remarks.append(f"{what}: {numbers}.")
    return Cost("costs-latency", "Latency of answers", tuple(columns), tuple(remarks))
