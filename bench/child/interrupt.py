"""How a cell is asked to stop: the supervisor sends SIGTERM, and the cell decides where to end."""

import math
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(BaseException):
    """The supervisor asked the cell to stop. Not an Exception, so that no metric or library can mistake it for one."""


class StopRequest:
    """Whether the supervisor has asked the cell to stop, and what to keep in case that the cell is killed unasked."""

    def __init__(self, checkpoint_s: float = math.inf) -> None:
        self.checkpoint_s = checkpoint_s
        """How old the newest checkpoint may be before another is written, between steps."""
        self.made = False
        self.deferred = False
        """While true, a request is only noted: training finishes its current step and writes a checkpoint."""

    def make(self, *_: object) -> None:
        """Signal handler. Raises Interrupted unless `deferred`."""
        self.made = True
        if not self.deferred:
            self.check()

    @contextmanager
    def after(self) -> Iterator[None]:
        """Have a request that is made during the body take effect after it."""
        made, deferred = self.made, self.deferred
        self.deferred = True
        try:
            yield
        finally:
            self.deferred = deferred
        if not (made or deferred):
            self.check()

    def check(self) -> None:
        """Raise Interrupted if a request was made, also if a library swallowed the exception at the time."""
        if self.made:
            raise Interrupted("stopped before the cell was done")
