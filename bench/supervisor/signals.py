"""The signals that ask a sweep to stop: of the user, of closing terminals, and of batch systems."""

import signal
from typing import Any

BATCH = (signal.SIGUSR1, signal.SIGUSR2)
"""What batch systems send before they take a job's machine away. Launchers such as submitit handle one of them: they
put the job back into the queue."""

Handlers = dict[signal.Signals, Any]
"""What answers each signal, as `signal.signal` takes it."""


def on_stop_signals(handler: Any, leave_to_launcher: bool = False) -> Handlers:
    """Handle Ctrl-C, SIGTERM, SIGHUP and the signals in BATCH with `handler`; gives the handlers before.

    `nohup` keeps SIGHUP ignored. A launcher's handlers of BATCH stay if `leave_to_launcher` says so.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    numbers += [number for number in BATCH if not (leave_to_launcher and callable(signal.getsignal(number)))]
    return {number: signal.signal(number, handler) for number in numbers}
