"""A job: one cell together with where it runs and what watches it."""

from pathlib import Path

from pydantic import BaseModel, Field, PositiveFloat

from bench import store
from bench.cell import Cell
from bench.settings import Name, Settings
from bench.telemetry import Telemetry
from bench.tracker import Tracker


class Job(Settings):
    """A cell, and what does not change its result."""

    cell: Cell
    study: Name
    """A named set of cells that share a run folder and a report."""
    runs: str = Field(min_length=1)
    """The folder that holds all studies."""
    force: bool
    """Run the cell even if its record is complete."""
    timeout_s: PositiveFloat | None
    """End the cell after this long; null for never."""
    telemetry: Telemetry
    tracker: dict[str, Tracker]

    def folder(self) -> Path:
        """Where the cell's files lie."""
        return store.folder_of(Path(self.runs), self.study, self.cell)

    def title(self) -> str:
        """The cell in a few words."""
        cell = self.cell
        return f"{cell.model.name} {cell.method.name} {cell.dataset.name} seed {cell.seed}"


ONE_EACH = frozenset(
    part
    for part, field in {**Cell.model_fields, **Job.model_fields}.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
)
"""The parts of which a job has exactly one; of metrics and trackers it can have several."""
