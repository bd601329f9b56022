"""A sweep as a whole: everything is checked before the first cell starts, and the cells are listed after the last."""

import difflib
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from bench import store
from bench.cli import check, place
from bench.cli.compose import as_typed, job_of
from bench.configuration import choices
from bench.errors import InputError
from bench.job import Job
from bench.record import Record
from bench.supervisor.progress import console, point_to_weights, summarise
from bench.supervisor.supervise import RESULTS

REFUSED, NOT_OK = 2, 3
"""Exit statuses: nothing was started; a cell did not end with status `ok`."""


class PlannedCell(NamedTuple):
    """A cell of this command."""

    job: Job
    folder: Path
    """Its folder as of the start: if one of its data files is deleted later, the folder cannot be computed again."""
    overrides: list[str]
    """What the user typed or swept for it."""


planned: list[PlannedCell] = []
"""The cells of this command, in order. Hydra does not return results, so they are read from the cells' records."""


class Plan(Callback):
    """Composes and checks every cell of the sweep, so that mistakes are reported before anything runs."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        plan([config])

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        plan(_points(config))


def plan(configs: Iterable[DictConfig]) -> None:
    """Fill `planned`. If anything is wrong, list all faults and exit with status 2."""
    faults: dict[str, None] = {}
    try:
        for fault in _faults(configs):
            faults[fault] = None
    except Exception as error:
        faults.update(dict.fromkeys(explain(error).splitlines()))
    if faults:
        # Hydra turns exceptions of callbacks into warnings and goes on, but not this one.
        sys.exit(refuse("\n".join(faults)))
    place.publish(len(planned), place.swept([cell.overrides for cell in planned]))


def refuse(faults: str) -> int:
    """Print why nothing is started. Returns the exit status."""
    print(faults, "Nothing was started.", sep="\n", file=sys.stderr)
    return REFUSED


def explain(error: Exception) -> str:
    """What was refused, in one sentence with the choices that there are. A fault of tunebench is printed in full."""
    cause = error.__cause__ if isinstance(error, ConfigCompositionException) else error
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        # Where a list of choices was given, Hydra does not say which ones exist.
        if group and (options := error.options or choices(group)):
            return f"{group}: there is no {choice!r}; choose one of {', '.join(options)}{_suggestion(choice, options)}"
    if isinstance(cause, OmegaConfBaseException) and (cause.full_key or cause.key):
        return _explain_key(cause)
    if isinstance(error, OverrideParseException):
        return f"{error.override}: cannot be read; quote a value with special characters twice, as in 'KEY=\"VALUE\"'"
    if not isinstance(error, HydraException | OmegaConfBaseException | ValueError):
        traceback.print_exception(error)
        return f"This is a fault of tunebench ({type(error).__name__}: {error}); please report it with the lines above."
    # Hydra adds where it looked after a blank line.
    return str(error).strip().partition("\n\n")[0]


def conclude() -> int:
    """List how every planned cell ended. Returns the exit status: 0 if all are `ok`, otherwise 3."""
    swept = place.swept([cell.overrides for cell in planned])
    ended = [(place.label(cell.overrides, swept) or cell.job.title(), _record(cell.folder)) for cell in planned]
    if ended:
        summarise(ended)
        point_to_weights(cell.folder for cell in planned)
    for name, tracker in {name: tracker for cell in planned for name, tracker in cell.job.tracker.items()}.items():
        if line := tracker.closing_line([cell.folder for cell in planned if name in cell.job.tracker]):
            console.print(f"\n{line}")
    return 0 if all(record is not None and record.status == "ok" for _, record in ended) else NOT_OK


def _faults(configs: Iterable[DictConfig]) -> Iterator[str]:
    """Plans every cell, and yields one sentence for each thing that is wrong."""
    faulty = False
    to_run = []
    for config in configs:
        try:
            job = job_of(config)
            folder = job.folder()
            record = store.read_record(folder)
        except InputError as error:
            faulty = True
            yield from explain(error).splitlines()
        else:
            planned.append(PlannedCell(job, folder, as_typed(config)))
            if job.force or record is None or record.status not in RESULTS:
                to_run.append(job.cell)
    if faulty:
        return
    if not planned:
        yield "This sweep has no cell: one of its settings was given no value."
    for study in {cell.folder.parent for cell in planned}:
        store.require_folder(study)
    yield from check.faults(to_run)


def _points(config: DictConfig) -> Iterator[DictConfig]:
    """Every configuration of a multirun, composed as Hydra's basic sweeper will compose it.

    Raises:
        InputError: another sweeper was chosen.
    """
    if not (sweeper := config.hydra.sweeper._target_).endswith(".BasicSweeper"):
        raise InputError(f"hydra/sweeper: only Hydra's basic sweeper can be used, got {sweeper}; leave this option out")
    loader = GlobalHydra.instance().config_loader()
    arguments = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    arguments += as_typed(config)
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(arguments)
    for batch in BasicSweeper.split_arguments(overrides, max_batch_size=None):
        for point in batch:
            yield loader.load_sweep_config(config, list(point))


def _record(folder: Path) -> Record | None:
    try:
        return store.read_record(folder)
    except (InputError, OSError):
        # Its cell has already said why.
        return None


def _explain_key(cause: OmegaConfBaseException) -> str:
    key = str(cause.full_key or cause.key)
    parent, _, name = key.rpartition(".")
    accepted = sorted(map(str, cause.parent_node)) if isinstance(cause.parent_node, DictConfig) else []
    accepted = [field for field in accepted if field not in ("_target_", "hydra")]
    if not accepted or not isinstance(cause, ConfigKeyError | ConfigAttributeError):
        return f"{key}: {str(cause).splitlines()[0]}"
    owner = parent or "the top level"
    return f"{key}: there is no such setting; {owner} has {', '.join(accepted)}{_suggestion(name, accepted)}"


def _suggestion(name: str, accepted: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, accepted, n=1)
    return f". Did you mean {close[0]}?" if close else ""
