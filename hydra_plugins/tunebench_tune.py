"""The sweeper behind `python -m bench.tune`. Hydra accepts sweepers of this namespace only.

Hydra imports this module for every command, so what takes long to import is imported when it is needed.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from bench.cli import sweep
from bench.cli.points import Point
from bench.cli.sweeper import BatchSweeper


class TuneSweeper(BatchSweeper):
    """Launches all trials of all searches at once, and writes down at the end what each search found."""

    @staticmethod
    def points(config: DictConfig) -> list[Point]:
        """Every trial. Two trials that drew the same settings are one cell."""
        from bench.cli import search

        return [list(point) for each in search.searches(config) for point in dict.fromkeys(map(tuple, each.points))]

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from bench.cli import found, search

        searches, study, runs = search.searches(config), str(config.study), Path(config.runs)
        following = found.next_command(config)
        sweep.closing.append(lambda: found.conclude(searches, study, runs, following))
        search.move_to_study(config)
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def batches(self) -> Iterator[Sequence[sweep.PlannedCell]]:
        """All trials in one batch, so that a launcher may run them side by side."""
        yield sweep.planned
