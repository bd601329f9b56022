"""A job: one cell, where it runs, and what measures and shows it."""

from pathlib import Path
from typing import Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from bench.cell import Cell
from bench.record_sections import Tuning
from bench.settings import Name, Settings
from bench.telemetry import Telemetry
from bench.tracker import Tracker


class Job(Settings):
    """A cell, and the settings that do not change its result."""

    cell: Cell
    study: Name
    """A named set of cells that share a run folder and a report."""
    runs: str = Field(min_length=1)
    """The folder that holds all studies."""
    force: bool
    """Run the cell even if its record is complete."""
    timeout_s: PositiveFloat | None
    """Stop the cell after this time; null for never."""
    checkpoint_minutes: PositiveFloat | None
    """How old the newest checkpoint may become before another is written, besides the one after every epoch; None for
    no others. It can be changed for a cell that goes on from a checkpoint."""
    gpus_per_cell: PositiveInt
    """How many GPUs a cell takes on a machine that has any; a model is spread over several."""
    gpu_locks: str = Field(min_length=1)
    """The folder with a lock for each GPU, the same for everybody who uses the machine."""
    telemetry: Telemetry
    tracker: dict[str, Tracker]
    tuned: Name | None
    """The search that chooses the settings of methods; None for those that are configured."""
    allow_mixed: bool
    """Let methods be compared whose searches had different budgets."""
    tuning: Tuning | None = None
    """What that search chose for this cell. The command line fills it in."""

    @model_validator(mode="after")
    def _on_as_many_gpus(self) -> Self:
        if self.gpus_per_cell > 1 and (reason := self.cell.method.one_gpu):
            raise ValueError(f"gpus_per_cell: must be 1 for method={self.cell.method.name}, {reason}")
        return self

    def folder(self) -> Path:
        """Where the cell's files are; it need not exist. Raises InputError as `Cell.key` does."""
        return Path(self.runs) / self.study / self.cell.folder_name()

    def title(self) -> str:
        """The cell in a few words."""
        cell = self.cell
        return f"{cell.model.name} {cell.method.name} {cell.dataset.name} seed {cell.seed}"
