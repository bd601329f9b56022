"""Quantities that setups are measured by: what tables and figures show, each defined once.

A quantity's `get` gives None where the cell has no value; the reason is in the record under the quantity's key.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from bench.record import ScoreInfo
from bench.report.numbers import Show, fixed, significant
from bench.report.read.cells import StoredCell
from bench.telemetry.sections import Memory

Section = TypeVar("Section")
Get = Callable[[StoredCell], float | None]
KILO, MEGA, GIGA = 1e-3, 1e-6, 1e-9
"""Factors from a unit to the one that is called so."""


@dataclass(frozen=True)
class Quantity:
    """One number of a cell, and how it is shown."""

    key: str
    """Its dotted path in the record, or the name of a derived figure: the CSV's column, and where a reason is found."""
    title: str
    get: Get
    """In the record's unit."""
    unit: str = ""
    """The unit it is shown in."""
    scale: float = 1.0
    """Factor from the record's unit to the one shown."""
    show: Show = field(default_factory=lambda: significant(4))
    """Writes the scaled number."""
    score: ScoreInfo | None = None
    """How to read it, if it is a score. Its interval is then over documents and seeds, otherwise over seeds alone."""
    meaning: str = ""
    """What it is, for the sentence under a table."""

    @property
    def name(self) -> str:
        """A score's name in the record: `token_f1`."""
        return self.key.removeprefix("scores.")

    @property
    def better(self) -> Literal["higher", "lower"] | None:
        """Which direction is better; None if it is not known, or the quantity is not a score."""
        return self.score.better if self.score else None

    @property
    def heading(self) -> str:
        """Title and unit: `Peak power (W)`."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


def within(section: Callable[[StoredCell], Section | None], number: Callable[[Section], float | None]) -> Get:
    """Gets a number of a section of the record, which may be missing."""

    def get(cell: StoredCell) -> float | None:
        found = section(cell)
        return None if found is None else number(found)

    return get


def score_quantity(name: str, info: ScoreInfo) -> Quantity:
    """The score called `name` in the record."""
    fraction = (info.lowest, info.highest) == (0.0, 1.0)
    return Quantity(
        key=f"scores.{name}",
        title=info.title,
        get=lambda cell: (cell.record.scores or {}).get(name),
        show=fixed(4) if fraction else significant(4),
        score=info,
    )


TRAINABLE = Quantity(
    "parameters.trainable_percent",
    "Trainable",
    lambda cell: cell.record.parameters and cell.record.parameters.trainable_percent,
    "%",
)
PEAK_POWER = Quantity(
    "power.peak_sampled_power_w",
    "Peak power",
    lambda cell: cell.record.power and cell.record.power.peak_sampled_power_w,
    "W",
    show=fixed(2),
)
ENERGY = Quantity("power.energy_j", "Energy", lambda cell: cell.record.power and cell.record.power.energy_j, "kJ", KILO)
TRAIN_ENERGY = Quantity(
    "power.phases.train.energy_j",
    "Train energy",
    lambda cell: cell.train_power.energy_j if cell.train_power else None,
    "kJ",
    KILO,
)
TRAINING_ENERGY = Quantity(
    TRAIN_ENERGY.key,
    "Training energy",
    lambda cell: TRAIN_ENERGY.get(cell) if cell.trains else 0.0 if cell.record.power else None,
    "kJ",
    KILO,
)
"""As a price: what trains nothing costs nothing."""
TRAIN_SECONDS = Quantity(
    "phase_seconds.train", "Train time", lambda cell: cell.phase_seconds.get("train"), "s", show=fixed(1)
)
TRAINING_SECONDS = Quantity(
    TRAIN_SECONDS.key, "Training time", lambda cell: TRAIN_SECONDS.get(cell) if cell.trains else 0.0, "s", show=fixed(1)
)
"""As a price: what trains nothing costs nothing."""
CELL_SECONDS = Quantity("seconds", "Cell time", lambda cell: cell.record.seconds, "s", show=fixed(1))
STEP_SECONDS = Quantity(
    "training.step_time_s_p50",
    "Step time",
    lambda cell: cell.record.training and cell.record.training.step_time_s_p50,
    "s",
    show=significant(3),
)
THROUGHPUT = Quantity(
    "training.tokens_per_s",
    "Throughput",
    lambda cell: cell.record.training and cell.record.training.tokens_per_s,
    "tokens/s",
)


def _peak(name: str, title: str, get: Callable[[Memory], int | None], meaning: str) -> Quantity:
    path = f"memory.{name}_peak_bytes"
    return Quantity(path, title, within(lambda cell: cell.record.memory, get), "GB", GIGA, fixed(2), meaning=meaning)


MEMORIES = (
    _peak(
        "device",
        "Peak GPU memory",
        lambda memory: memory.device_peak_bytes,
        "the most that was in use on the cell's GPUs, by whomever (NVML)",
    ),
    _peak(
        "torch_reserved",
        "Peak torch reserved memory",
        lambda memory: memory.torch_reserved_peak_bytes,
        "the most that torch's CUDA allocator had reserved",
    ),
    _peak(
        "torch_allocated",
        "Peak torch allocated memory",
        lambda memory: memory.torch_allocated_peak_bytes,
        "the most that tensors took of torch's CUDA allocator",
    ),
    _peak(
        "rss",
        "Peak process memory",
        lambda memory: memory.rss_peak_bytes,
        "the largest resident set (RSS) of the cell's processes together",
    ),
)
"""The figures that can be a cell's peak memory, the best first."""
