"""The launcher behind `hydra/launcher=slurm`. Hydra accepts launchers of this namespace only."""

from collections.abc import Sequence
from importlib.util import find_spec

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from bench.cli import slurm, sweep
from bench.errors import InputError, on_one_line
from bench.supervisor.progress import announce

if find_spec("hydra_plugins.hydra_submitit_launcher") is not None:
    from hydra_plugins.hydra_submitit_launcher import config, submitit_launcher

    class SlurmLauncher(submitit_launcher.SlurmLauncher):
        """Runs every cell in a job of its own.

        The launcher that this is based on queues cells that are done as well, raises at the first job that is lost, and
        without Slurm's accounting waits for a lost job forever.
        """

        def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
            """Queue a job for each cell that is not done and has none, and wait until all jobs have left the queue."""
            cells = (sweep.launched or sweep.planned)[initial_job_idx:]
            jobs = {}
            fresh = []
            with slurm.queueing(cells[0].folder.parent):
                states = slurm.active()
                for number, cell in enumerate(cells):
                    job_id = slurm.noted(cell.folder)
                    if job_id in states:
                        jobs[job_id] = cell
                        announce(cell.job.title(), f"{states[job_id].lower()} already, as job {job_id}")
                    elif not cell.done:
                        fresh.append(number)
                for number, job_id in zip(fresh, self._submit(job_overrides, fresh, initial_job_idx), strict=True):
                    jobs[job_id] = cells[number]
                    slurm.note(cells[number].folder, job_id)
            slurm.wait({job_id: (cell.job.title(), cell.folder, cell.before) for job_id, cell in jobs.items()})
            return [JobReturn(status=JobStatus.COMPLETED) for _ in job_overrides]

        def _submit(self, job_overrides: Sequence[Sequence[str]], numbers: Sequence[int], first: int) -> list[str]:
            """Queue jobs for the cells with these numbers, the sweep's `first` being 0; gives the jobs' ids."""
            import submitit

            if not numbers:
                return []
            shared = OmegaConf.structured(config.BaseQueueConf)
            settings = {name if name in shared else f"slurm_{name}": value for name, value in self.params.items()}
            folder, most_timeouts = settings.pop("submitit_folder"), settings.pop("slurm_max_num_timeout")
            try:
                executor = submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=most_timeouts)
                executor.update_parameters(**settings)
                jobs = executor.map_array(
                    self,
                    [list(job_overrides[number]) for number in numbers],
                    ["hydra.sweep.dir"] * len(numbers),
                    [first + number for number in numbers],
                    [f"cell {first + number}" for number in numbers],
                    [Singleton.get_state()] * len(numbers),
                )
            except (RuntimeError, OSError) as error:
                raise InputError(f"Slurm took no job: {on_one_line(error)}") from error
            return [job.job_id for job in jobs]
