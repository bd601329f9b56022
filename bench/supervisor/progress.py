"""The terminal: the cell that runs, a line for each that has ended, and a table of all of them at the end."""

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import NamedTuple, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from bench import output, protocol
from bench.context import RAISE
from bench.example import SPLIT_WORDS
from bench.record import Record
from bench.record_sections import Data
from bench.tracker import Sink


class Terminal(Console):
    """Standard output. If nobody reads it any more (`| head`) or it cannot be written, cells go on without it."""

    def _check_buffer(self) -> None:
        # Everything that a console shows passes here: lines, tables and the progress of the running cell.
        try:
            super()._check_buffer()
        except OSError as error:
            self._give_up(error.strerror or str(error))

    def on_broken_pipe(self) -> None:
        """Give up; the console's own answer is to end the program."""
        self._give_up("nobody reads it")

    def _give_up(self, reason: str) -> None:
        self.quiet = True
        output.discard()
        warn(f"Standard output is closed ({reason}); the cells go on, and their records say how they end.")


console = Terminal(highlight=False, markup=False, emoji=False, soft_wrap=True)
run_times_s: list[float] = []
"""How long each cell took that this process has run to its end so far."""
warned: set[str] = set()
"""What has been said about data and scores, so that a sweep says it once."""


class Place(NamedTuple):
    """Where a cell stands in its sweep."""

    number: int
    """Counted from 1."""
    total: int
    label: str
    """The values that were swept, such as `lora seed 0`; empty if none were."""
    in_order: bool
    """Whether this process runs all cells one after another, so that their times say how long the rest takes."""


class Line(Sink):
    """The running cell: phase, step, loss, tokens per second and time left; one line for each phase if piped."""

    def __init__(
        self, title: str, place: Place | None = None, remedy: Callable[[int | None], str] = lambda _: RAISE
    ) -> None:
        """`remedy` says what lets longer examples in, given the length of the model's context in tokens."""
        columns = TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[detail]}")
        self._title = title
        self._place = place
        self._remedy, self._advice = remedy, RAISE
        self._start_s = time.monotonic()
        self._phases: set[str] = set()
        self._score_settings: Mapping[str, str] = {}
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task(title, total=None, detail="starting")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def handle(self, event: protocol.AnyEvent) -> None:
        match event:
            case protocol.PhaseStarted():
                self._begin(event.phase)
            case protocol.ModelLoaded():
                self._advice = self._remedy(event.base.context_length)
            case protocol.DataPrepared():
                self._warn_of(event.data)
            case protocol.Step():
                left_s = event.seconds * (event.n_steps - event.step)
                loss = "not finite" if event.loss is None else f"{event.loss:.3f}"
                detail = (
                    f"train  step {event.step}/{event.n_steps}  loss {loss}  "
                    f"{event.tokens / event.seconds:,.0f} tokens/s  {duration(left_s)} left"
                )
                self._show(detail, event.step, event.n_steps)
            case protocol.Answering():
                self._show(f"generate  {event.answered}/{event.n_examples}", event.answered, event.n_examples)
            case protocol.Warned():
                announce(self._title, event.message)
            case protocol.Scored():
                self._score_settings = event.score_settings
            case protocol.Missing():
                self._warn_of_scores(event.reasons)

    def close(self, record: Record) -> None:
        """Print how the cell ended, and how long the rest of the sweep may take."""
        self._progress.stop()
        announce(self._title, ending(record))
        if record.status == "ok":
            run_times_s.append(time.monotonic() - self._start_s)
        if record.status != "interrupted" and (left := sweep_left(self._place, math.inf)):
            console.print(left)

    def before(self, state: str) -> None:
        """Show something about the cell before it starts."""
        self._begin(state)

    def _begin(self, phase: str) -> None:
        self._show(phase, 0, None)
        # Training and evaluation alternate; a log needs each of them once.
        if not console.is_terminal and phase not in self._phases:
            announce(self._title, phase)
        self._phases.add(phase)

    def _warn_of(self, data: Data) -> None:
        self._say_once(data_warning(data, self._advice))

    def _warn_of_scores(self, reasons: Mapping[str, str]) -> None:
        for path, reason in reasons.items():
            section, _, name = path.partition(".")
            if section == "scores" and reason != "random_weights":
                self._say_once(f"no {name}: {self._score_settings.get(name, reason)}")

    def _say_once(self, text: str) -> None:
        if text and text not in warned:
            warned.add(text)
            announce(self._title, text)

    def _show(self, detail: str, completed: int, total: int | None) -> None:
        left = sweep_left(self._place, time.monotonic() - self._start_s)
        self._progress.update(self._task, detail=f"{detail}  {left}".rstrip(), completed=completed, total=total)


def heading(title: str, place: Place | None) -> str:
    """What a cell is called in the terminal: `title`, or its place in the sweep and what was swept."""
    return title if place is None else f"{place.number} of {place.total}  {place.label or title}"


def sweep_left(place: Place | None, elapsed_s: float) -> str:
    """How long the rest of the sweep may take at the mean time of the cells run so far; empty if that is not known.

    The cell at `place` has run for `elapsed_s`, which is infinity once it has ended.
    """
    if place is None or not place.in_order or not run_times_s:
        return ""
    mean_s = fmean(run_times_s)
    left_s = max(0.0, mean_s - elapsed_s) + mean_s * (place.total - place.number)
    return f"sweep: about {duration(left_s)} left" if left_s else ""


def data_warning(data: Data, remedy: str) -> str:
    """Which examples were dropped or truncated and which references are too long to generate; empty if none.

    `remedy` lets longer examples in.
    """
    lost = [
        f"{count:,} of {split.n_read:,} {SPLIT_WORDS[name]} examples {what}"
        for name, split in data.counts.items()
        for count, what in ((split.n_dropped, "dropped"), (split.n_truncated, "truncated"))
        if count
    ]
    texts = [f"{', '.join(lost)} to fit: {remedy}"] if lost else []
    for name in data.counts:
        if steps := [f"{step.n_dropped:,} ({step.step})" for step in data.left_out if step.split == name]:
            texts.append(f"left out of {SPLIT_WORDS[name]}: {', '.join(steps)}")
    if data.n_references_too_long:
        texts.append(
            f"{data.n_references_too_long:,} of {data.n_scored:,} references longer than an answer may be: "
            f"raise generation.max_new_tokens{_to_cover(data)}"
        )
    if data.n_fewer_shots:
        texts.append(
            f"{data.n_fewer_shots:,} of {data.n_scored:,} prompts with fewer examples than method.shots "
            f"({data.n_shots_mean:.1f} on average) to fit: {remedy}"
        )
    return "; ".join(texts)


def _to_cover(data: Data) -> str:
    """How far: for 99 % of the references, unless fewer than 1 % are too long; empty for records without lengths."""
    lengths = data.reference_tokens
    if not lengths or data.n_references_too_long is None:
        return ""
    if data.n_references_too_long < 0.01 * data.n_scored:
        return f" to {lengths['largest']:,}, which covers all of them"
    return f" to {lengths['p99']:,}, which covers 99 % of them"


def announce(title: str, message: str) -> None:
    """Print one line about a cell."""
    console.print(f"{title}  {message}")


def ending(record: Record) -> str:
    """How a cell ended: its status with the error's phase and first line, or with the main score and the time."""
    if record.error is None:
        return f"{record.status}  {main_score(record)}  {duration(record.seconds)}"
    phase = f"in {record.error.phase}: " if record.error.phase else ""
    return f"{record.status}  {phase}{record.error.message.splitlines()[0]}"


def warn(text: str) -> None:
    """Print to standard error, if it is still open."""
    # A signal handler gets a RuntimeError if it interrupted such a print.
    with contextlib.suppress(OSError, RuntimeError):
        print(text, file=sys.stderr, flush=True)


def summarise(cells: Iterable[tuple[str, Record | str]]) -> None:
    """Print the table of all cells of a sweep, each with its record or with the reason why it has none."""
    table = Table("cell", "status", "score", "time", "peak memory", box=None, pad_edge=False)
    for title, record in cells:
        if isinstance(record, str):
            table.add_row(title, record, "-", "-", "-")
        else:
            table.add_row(title, record.status, main_score(record), duration(record.seconds), peak_memory(record))
    console.print()
    console.print(table, soft_wrap=False)


def point_to_weights(folders: Iterable[Path]) -> None:
    """Print where the trained weights of the cells in `folders` are, one line for each study."""
    studies = {folder.parent for folder in folders if (folder / "adapter").is_dir()}
    for study in sorted(studies):
        console.print(f"\nTrained weights: {study / '*' / 'adapter'}")


def main_score(record: Record) -> str:
    """The score of the first metric of the cell's configuration, with its name."""
    name, value = next(iter((record.scores or {}).items()), (None, None))
    if value is None:
        return "-" if name is None else f"{name} -"
    return f"{name} {value:.3f}"


def peak_memory(record: Record) -> str:
    """The device's peak if it was measured, otherwise torch's or the process's, with its name."""
    if record.memory is None:
        return "-"
    for name, peak in (
        ("device", record.memory.device_peak_bytes),
        ("torch", record.memory.torch_reserved_peak_bytes),
        ("rss", record.memory.rss_peak_bytes),
    ):
        if peak is not None:
            return f"{peak / 1e9:.2f} GB {name}"
    return "-"


def duration(seconds: float) -> str:
    """Such as `42 s`, `3 min 05 s` or `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
