"""The sweeper behind `python -m bench.decide`. Hydra accepts sweepers of this namespace only.

Hydra imports this module for every command, so what takes long to import is imported when it is needed.
"""

from collections.abc import Iterator, Sequence

from omegaconf import DictConfig

from bench.cli import sweep
from bench.cli.points import Point
from bench.cli.sweeper import BatchSweeper


class DecideSweeper(BatchSweeper):
    """Runs as many seeds of each setup as it takes to tell which is the best."""

    @staticmethod
    def points(config: DictConfig) -> list[Point]:
        from bench.cli import deciding

        return list(deciding.points(config))

    def batches(self) -> Iterator[Sequence[sweep.PlannedCell]]:
        from bench.cli import deciding, sweeper_settings

        settings = sweeper_settings.settings_of(self.config, deciding.Deciding)
        return deciding.Looks(sweep.planned, settings).batches()
