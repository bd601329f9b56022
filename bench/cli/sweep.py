"""A sweep as a whole: everything is checked before the first cell starts, and the cells are listed after the last."""

import logging
import multiprocessing
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from bench import store
from bench.cli import arguments, check, mistakes, place, slurm, tuned
from bench.cli.compose import as_typed, job_of
from bench.cli.points import composed, points
from bench.cli.search import about_ranges
from bench.cli.sweeper_settings import require_score
from bench.configuration import CONF
from bench.errors import InputError
from bench.job import Job
from bench.lock import is_held
from bench.record import Record
from bench.supervisor.lease import candidates
from bench.supervisor.progress import console, point_to_weights, summarise, warn
from bench.supervisor.signals import on_stop_signals
from bench.supervisor.supervise import is_done, supervise

REFUSED, NOT_OK = 2, 3
"""Exit statuses: nothing was started; a cell did not end with status `ok`."""


class PlannedCell(NamedTuple):
    """A cell of this command."""

    job: Job
    folder: Path
    """Its folder as of the start: if one of its data files is deleted later, the folder cannot be computed again."""
    overrides: list[str]
    """What the user typed or swept for it."""
    before: Record | None
    """The record of an earlier run, or None."""
    done: bool
    """Whether that record is kept, so that the cell need not run."""

    @property
    def key(self) -> str:
        """The cell's key as of the start."""
        return self.folder.name.rpartition("-")[2]


planned: list[PlannedCell] = []
"""The cells of this command, in order; empty in the workers of Hydra's other launchers."""
launched: list[PlannedCell] = []
"""Those that a sweeper of tunebench's has launched; empty if all planned cells run, as with Hydra's own sweeper."""
closing: list[Callable[[], None]] = []
"""What a sweeper of tunebench's does after the table at the end, however the sweep ended."""
stopped = Event()
"""Set in such a worker, and in the process that waits for it, once the sweep was asked to stop."""


def run(typed: list[str]) -> int:
    """Run the command line `typed`. Returns the exit status."""
    on_stop_signals(signal.default_int_handler)
    # Otherwise each line that Hydra logs to an output that nobody reads would be a traceback
    logging.raiseExceptions = False
    status = 0
    try:
        sys.argv[1:] = arguments.in_order(typed)
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(run_cell)()
    except KeyboardInterrupt:
        stopped.set()
    except Exception as error:
        if isinstance(error, BrokenPipeError) and not planned:
            # A flag of Hydra's, such as `--cfg job`, only prints.
            raise
        if not planned:
            return refuse(mistakes.explain(error))
        status = NOT_OK
        if isinstance(error, InputError):
            warn(str(error))
        elif isinstance(error, OSError):
            # Hydra writes a file, too.
            warn(store.explain(error, planned[0].folder.parent))
        elif not stopped.is_set():
            traceback.print_exc()
    # The table is printed however often a stop is asked for; after it, Ctrl-C ends the process without a traceback.
    on_stop_signals(lambda *_: None)
    status = conclude() or status
    on_stop_signals(signal.SIG_DFL)
    return status


def run_cell(config: DictConfig) -> None:
    """Supervise one composed cell. Whatever happens to it, the sweep goes on; only a request to stop ends it."""
    if not planned:
        on_stop_signals(lambda *_: stopped.set(), leave_to_launcher=True)
    if stopped.is_set():
        return
    hydra_node = HydraConfig.get()
    try:
        job = job_of(OmegaConf.create({"hydra": hydra_node, **config}))
        if not planned:
            slurm.rename_own_job(f"{job.study}/{job.folder().name}")
        supervise(job, place.place_of(hydra_node))
    except InputError as error:
        warn(str(error))
    except KeyboardInterrupt:
        if planned:
            raise
        # In a worker, an exception would make joblib kill the other workers before they have written their records.
        stopped.set()
    except Exception:
        traceback.print_exc()


class Plan(Callback):
    """Composes and checks every cell of the sweep, so that mistakes are reported before anything runs."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        plan([config])

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        plan(_multirun(config), partial(about_ranges, config))
        on_stop_signals(_pass_on)


def plan(configs: Iterable[DictConfig], reworded: Callable[[Iterable[str]], Iterable[str]] = iter) -> None:
    """Fill `planned`. If anything is wrong, list all faults, as `reworded`, and exit with status 2."""
    faults: dict[str, None] = {}
    try:
        for fault in reworded(_faults(configs)):
            faults[fault] = None
    except Exception as error:
        faults.update(dict.fromkeys(mistakes.explain(error).splitlines()))
    if faults:
        # Hydra turns exceptions of callbacks into warnings and goes on, but not this one.
        sys.exit(refuse("\n".join(faults)))
    place.publish([cell.overrides for cell in planned])


def refuse(faults: str) -> int:
    """Print why nothing is started. Returns the exit status."""
    warn(f"{faults}\nNothing was started.")
    return REFUSED


def conclude() -> int:
    """List how every cell ended that was to run. Returns the exit status: 0 if all are `ok`, otherwise 3."""
    if stopped.is_set():
        warn("Stopped.")
    cells = launched or planned
    swept = place.swept([cell.overrides for cell in cells])
    queued = slurm.in_queue([cell.folder for cell in cells])
    ended = [(place.label(cell.overrides, swept) or cell.job.title(), _outcome(cell, queued)) for cell in cells]
    if ended:
        summarise(ended)
        point_to_weights(cell.folder for cell in cells)
    for name, tracker in {name: tracker for cell in cells for name, tracker in cell.job.tracker.items()}.items():
        if line := tracker.closing_line([cell.folder for cell in cells if name in cell.job.tracker]):
            console.print(f"\n{line}")
    for say in closing:
        say()
    return 0 if all(isinstance(outcome, Record) and outcome.status == "ok" for _, outcome in ended) else NOT_OK


def _multirun(config: DictConfig) -> Iterator[DictConfig]:
    # A generator, so that what `points` raises is reported as a fault of the plan.
    yield from composed(config, points(config))


def _faults(configs: Iterable[DictConfig]) -> Iterator[str]:
    """Plans every cell, and yields one sentence for each thing that is wrong."""
    faulty = False
    to_run = []
    gpus_per_cell = set()
    for config in configs:
        try:
            job = job_of(config)
            require_score(config, job.cell)
            folder = job.folder()
            record = store.read_record(folder)
        except InputError as error:
            faulty = True
            yield from str(error).splitlines()
        else:
            done = is_done(job, record)
            planned.append(PlannedCell(job, folder, as_typed(config), record, done))
            if not done:
                to_run.append(job.cell)
                if not slurm.runs_elsewhere(config):
                    gpus_per_cell.add(job.gpus_per_cell)
    if faulty:
        return
    if not planned:
        yield "This sweep has no cell: one of its settings was given no value."
    if shared := [*_shared_names(planned)]:
        yield from shared
        return
    jobs = [cell.job for cell in planned]
    if mixed := [*tuned.unequal(jobs)]:
        yield from mixed
        return
    for remark in dict.fromkeys(tuned.remarks(jobs)):
        warn(remark)
    for study in {cell.folder.parent for cell in planned}:
        store.require_folder(study)
    yield from _without_gpus(gpus_per_cell)
    spread = [cell.job.cell for cell in planned if not cell.done and cell.job.gpus_per_cell > 1]
    yield from check.faults(to_run, spread)


def _without_gpus(gpus_per_cell: Iterable[int]) -> Iterator[str]:
    """One sentence for each number of GPUs per cell that this machine cannot give."""
    for n in sorted(gpus_per_cell):
        try:
            candidates(n)
        except InputError as error:
            yield str(error)


def _shared_names(cells: Iterable[PlannedCell]) -> Iterator[str]:
    """One sentence for each name that several models of one study would share in its tables."""
    paths: dict[tuple[str, str], dict[str, None]] = {}
    for cell in cells:
        model = cell.job.cell.model
        paths.setdefault((cell.job.study, model.name), {})[model.path] = None
    for (_, name), several in paths.items():
        if len(several) > 1:
            yield (
                f"model.name: {' and '.join(several)} would all be called {name}; run each in a command of its own, "
                "with another model.name=NAME"
            )


def _pass_on(*_: object) -> None:
    """Pass a request to stop on to the workers of another launcher. They end their cells, and so the sweep."""
    workers = multiprocessing.active_children()
    if not workers:
        raise KeyboardInterrupt
    stopped.set()
    for worker in workers:
        worker.terminate()


def _outcome(cell: PlannedCell, queued: Mapping[Path, str]) -> Record | str:
    """The cell's record, unless it is the one that was to be replaced; without one, the reason."""
    if cell.folder in queued:
        return queued[cell.folder]
    try:
        record = store.read_record(cell.folder)
    except InputError:
        # Its cell has already said why.
        return "not run"
    if not cell.done and record == cell.before and is_held(cell.folder):
        return "running"
    return "not run" if record is None or (cell.job.force and record == cell.before) else record
