"""Telemetry: timestamped readings of power, memory, clocks and temperature, taken beside a cell and never inside it.

The way of a number: a source's reader -> `sampler` (one thread a source) -> telemetry.jsonl (`reading`) -> gathered as
a stream (`gather`, `windows`, `energy`) -> `join` -> the sections of the record (`sections`).
"""

from abc import ABC, abstractmethod
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from bench.settings import Part

UNDATED_S = 0.1
"""A value that took longer to read cannot be said to belong to one moment, and is left out."""


class Unavailable(Exception):
    """A source cannot be had, or no longer. Its text is the reason that the record gives."""


class Sample(NamedTuple):
    """What a reader has read."""

    at_s: float
    """When the values held, by `time.monotonic`."""
    values: dict[str, Any]
    """As JSON. What could not be read is left out."""


class Reader(ABC):
    """A source that is open. One thread uses it, and may be left behind inside a call that never comes back."""

    measures_idle: bool = False
    """Whether an idle level makes sense, so that it is worth waiting for before the cell starts."""

    @property
    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What holds for all readings, as JSON: devices, versions."""

    @property
    @abstractmethod
    def reasons(self) -> dict[str, str]:
        """Why something is not in the readings at present: dotted path, or "" for everything, to reason."""

    @abstractmethod
    def watch(self, pid: int) -> None:
        """Count what belongs to process `pid` and its descendants from now on. Called from another thread."""

    @abstractmethod
    def read(self, slow: bool) -> Sample:
        """What can be read now; `slow` asks for what changes slowly, too.

        Raises:
            Unavailable: there will be no further reading.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of what was opened."""


class Source(Part):
    """Where readings come from: frozen settings with one verb, `open`."""

    @abstractmethod
    def open(self) -> Reader:
        """A reader, opened in the thread that will read.

        Raises:
            Unavailable: there is nothing to read from.
        """


class Telemetry(Part):
    """What is sampled beside a cell. Nothing of it changes a cell's result, so it is no part of a cell's key."""

    hz: Annotated[float, Field(ge=1, le=20)] = 10.0
    """Readings per second. Temperatures, clocks and what else changes slowly are read once a second."""
    idle_s: NonNegativeFloat = 2.0
    """How long idle power is measured before the cell; waited for only where there is a device to measure."""
    hang_s: PositiveFloat = 3.0
    """A source that does not answer for so long is left behind when the cell has ended."""
    gpu: Source | None = None
    """Readings of the GPUs, or null for none."""
    host: Source | None = None
    """Readings of the machine and the cell's processes, or null for none."""
    carbon_intensity_g_per_kwh: PositiveFloat | None = None
    """Grams of CO2 equivalent per kWh where the machine stands, or null: then no carbon figure is given."""
    carbon_intensity_source: Annotated[str, Field(min_length=1)] | None = None
    """Where that figure is from, such as `Ember 2025, Malaysia, yearly mean`."""

    @model_validator(mode="after")
    def _intensity_has_a_source(self) -> Self:
        if (self.carbon_intensity_g_per_kwh is None) != (self.carbon_intensity_source is None):
            raise ValueError(
                "telemetry.carbon_intensity_g_per_kwh and telemetry.carbon_intensity_source go together: "
                "give the figure and say where it is from, or leave both null"
            )
        return self
