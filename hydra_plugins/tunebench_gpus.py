"""The launcher behind `hydra/launcher=gpus`. Hydra accepts launchers of this namespace only."""

from collections.abc import Sequence
from importlib.util import find_spec

from hydra.core.utils import JobReturn

from bench.cli import sweep
from bench.supervisor.lease import candidates
from bench.supervisor.progress import console

if find_spec("hydra_plugins.hydra_joblib_launcher") is not None:
    from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher

    class GpuLauncher(JoblibLauncher):
        """Runs as many cells at the same time as this machine has GPUs for, or as many as `n_jobs` says."""

        def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
            """Start the workers and wait for them. Each cell takes its GPUs itself, and waits for them if it must."""
            if self.joblib["n_jobs"] < 1:
                self.joblib["n_jobs"] = self._n_workers()
            return super().launch(job_overrides, initial_job_idx)

        def _n_workers(self) -> int:
            to_run = [cell.job for cell in sweep.planned if not cell.done]
            gpus_per_cell = min((job.gpus_per_cell for job in to_run), default=1)
            if not (gpus := candidates(gpus_per_cell)):
                console.print("hydra/launcher=gpus: no GPU can be seen; the cells run on the CPU, one at a time")
            return max(1, min(len(gpus) // gpus_per_cell, len(to_run)))
