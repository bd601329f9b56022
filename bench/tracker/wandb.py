"""Weights & Biases: one run there for each run of a cell, online or kept in the cell's folder to be uploaded later.

Everything that may wait for a server happens in a thread of its own, which the supervisor hands its news to and, at
the cell's end, waits for no longer than the settings say.
"""

from __future__ import annotations

import json
import netrc
import os
import secrets
import shlex
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from queue import Full, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, NonNegativeInt, PositiveFloat

from bench.protocol import AnyEvent, PhaseStarted
from bench.record import Record
from bench.telemetry.reading import Reading
from bench.tracker import CellInfo, Sink, Tracker
from bench.tracker.series import Thinned, point_of

if TYPE_CHECKING:
    import wandb

FOLDER = "wandb"
BACKLOG = 10_000
"""News that may wait for W&B; a library that takes none for so long is given up."""
AXES = {"train/*": "train/step", "evaluation/*": "train/step", "telemetry/*": "telemetry/t_s", "phase": "telemetry/t_s"}
"""Metrics to what they are plotted against."""

QUIET: dict[str, Any] = {
    "silent": True,
    "console": "off",
    "disable_git": True,
    "disable_code": True,
    "save_code": False,
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
}
"""What the library would say, look up and measure by itself, all off: the environment, packages, commit and telemetry
come from the supervisor, and a command line or a diff may hold what is nobody's business."""

Row = dict[str, Any]
"""What happened at one time, as metric to value."""


LATE = Event()
"""Set when a server took no run, or not in time: one cell has waited for it, the next ones are kept offline at once."""


class Wandb(Tracker):
    """Where runs go on Weights & Biases, and what of them. The key is W&B's own affair: `wandb login` keeps it."""

    project: Annotated[str, Field(min_length=1)] = "tunebench"
    entity: Annotated[str, Field(min_length=1)] | None = None
    """The user or team; null for the key's own."""
    mode: Literal["auto", "online", "offline"] = "auto"
    """`auto` does what WANDB_MODE says, otherwise `online`. Without a key or an answer, a run is kept offline."""
    predictions: NonNegativeInt = 50
    """How many predictions, spread over all of them, the table of samples has; 0 for no table."""
    upload_adapter: bool = False
    """Whether what training changed is uploaded, too, as an artifact."""
    init_timeout_s: PositiveFloat = 15.0
    """How long a server may take to accept a run. The cell does not wait meanwhile."""
    finish_timeout_s: PositiveFloat = 30.0
    """How long a server may take for what is left when a cell has ended. What is late can be synced later."""

    def open(self, info: CellInfo) -> WandbRun:
        """Begin a run, without waiting for it."""
        return WandbRun(self, info)


def sync_command(folders: Iterable[Path]) -> str | None:
    """The command that uploads what the cells in `folders` have kept and W&B has not; None if it has everything."""
    kept = [log for folder in folders for log in sorted(folder.glob(f"{FOLDER}/*run-*/*.wandb"))]
    waiting = [log.parent for log in kept if not _uploaded(log).exists()]
    if not waiting:
        return None
    begun_online = any(not folder.name.startswith("offline-") for folder in waiting)
    return shlex.join(["wandb", "sync", *(["--include-online"] if begun_online else []), *map(str, waiting)])


def _uploaded(log: Path) -> Path:
    """The mark that W&B itself leaves beside a run's log that it has uploaded."""
    return log.with_suffix(".wandb.synced")


class WandbRun(Sink):
    """One run of a cell: hands rows to its thread, which may be left behind with a server that does not answer."""

    def __init__(self, settings: Wandb, info: CellInfo) -> None:
        self._begun_by_s = time.monotonic() + settings.init_timeout_s
        self._finish_s = settings.finish_timeout_s
        self._start_s = info.start_s
        self._folder = info.folder
        self._telemetry = Thinned()
        self._news: Queue[Row | Record] = Queue(BACKLOG)
        self._thread = _Uploader(settings, info, self._telemetry, self._news)
        self._thread.start()

    def handle(self, event: AnyEvent) -> None:
        """Log the numbers of a step or an evaluation, and which phase begins."""
        if (point := point_of(event)) is not None:
            self._put({"train/step": point.at, **point.values})
        elif isinstance(event, PhaseStarted):
            self._put({"telemetry/t_s": event.at_s - self._start_s, "phase": event.phase})

    def sample(self, reading: Reading) -> None:
        """Log the second that `reading` completes."""
        if (point := self._telemetry.add(reading)) is not None:
            self._put({"telemetry/t_s": point.at, **point.values})

    def close(self, record: Record) -> None:
        """Add what is known at the end, and wait for the upload, but not for ever."""
        for point in self._telemetry.rest():
            self._put({"telemetry/t_s": point.at, **point.values})
        self._put(record)
        self._thread.begun.wait(max(0.0, self._begun_by_s - time.monotonic()))
        self._thread.join(self._finish_s)
        if self._thread.is_alive() or isinstance(self._thread.error, TimeoutError):
            LATE.set()
            raise TimeoutError(f"W&B has not finished in time; what it has lies in {self._folder / FOLDER}")
        if self._thread.error is not None:
            raise self._thread.error

    def _put(self, news: Row | Record) -> None:
        if self._thread.error is not None:
            raise self._thread.error
        try:
            self._news.put_nowait(news)
        except Full:
            raise TimeoutError(f"W&B has stopped taking news; what it has lies in {self._folder / FOLDER}") from None


class _Uploader(Thread):
    """The life of a run at W&B, from its beginning to its record."""

    def __init__(self, settings: Wandb, info: CellInfo, telemetry: Thinned, news: Queue[Row | Record]) -> None:
        # Daemon: the command ends when its cells have ended, whatever a server does.
        super().__init__(name="wandb", daemon=True)
        self.begun = Event()
        """Set when it is known whether the run goes online."""
        self.error: Exception | None = None
        self._refused = Event()
        """Set when the server has stopped the run or refused its data for good."""
        self._settings = settings
        self._info = info
        self._telemetry = telemetry
        self._news = news

    def run(self) -> None:
        """Begin the run, log rows as they come, and end it with the record."""
        try:
            run = self._begin()
            self.begun.set()
            while isinstance(news := self._news.get(), dict):
                run.log(news)
            self._summarise(run, news)
            try:
                self._add_files(run, news)
            finally:
                self._finish(run, news)
        except Exception as error:
            self.error = error
        finally:
            self.begun.set()

    def _begin(self) -> wandb.Run:
        # Otherwise every run, offline ones too, reports on the library itself to its makers.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        known = wandb.setup(wandb.Settings(silent=True)).settings
        mode: str = self._settings.mode
        if mode == "auto":
            mode = os.environ.get("WANDB_MODE") or "online"
        if mode == "online" and (LATE.is_set() or not _has_key(known)):
            mode = "offline"
        if mode != "online":
            return self._init(mode, secrets.token_hex(4))
        name = secrets.token_hex(4)
        try:
            return self._init(mode, name)
        except wandb.Error as error:
            LATE.set()
            reason = str(error).partition("\n")[0]
            _tell(f"W&B did not take the run, so it is kept offline: {reason}")
            for stub in self._info.folder.glob(f"{FOLDER}/run-*-{name}"):
                shutil.rmtree(stub)
            return self._init("offline", secrets.token_hex(4))

    def _init(self, mode: Any, name: str) -> wandb.Run:
        import wandb

        cell = self._info.cell
        run = wandb.init(
            id=name,
            mode=mode,
            dir=str(self._info.folder),
            project=self._settings.project,
            entity=self._settings.entity,
            group=self._info.study,
            job_type=cell.method.name,
            name=self._info.title,
            tags=[cell.model.name, cell.method.name, cell.dataset.name, f"seed-{cell.seed}"],
            config={
                **cell.model_dump(mode="json"),
                "key": self._info.key,
                "study": self._info.study,
                "environment": self._info.environment.model_dump(mode="json"),
            },
            # A supervisor has many runs, one after another, and one that a server holds up must not be the next one's.
            reinit="create_new",
            settings=wandb.Settings(
                init_timeout=self._settings.init_timeout_s,
                finish_timeout=self._settings.finish_timeout_s,
                finish_timeout_raises=True,
                # A tracker shows a cell and never stops it, whatever is clicked there or goes wrong with an upload.
                stop_on_fatal_error=True,
                stop_fn=self._refused.set,
                **QUIET,
            ),
        )
        for axis in sorted(set(AXES.values())):
            run.define_metric(axis, hidden=True, summary="none")
        for metrics, axis in AXES.items():
            run.define_metric(metrics, step_metric=axis, summary="none")
        return run

    def _summarise(self, run: wandb.Run, record: Record) -> None:
        if self._telemetry.devices:
            run.config["telemetry_devices"] = {name: uuid for uuid, name in self._telemetry.devices.items()}
        phase_seconds: defaultdict[str, float] = defaultdict(float)
        for phase in record.phases:
            phase_seconds[phase.name] += phase.seconds
        content = record.model_dump(mode="json", exclude={"cell", "environment", "phases"})
        run.summary.update({**content, "phase_seconds": dict(phase_seconds)})

    def _add_files(self, run: wandb.Run, record: Record) -> None:
        import wandb

        folder = self._info.folder
        # Without scores, the predictions that lie there are an earlier run's.
        if self._settings.predictions and record.scores is not None:
            run.log({"predictions": _table(folder / "predictions.jsonl", self._settings.predictions)})
        if self._settings.upload_adapter and record.parameters and record.parameters.saved_bytes:
            artifact = wandb.Artifact(folder.name, type="adapter")
            artifact.add_dir(str(folder / "adapter"))
            run.log_artifact(artifact)

    def _finish(self, run: wandb.Run, record: Record) -> None:
        log = next(Path(run.dir).parent.glob("*.wandb"), None)
        run.finish(exit_code=0 if record.status == "ok" else 1)
        if log is not None and not run.offline and not self._refused.is_set():
            _uploaded(log).touch()


def _has_key(known: wandb.Settings) -> bool:
    """Whether W&B would find a key without asking the user for one."""
    if known.api_key or known.identity_token_file:
        return True
    try:
        logins = netrc.netrc(os.environ.get("NETRC"))
    except (OSError, netrc.NetrcParseError):
        return False
    return logins.authenticators(urlsplit(known.base_url).netloc) is not None


@cache
def _tell(message: str) -> None:
    """Tell the user, once however many cells it holds for."""
    print(message, file=sys.stderr)


def _table(path: Path, count: int) -> wandb.Table:
    """At most `count` answers, evenly spread over the file's lines."""
    import wandb

    with path.open(encoding="utf-8") as lines:
        answers = [json.loads(line) for line in lines]
    chosen = answers[:: -(-len(answers) // count)]
    scores = sorted({name for answer in chosen for name in answer["scores"]})
    return wandb.Table(
        columns=["id", "cluster", "prediction", "references", *scores],
        data=[
            [answer["id"], answer["cluster"], answer["prediction"], "\n".join(answer["references"])]
            + [answer["scores"][name] for name in scores]
            for answer in chosen
        ],
    )
