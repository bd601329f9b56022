"""Weights & Biases: one run there for each run of a cell, online or kept in the cell's folder to be uploaded later.

A server may be slow or down, so everything that waits for one happens in a thread (`wandb_uploader.py`). The supervisor
only puts rows into that thread's queue and, when the cell has ended, waits no longer than the settings allow.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from queue import Full, Queue
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat

from bench.protocol import AnyEvent, PhaseStarted
from bench.record import Record
from bench.telemetry.reading import Reading
from bench.tracker import CellInfo, Sink, Tracker
from bench.tracker.series import Thinned, point_of
from bench.tracker.wandb_uploader import (
    FOLDER,
    SERVER_TOO_LATE,
    Row,
    Uploader,
    has_key,
    uploaded_mark,
    wanted_mode,
)

MAX_QUEUED = 10_000
"""Rows that may wait for W&B. Once so many wait, its library is taken to hang, and the run is given up."""

LOGS = f"{FOLDER}/*run-*/*.wandb"
"""The logs of a cell's runs, in its folder."""
STAYS_OFFLINE = (
    "W&B has no key on this machine, so runs stay offline. After `wandb login`, new runs go online, and the same "
    "command again prints how to upload these. tracker=none switches W&B off."
)


class Wandb(Tracker):
    """Where runs go on Weights & Biases, and what is sent. W&B itself keeps the key: `wandb login` stores it."""

    project: Annotated[str, Field(min_length=1)] = "tunebench"
    entity: Annotated[str, Field(min_length=1)] | None = None
    """The user or team; null for the one that the key belongs to."""
    mode: Literal["auto", "online", "offline"] = "auto"
    """`auto` follows WANDB_MODE, or else is `online`. Without a key or an answer, a run is kept offline."""
    predictions: NonNegativeInt = 0
    """How many answers, with their references, to upload as a table; they are evenly spread over all. 0 for none."""
    upload_adapter: bool = False
    """Whether to upload the trained weights as an artifact."""
    init_timeout_s: PositiveFloat = 15.0
    """How long a server may take to accept a run. The cell does not wait meanwhile."""
    finish_timeout_s: PositiveFloat = 30.0
    """How long the upload may go on after a cell has ended. What is not uploaded by then can be synced later."""

    def open(self, info: CellInfo) -> WandbRun:
        return WandbRun(self, info)

    def closing_line(self, folders: Sequence[Path]) -> str | None:
        """Say what is not at W&B yet: why, if there is no key, otherwise the command that uploads it."""
        command = sync_command(folders)
        if command is None:
            return None
        if wanted_mode(self) == "online" and not has_key():
            return STAYS_OFFLINE
        return f"To upload what is not at W&B yet, once no cell is running any more:\n{command}"


def sync_command(folders: Iterable[Path]) -> str | None:
    """The command that uploads whatever the studies of the cells in `folders` have kept; None if W&B has these cells.

    `wandb sync` itself passes over what is uploaded. It would take a run that is still written for one that has ended.
    """
    studies = sorted({folder.parent for folder in folders if _kept(folder, LOGS)})
    if not studies:
        return None
    started_online = any(not run.name.startswith("offline-") for study in studies for run in _kept(study, f"*/{LOGS}"))
    cells = " ".join(f"{shlex.quote(str(study))}/*/{FOLDER}" for study in studies)
    return f"wandb sync {'--include-online ' if started_online else ''}{cells}"


def _kept(folder: Path, logs: str) -> list[Path]:
    """The folders of the runs that are not at W&B, by a pattern of their logs."""
    return [log.parent for log in folder.glob(logs) if not uploaded_mark(log).exists()]


class WandbRun(Sink):
    """One run of a cell. It hands rows to its thread, and leaves that behind if a server does not answer in time."""

    def __init__(self, settings: Wandb, info: CellInfo) -> None:
        self._start_deadline_s = time.monotonic() + settings.init_timeout_s
        self._finish_timeout_s = settings.finish_timeout_s
        self._start_s = info.start_s
        self._folder = info.folder / FOLDER
        self._telemetry = Thinned()
        self._queue: Queue[Row | Record] = Queue(MAX_QUEUED)
        self._uploader = Uploader(settings, info, self._telemetry, self._queue)
        self._uploader.start()

    def handle(self, event: AnyEvent) -> None:
        if (point := point_of(event)) is not None:
            self._put({"train/step": point.at, **point.values})
        elif isinstance(event, PhaseStarted):
            self._put({"telemetry/t_s": event.at_s - self._start_s, "phase": event.phase})

    def sample(self, reading: Reading) -> None:
        if (point := self._telemetry.add(reading)) is not None:
            self._put({"telemetry/t_s": point.at, **point.values})

    def close(self, record: Record) -> None:
        """Add what is known at the end, and wait for the upload until the time limit.

        Raises:
            TimeoutError: the server is too slow; the run can be uploaded later.
            Exception: whatever W&B's library raised in the thread.
        """
        for point in self._telemetry.rest():
            self._put({"telemetry/t_s": point.at, **point.values})
        self._put(record)
        self._uploader.started.wait(max(0.0, self._start_deadline_s - time.monotonic()))
        self._uploader.join(self._finish_timeout_s)
        if self._uploader.is_alive() or isinstance(self._uploader.error, TimeoutError):
            SERVER_TOO_LATE.set()
            raise TimeoutError(f"W&B did not finish in time; what it has so far is in {self._folder}")
        if self._uploader.error is not None:
            raise self._uploader.error

    def _put(self, item: Row | Record) -> None:
        if self._uploader.error is not None:
            raise self._uploader.error
        try:
            self._queue.put_nowait(item)
        except Full:
            raise TimeoutError(f"W&B takes no more rows; what it has so far is in {self._folder}") from None
