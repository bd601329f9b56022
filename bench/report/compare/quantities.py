"""Quantities that setups are measured by: what tables and figures show, each defined once.

A quantity's `get` gives None where the cell has no value; the reason is in the record under the quantity's key.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Generic, Literal, TypeVar

from bench.record_sections import ScoreInfo
from bench.report.numbers import Show, fixed, significant
from bench.report.read.cells import StoredCell
from bench.telemetry.sections import PhaseMemory

Section = TypeVar("Section", covariant=True)
KILO, MEGA, GIGA = 1e-3, 1e-6, 1e-9
"""Factors from a unit to a thousand, a million or a thousand million of it."""


@dataclass(frozen=True)
class Quantity:
    """One number of a cell, and how it is shown."""

    key: str
    """Its dotted path in the record, or the name of a derived figure: the CSV's column, and where a reason is found."""
    title: str
    get: Callable[[StoredCell], float | None]
    """In the record's unit."""
    unit: str = ""
    """The unit it is shown in."""
    scale: float = 1.0
    """Factor from the record's unit to the one shown."""
    show: Show = field(default_factory=lambda: significant(4))
    """Writes the scaled number."""
    score: ScoreInfo | None = None
    """How to read it, if it is a score. Its interval is then over documents and seeds, otherwise over seeds alone."""

    @property
    def name(self) -> str:
        """A score's name in the record: `token_f1`."""
        return self.key.removeprefix("scores.")

    @property
    def better(self) -> Literal["higher", "lower"] | None:
        """Which direction is better; None if it is not known, or the quantity is not a score."""
        return self.score.better if self.score else None

    @property
    def span(self) -> float | None:
        """How far apart the bounds of a mean over examples are; None if it is no such score, or lacks a bound."""
        info = self.score
        if info is None or info.pooling != "mean" or info.lowest is None or info.highest is None:
            return None
        return info.highest - info.lowest

    @property
    def heading(self) -> str:
        """Title and unit: `Peak power (W)`."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


@dataclass(frozen=True)
class SectionOf(Generic[Section]):
    """A section of the record, which cells may not have."""

    path: str
    get: Callable[[StoredCell], Section | None]

    def quantity(
        self,
        name: str,
        title: str,
        number: Callable[[Section], float | None],
        unit: str = "",
        scale: float = 1.0,
        show: Show | None = None,
    ) -> Quantity:
        """The quantity that `number` gets from the field called `name`, by default with four digits."""

        def get(cell: StoredCell) -> float | None:
            section = self.get(cell)
            return None if section is None else number(section)

        return Quantity(f"{self.path}.{name}", title, get, unit, scale, show or significant(4))


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


def score_error_quantity(name: str) -> Quantity:
    """The standard error that its metric gave for the score called `name`."""
    return Quantity(f"score_errors.{name}", "", lambda cell: cell.record.score_errors.get(name))


def phase_seconds(phase: str, title: str) -> Quantity:
    """The time of one phase."""
    return Quantity(f"phase_seconds.{phase}", title, lambda cell: cell.phase_seconds.get(phase), "s", show=fixed(1))


def peaks(section: SectionOf[PhaseMemory]) -> tuple[Quantity, ...]:
    """The peaks of memory in one section of the record, the figures that can be a cell's peak memory in order."""
    peak = section.quantity
    return (
        peak("device_peak_bytes", "GPU", lambda memory: memory.device_peak_bytes, *GB),
        peak("torch_reserved_peak_bytes", "Torch reserved", lambda memory: memory.torch_reserved_peak_bytes, *GB),
        peak("torch_allocated_peak_bytes", "Torch allocated", lambda memory: memory.torch_allocated_peak_bytes, *GB),
        peak("rss_peak_bytes", "Process RSS", lambda memory: memory.rss_peak_bytes, *GB),
        peak("process_device_peak_bytes", "GPU by own processes", lambda memory: memory.process_device_peak_bytes, *GB),
        peak("pss_peak_bytes", "Process PSS", lambda memory: memory.pss_peak_bytes, *GB),
    )


GB = ("GB", GIGA, fixed(2))
KJ = ("kJ", KILO)
MEMORY = SectionOf("memory", lambda cell: cell.record.memory)
POWER = SectionOf("power", lambda cell: cell.record.power)
TRAIN_POWER = SectionOf("power.phases.train", lambda cell: cell.train_power)
TRAINING = SectionOf("training", lambda cell: cell.record.training)
PARAMETERS = SectionOf("parameters", lambda cell: cell.record.parameters)

_PEAK_TITLES = {
    "memory.device_peak_bytes": "Peak GPU memory",
    "memory.torch_reserved_peak_bytes": "Peak torch reserved memory",
    "memory.torch_allocated_peak_bytes": "Peak torch allocated memory",
    "memory.rss_peak_bytes": "Peak process memory",
}
MEMORIES = tuple(replace(peak, title=_PEAK_TITLES[peak.key]) for peak in peaks(MEMORY) if peak.key in _PEAK_TITLES)
"""The figures that can be a cell's peak memory, the best first."""
TRAINABLE_COUNT = PARAMETERS.quantity(
    "trainable", "Trainable", lambda parameters: parameters.trainable, "M", MEGA, significant(3)
)
TRAINABLE = PARAMETERS.quantity("trainable_percent", "Trainable", lambda parameters: parameters.trainable_percent, "%")
SAVED = PARAMETERS.quantity(
    "saved_bytes", "Saved", lambda parameters: parameters.saved_bytes, "MB", MEGA, significant(3)
)
PEAK_POWER = POWER.quantity(
    "peak_sampled_power_w", "Peak power", lambda power: power.peak_sampled_power_w, "W", show=fixed(2)
)
ENERGY = POWER.quantity("energy_j", "Energy", lambda power: power.energy_j, *KJ)
TRAIN_ENERGY = TRAIN_POWER.quantity("energy_j", "Train energy", lambda power: power.energy_j, *KJ)
TRAIN_SECONDS = phase_seconds("train", "Train time")
TRAINING_ENERGY = replace(
    TRAIN_ENERGY,
    title="Training energy",
    get=lambda cell: TRAIN_ENERGY.get(cell) if cell.trains else 0.0 if cell.record.power else None,
)
TRAINING_SECONDS = replace(
    TRAIN_SECONDS, title="Training time", get=lambda cell: TRAIN_SECONDS.get(cell) if cell.trains else 0.0
)
"""As a price, like `TRAINING_ENERGY`: what trains nothing costs nothing."""
CELL_SECONDS = Quantity("seconds", "Cell time", lambda cell: cell.record.seconds, "s", show=fixed(1))
STEP_SECONDS = TRAINING.quantity(
    "step_time_s_p50", "Step time", lambda training: training.step_time_s_p50, "s", show=significant(3)
)
THROUGHPUT = TRAINING.quantity("tokens_per_s", "Throughput", lambda training: training.tokens_per_s, "tokens/s")
