"""What tunebench's own sweepers share: they say which cells they may launch, and launch them in batches."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from bench.cli import place, sweep
from bench.cli.points import Point


class BatchSweeper(Sweeper):
    """A sweeper in `hydra_plugins/`, where Hydra looks for it.

    All cells that it may ever launch are composed and checked before the first starts. Then it launches them batch
    after batch; the next batch may depend on the records of those before it. Cells that are in no batch do not run, and
    are not listed at the end.
    """

    def __init__(self, **settings: object) -> None:
        """Take the settings of `hydra.sweeper`, which `points` reads from the configuration."""

    @staticmethod
    @abstractmethod
    def points(config: DictConfig) -> list[Point]:
        """Every cell that may be launched, in order, for the composed configuration of a multirun.

        Raises:
            InputError: what was typed cannot be swept like this.
        """

    @abstractmethod
    def batches(self) -> Iterator[Sequence[sweep.PlannedCell]]:
        """Yield cells of `sweep.planned` to launch together; asked for the next when all of them have ended."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config = config
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Launch the batches one after another, until there are no more or a stop is asked for."""
        for batch in self.batches():
            begun = len(sweep.launched)
            sweep.launched.extend(batch)
            place.publish([cell.overrides for cell in sweep.launched])
            if batch:
                for result in self.launcher.launch([cell.overrides for cell in batch], initial_job_idx=begun):
                    _ = result.return_value  # raises what ended the job
            if sweep.stopped.is_set():
                return
