"""Stopping a running cell: after its time limit, on Ctrl-C, and on signals of batch systems and closed terminals."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing.context import ForkServerProcess
from types import FrameType
from typing import Literal

from bench.supervisor import server
from bench.supervisor.progress import warn
from bench.supervisor.signals import Handlers, on_stop_signals

GRACE_S = 60.0
"""How long a cell that was asked to stop has for its last step and checkpoint."""

StopReason = Literal["timeout", "interrupted"]


class Stop:
    """The request to stop one cell."""

    def __init__(self) -> None:
        self.reason: StopReason | None = None
        self.signals: list[signal.Signals] = []
        """The signals that asked for it, each once, in the order of their arrival."""
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
        if number not in self.signals:
            self.signals.append(signal.Signals(number))
        # Set before any call: another signal can arrive at each of them, and is not the first one then.
        before, self.reason = self.reason, "interrupted"
        if self.ended:
            if number == signal.SIGINT:
                warn("\nWriting the record.")
        elif before != "interrupted":
            when = "" if self._process is None else " after the current step"
            warn(f"\nStopping{when}; Ctrl-C again stops at once.")
            self.ask("interrupted")
        elif self._presses > 1:
            warn("\nStopping at once.")
            self._kill()

    def cause(self) -> str:
        """What stopped the cell, for its record."""
        if self.reason == "timeout":
            return "the cell ran longer than timeout_s"
        sent = [number.name for number in self.signals if number is not signal.SIGINT]
        return f"stopped by {' and '.join(sent)}" if sent else "stopped by the user"

    def hand_back(self, before: Handlers) -> None:
        """Let the handlers of before, which waited for the record, answer the signals: the sweep's or a launcher's.

        Raises:
            KeyboardInterrupt: a signal had no handler.
        """
        for number in self.signals:
            if not callable(handler := before[number]):
                raise KeyboardInterrupt
            handler(number, None)


@contextlib.contextmanager
def stopping() -> Iterator[Stop]:
    """Have signals ask the cell to stop, a second Ctrl-C kill it, and no further one prevent its record.

    Afterwards the signals are answered as they would have been without this.
    """
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
    stop.hand_back(before)
