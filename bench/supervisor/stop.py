"""Stopping a running cell: after its time limit, on Ctrl-C, and on signals of batch systems and closed terminals."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing.context import ForkServerProcess
from types import FrameType
from typing import Any, Literal

from bench.supervisor import server
from bench.supervisor.progress import warn

GRACE_S = 60.0
"""How long a cell that was asked to stop has for its last step and checkpoint."""

StopReason = Literal["timeout", "interrupted"]


class Stop:
    """The request to stop one cell."""

    def __init__(self) -> None:
        self.reason: StopReason | None = None
        self.ended = False
        """Whether the cell's process has ended, so that only its record is left to write."""
        self._kill_at_s = math.inf
        self._presses = 0
        """How often Ctrl-C was pressed."""
        self._process: ForkServerProcess | None = None

    def attach(self, process: ForkServerProcess) -> None:
        """Pass requests on to `process`; at once if there has been one already."""
        self._process = process
        if self.reason is not None:
            self.ask(self.reason)

    def ask(self, reason: StopReason) -> None:
        """Ask the cell to stop after its current step."""
        self.reason = reason
        self._kill_at_s = time.monotonic() + GRACE_S
        if self._process is not None:
            self._process.terminate()

    def check(self, end_s: float) -> None:
        """Ask the cell to stop if the time is after `end_s`, and kill it once its grace period is over."""
        now_s = time.monotonic()
        if self.reason is None and now_s > end_s:
            self.ask("timeout")
        if now_s > self._kill_at_s:
            self._kill()

    def _kill(self) -> None:
        if self._process is None:
            server.kill()
        else:
            self._process.kill()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        # Only Ctrl-C again is impatience: a closing terminal and batch systems send one request several times.
        self._presses += number == signal.SIGINT
        # Set before any call: another signal can arrive at each of them, and is not the first one then.
        before, self.reason = self.reason, "interrupted"
        if self.ended:
            if number == signal.SIGINT:
                warn("\nWriting the record.")
        elif before != "interrupted":
            warn("\nStopping after the current step; Ctrl-C again stops at once.")
            self.ask("interrupted")
        elif self._presses > 1:
            warn("\nStopping at once.")
            self._kill()


@contextlib.contextmanager
def stopping() -> Iterator[Stop]:
    """Have signals ask the cell to stop, a second Ctrl-C kill it, and no further one prevent its record."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = on_stop_signals(stop._on_signal)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def on_stop_signals(handler: Any) -> dict[signal.Signals, Any]:
    """Handle Ctrl-C, SIGTERM and SIGHUP with `handler`; gives the handlers before. `nohup` keeps SIGHUP ignored."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return {number: signal.signal(number, handler) for number in numbers}
