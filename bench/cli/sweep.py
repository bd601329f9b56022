"""A sweep as a whole: every cell is checked before the first one starts, and all are listed when the last has ended."""

import difflib
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from bench import store
from bench.cli import place
from bench.cli.compose import as_typed, job_of
from bench.configuration import choices
from bench.errors import InputError
from bench.job import Job
from bench.supervisor.progress import console, point_to_weights, summarise

REFUSED, NOT_OK = 2, 3
"""Exit statuses: nothing was started; a cell did not end ok."""

REFUSALS = (HydraException, OmegaConfBaseException, ValueError)
"""What Hydra raises over a command line that it does not take."""

planned: list[Job] = []
"""The cells of this command, in order. Hydra hands results to nobody, so they are read back from their records."""

titles: list[str] = []
"""What each of them is called: the values that were swept, if there are any."""


class Plan(Callback):
    """Composes and validates every cell of the sweep, so that a mistake is told before anything has run."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        _plan([config])

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        if config.hydra.sweeper._target_.endswith("BasicSweeper"):
            _plan(_points(config))


def explain(error: Exception) -> str:
    """What Hydra refused, in one sentence with the choices that there are."""
    cause = error.__cause__ if isinstance(error, ConfigCompositionException) else error
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        # Of a list of choices Hydra does not tell which there are.
        if group and (options := error.options or choices(group)):
            return f"{group}: there is no {choice!r}; choose one of {', '.join(options)}{_meant(choice, options)}"
    if isinstance(cause, OmegaConfBaseException) and (cause.full_key or cause.key):
        key = str(cause.full_key or cause.key)
        parent, _, name = key.rpartition(".")
        accepted = sorted(map(str, cause.parent_node)) if isinstance(cause.parent_node, DictConfig) else []
        accepted = [field for field in accepted if field not in ("_target_", "hydra")]
        if accepted and isinstance(cause, ConfigKeyError | ConfigAttributeError):
            return (
                f"{key}: there is no such setting; {parent or 'the top level'} has {', '.join(accepted)}"
                f"{_meant(name, accepted)}"
            )
        return f"{key}: {str(cause).splitlines()[0]}"
    # What follows is where Hydra looked.
    return str(error).strip().partition("\n\n")[0]


def conclude() -> int:
    """List how every planned cell ended; gives the exit status: 0 if all are `ok`, otherwise 3."""
    ended = [(title, store.read_record(job.folder())) for title, job in zip(titles, planned, strict=True)]
    if ended:
        summarise(ended)
        point_to_weights(job.folder() for job in planned)
    for name, tracker in {name: tracker for job in planned for name, tracker in job.tracker.items()}.items():
        if line := tracker.closing_line([job.folder() for job in planned if name in job.tracker]):
            console.print(f"\n{line}")
    return 0 if all(record is not None and record.status == "ok" for _, record in ended) else NOT_OK


def _plan(configs: Iterable[DictConfig]) -> None:
    faults: dict[str, None] = {}
    typed: list[list[str]] = []

    def tell(error: Exception) -> None:
        faults.update(dict.fromkeys(explain(error).splitlines()))

    try:
        for config in configs:
            try:
                job = job_of(config)
                store.read_record(job.folder())
                planned.append(job)
                typed.append(as_typed(config))
            except InputError as error:
                tell(error)
        if not faults:
            for folder in {Path(job.runs, job.study) for job in planned}:
                store.require_folder(folder)
    except REFUSALS as error:
        tell(error)
    if not planned and not faults:
        faults["This sweep has no cell: one of its settings was given no value."] = None
    if faults:
        # Hydra swallows exceptions of callbacks, and goes on.
        print(*faults, "Nothing was started.", sep="\n", file=sys.stderr)
        sys.exit(REFUSED)
    swept = place.swept(typed)
    titles.extend(place.label(each, swept) or job.title() for each, job in zip(typed, planned, strict=True))
    place.publish(len(planned), swept)


def _points(config: DictConfig) -> Iterator[DictConfig]:
    """Every configuration that Hydra's own sweeper will run, composed as it will compose them."""
    loader = GlobalHydra.instance().config_loader()
    arguments = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    arguments += as_typed(config)
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(arguments)
    for batch in BasicSweeper.split_arguments(overrides, max_batch_size=None):
        for point in batch:
            yield loader.load_sweep_config(config, list(point))


def _meant(name: str, accepted: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, accepted, n=1)
    return f". Did you mean {close[0]}?" if close else ""
