"""The terminal: a line for the cell that runs, one for each that has ended, and a table of all at the end."""

from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from bench import protocol
from bench.record import Record
from bench.tracker import Sink

console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


class Line(Sink):
    """The running cell: phase, step, loss, tokens per second and time left. Shown on terminals only."""

    def __init__(self, title: str) -> None:
        columns = TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[detail]}")
        self._title = title
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task(title, total=None, detail="starting")
        self._progress.start()

    def handle(self, event: protocol.AnyEvent) -> None:
        match event:
            case protocol.PhaseStarted():
                self._show(event.phase, 0, None)
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
                console.print(f"{self._title}  {event.message}")

    def close(self, record: Record) -> None:
        self._progress.stop()
        announce(self._title, record)

    def _show(self, detail: str, completed: int, total: int | None) -> None:
        self._progress.update(self._task, detail=detail, completed=completed, total=total)


def announce(title: str, record: Record | None, word: str | None = None) -> None:
    """Print one line about a cell: how it ended, or `word` where there is more to say."""
    status = "" if record is None else f"  {record.status}"
    if word is None and record is not None:
        word = (
            record.error.message.splitlines()[0]
            if record.error
            else f"{main_score(record)}  {duration(record.seconds)}"
        )
        if record.error and record.error.phase:
            word = f"in {record.error.phase}: {word}"
    console.print(f"{title}{status}  {word}")


def summarise(cells: Iterable[tuple[str, Record | None]]) -> None:
    """Print the table of all cells of a sweep; a cell without a record has not ended."""
    table = Table("cell", "status", "score", "time", "peak memory", box=None, pad_edge=False)
    for title, record in cells:
        if record is None:
            table.add_row(title, "not run", "-", "-", "-")
        else:
            table.add_row(title, record.status, main_score(record), duration(record.seconds), peak_memory(record))
    console.print()
    console.print(table, soft_wrap=False)


def main_score(record: Record) -> str:
    """The first score that the cell's configuration asked for, by name."""
    name, value = next(iter((record.scores or {}).items()), (None, None))
    if value is None:
        return "-" if name is None else f"{name} -"
    return f"{name} {value:.3f}"


def peak_memory(record: Record) -> str:
    """The device's peak where it was measured, otherwise the process's, each by name."""
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
