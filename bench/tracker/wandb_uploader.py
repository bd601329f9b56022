"""The thread that talks to W&B: it starts a run, logs the rows of its queue, and ends the run with the record."""

from __future__ import annotations

import json
import netrc
import os
import secrets
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from queue import Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bench.record import Record
from bench.tracker import CellInfo
from bench.tracker.series import Thinned

if TYPE_CHECKING:
    import wandb

    from bench.tracker.wandb import Wandb

FOLDER = "wandb"
"""The folder of W&B's files in a cell's folder."""
X_AXES = {
    "train/*": "train/step",
    "evaluation/*": "train/step",
    "telemetry/*": "telemetry/t_s",
    "phase": "telemetry/t_s",
}
"""What each metric is plotted against."""
NOTHING_EXTRA: dict[str, Any] = {
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
"""Switches off what the library prints, collects and measures by itself. The supervisor supplies environment, commit
and telemetry; a command line or a diff may hold secrets."""

Row = dict[str, Any]
"""Metrics and their values at one point in time."""

SERVER_TOO_LATE = Event()
"""Set once a server has timed out or refused a run; later runs are kept offline at once."""


class Uploader(Thread):
    """Everything of one run that may wait for a server."""

    def __init__(self, settings: Wandb, info: CellInfo, telemetry: Thinned, queue: Queue[Row | Record]) -> None:
        # Daemon: the command ends when its cells have ended, whatever a server does.
        super().__init__(name="wandb", daemon=True)
        self.started = Event()
        """Set when it is known whether the run is online."""
        self.error: Exception | None = None
        self._refused = Event()
        """Set when the server has stopped the run or refused its data for good."""
        self._settings = settings
        self._info = info
        self._telemetry = telemetry
        self._queue = queue

    def run(self) -> None:
        """Start the run, log rows as they come, and end it with the record."""
        try:
            run = self._start_run()
            self.started.set()
            while isinstance(item := self._queue.get(), dict):
                run.log(item)
            self._summarise(run, item)
            try:
                self._add_files(run, item)
            finally:
                self._finish(run, item)
        except Exception as error:
            self.error = error
        finally:
            self.started.set()

    def _start_run(self) -> wandb.Run:
        # Without this, every run, offline ones too, reports errors of the library to its makers.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        mode = self._mode()
        if mode != "disabled" and self._info.environment.scheduler is not None:
            _start_service_outside_the_job()
        run_id = secrets.token_hex(4)
        if mode != "online":
            return self._init(mode, run_id)
        import wandb

        try:
            return self._init(mode, run_id)
        except wandb.Error as error:
            if not SERVER_TOO_LATE.is_set():
                reason = str(error).partition("\n")[0]
                print(f"W&B did not accept the run, so it is kept offline: {reason}", file=sys.stderr)
            SERVER_TOO_LATE.set()
            for remains in self._info.folder.glob(f"{FOLDER}/run-*-{run_id}"):
                shutil.rmtree(remains)
            return self._init("offline", secrets.token_hex(4))

    def _mode(self) -> str:
        mode = wanted_mode(self._settings)
        return "offline" if mode == "online" and (SERVER_TOO_LATE.is_set() or not has_key()) else mode

    def _init(self, mode: Any, run_id: str) -> wandb.Run:
        import wandb

        cell = self._info.cell
        run = wandb.init(
            id=run_id,
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
            # One supervisor has many runs, and one that waits for a server must not become the next cell's.
            reinit="create_new",
            settings=wandb.Settings(
                init_timeout=self._settings.init_timeout_s,
                finish_timeout=self._settings.finish_timeout_s,
                finish_timeout_raises=True,
                # A tracker never stops a cell, whatever is clicked at W&B or goes wrong with an upload.
                stop_on_fatal_error=True,
                stop_fn=self._refused.set,
                **NOTHING_EXTRA,
            ),
        )
        for axis in sorted(set(X_AXES.values())):
            run.define_metric(axis, hidden=True, summary="none")
        for metrics, axis in X_AXES.items():
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
        # Without scores, the predictions in the folder are an earlier run's.
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
            uploaded_mark(log).touch()


def _start_service_outside_the_job() -> None:
    """Start W&B's own process as a child of no process of this job; it ends soon after the last run.

    To end a job, Slurm may signal all descendants of its first process. W&B's own would end at once, without the
    last rows, or without any. If it cannot be started like this, the library starts it as usual.
    """
    if "WANDB_SERVICE" in os.environ:
        return
    command = (sys.executable, "-m", "wandb", "beta", "core", "start", "--idle-timeout", "30s")
    started = subprocess.run(command, capture_output=True, text=True, check=False)
    if started.returncode == 0:
        os.environ["WANDB_SERVICE"] = started.stdout.strip()


def uploaded_mark(log: Path) -> Path:
    """The empty file that W&B itself puts beside a run's log after an upload."""
    return log.with_suffix(".wandb.synced")


def wanted_mode(settings: Wandb) -> str:
    """The mode that the settings or the environment ask for."""
    return os.environ.get("WANDB_MODE") or "online" if settings.mode == "auto" else settings.mode


def has_key() -> bool:
    """Whether W&B would find a key without asking the user for one."""
    import wandb

    settings = wandb.setup(wandb.Settings(silent=True)).settings
    if settings.api_key or settings.identity_token_file:
        return True
    try:
        logins = netrc.netrc(os.environ.get("NETRC"))
    except (OSError, netrc.NetrcParseError):
        return False
    return logins.authenticators(urlsplit(settings.base_url).netloc) is not None


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
