"""Standard output that nobody reads to its end, as in `tunebench --help | head`, or that is closed from the start."""

import os
import sys
from collections.abc import Callable

UNREAD = 141
"""The exit status that shells give to a command whose reader has left (128 and the number of SIGPIPE)."""
INTERRUPTED = 130
"""The same after Ctrl-C (128 and the number of SIGINT)."""


def run(command: Callable[[], int]) -> int:
    """Run a command that only prints. Returns its exit status.

    It ends without a traceback on Ctrl-C, and once nobody reads what it prints.
    """
    _replace_closed_streams()
    try:
        try:
            return command()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        discard()
        return UNREAD
    except KeyboardInterrupt:
        return INTERRUPTED


def say(line: str) -> None:
    """Print a line of a command that goes on even if nobody reads it any more."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        discard()


def discard() -> None:
    """Discard whatever else is printed. Python would fail once more when it flushes what is left at its end."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _replace_closed_streams() -> None:
    """Without an output (`>&-`) the next file opened would get its number, and everything that is printed."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115
