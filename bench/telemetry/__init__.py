"""Telemetry: timestamped readings of power, memory, clocks and temperature, taken beside a cell and never inside it.

The path of a number: `Reader` of a source (fields in `schema`) -> `sampler` (one thread per source), which writes it to
telemetry.jsonl (`reading`) and keeps it in memory (`gather`) -> per phase (`windows`, `energy`) -> `power`, `join` ->
the sections of the record (`sections`).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from bench.settings import Part
from bench.telemetry.schema import Values

UNDATED_S = 0.1
"""A value that took longer to read does not belong to one moment, and is left out."""


class Unavailable(Exception):
    """A source cannot be read, or no longer. The text is the reason that the record gives."""


class Sample(NamedTuple):
    """What a reader has read."""

    at_s: float
    """When the values held, by `time.monotonic`."""
    values: Values
    """What could not be read is absent."""


class Reader(ABC):
    """An open source. One thread uses it, and is left behind if a call never returns."""

    facts: dict[str, Any]
    """What holds for all readings, as JSON, such as `driver`, a version; `devices` has a `DeviceFacts` per UUID."""
    reasons: dict[str, str]
    """Why something is absent from the readings now: "", `<uuid>`, `<uuid>.<field>` or `<field>` to reason."""

    @abstractmethod
    def watch(self, pid: int) -> None:
        """From now on count what belongs to process `pid` and its descendants. Called from another thread."""

    @abstractmethod
    def read(self, slow: bool) -> Sample:
        """Read everything once; what changes slowly only if `slow`.

        Raises:
            Unavailable: there will be no further reading.
        """

    @abstractmethod
    def close(self) -> None:
        """Release what was opened."""


class Source(Part):
    """Where readings come from: frozen settings that can be opened."""

    def of(self, uuids: Sequence[str]) -> Self:
        """The same source for the devices with these UUIDs; a source that has no such devices stays as it is."""
        return self

    @abstractmethod
    def open(self) -> Reader:
        """A reader, opened in the thread that will read.

        Raises:
            Unavailable: there is nothing to read from.
        """


class Telemetry(Part):
    """What is sampled beside a cell. It never changes a cell's result, so it is not part of a cell's key."""

    hz: Annotated[float, Field(ge=1, le=20)] = 10.0
    """Readings per second. Temperatures, clocks and other slow quantities are read once a second."""
    idle_s: NonNegativeFloat = 2.0
    """How long idle power is measured before the cell, if there is a device to measure."""
    hang_s: PositiveFloat = 3.0
    """When the cell has ended, a source that has not answered for this long is left behind."""
    gpu: Source | None = None
    """Readings of the GPUs, or null for none."""
    host: Source | None = None
    """Readings of the machine and the cell's processes, or null for none."""
    carbon_intensity_g_per_kwh: PositiveFloat | None = None
    """Grams of CO2 equivalent per kWh where the machine is, or null to report no carbon figure."""
    carbon_intensity_source: Annotated[str, Field(min_length=1)] | None = None
    """Where that figure comes from, such as `Ember 2025, Malaysia, yearly mean`."""

    def of(self, uuids: Sequence[str]) -> Self:
        """The same for the devices with these UUIDs."""
        return self.model_copy(update={"gpu": self.gpu and self.gpu.of(uuids)})

    @model_validator(mode="after")
    def _intensity_has_a_source(self) -> Self:
        if (self.carbon_intensity_g_per_kwh is None) != (self.carbon_intensity_source is None):
            raise ValueError(
                "telemetry.carbon_intensity_g_per_kwh and telemetry.carbon_intensity_source go together: "
                "give the figure and say where it is from, or leave both null"
            )
        return self
