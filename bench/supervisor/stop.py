"""Who asked a cell to stop, how long it may take, and what Ctrl-C and SIGTERM do meanwhile."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from enum import StrEnum
from multiprocessing.context import ForkServerProcess
from types import FrameType

from bench.supervisor import server
from bench.supervisor.progress import warn

GRACE_S = 60.0
"""How long a cell that was asked to stop has for its last step and checkpoint."""


class Stopped(StrEnum):
    """Why the supervisor ended a cell."""

    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"


class Stop:
    """The request to stop one cell."""

    def __init__(self) -> None:
        self.reason: Stopped | None = None
        self.ended = False
        """Whether the cell's process has ended, so that only its record is left to write."""
        self._kill_at_s: float | None = None
        self._process: ForkServerProcess | None = None

    def attach(self, process: ForkServerProcess) -> None:
        """Pass requests on to `process`; at once if there has been one already."""
        self._process = process
        if self.reason is not None:
            self.ask(self.reason)

    def ask(self, reason: Stopped) -> None:
        """Ask the cell to stop after its current step."""
        self.reason = reason
        self._kill_at_s = time.monotonic() + GRACE_S
        if self._process is not None:
            self._process.terminate()

    def check(self, end_s: float) -> None:
        """Ask the cell to stop if the time is after `end_s`, and kill it once its grace period is over."""
        now_s = time.monotonic()
        if self.reason is None and now_s > end_s:
            self.ask(Stopped.TIMEOUT)
        if self._kill_at_s is not None and now_s > self._kill_at_s:
            self._kill()

    def _kill(self) -> None:
        if self._process is None:
            server.kill()
        else:
            self._process.kill()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.ended:
            self.reason = self.reason or Stopped.INTERRUPTED
            warn("\nWriting the record.")
        elif self.reason is Stopped.INTERRUPTED:
            warn("\nStopping at once.")
            self._kill()
        else:
            warn("\nStopping after the current step; once more to stop at once.")
            self.ask(Stopped.INTERRUPTED)


@contextlib.contextmanager
def stopping() -> Iterator[Stop]:
    """Have Ctrl-C and SIGTERM ask the cell to stop, a second one kill it, and no further one prevent its record."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
