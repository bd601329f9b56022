"""What the cell's process reports to the supervisor: events, and the phases that its time is divided into."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from bench.child.device import allocated_peak, reserved_peak, reset_peaks, synchronize
from bench.child.interrupt import StopRequest
from bench.phase import PhaseName
from bench.protocol import Event, PhaseEnded, PhaseStarted, Warned


class Phases:
    """Sends events, and divides the cell's time into phases that do not overlap."""

    def __init__(self, connection: Connection, stop: StopRequest) -> None:
        self._connection = connection
        self._stop = stop
        self._open: list[PhaseName] = []
        self.failed_in: PhaseName | None = None
        """The innermost phase that an exception left."""

    def send(self, event: Event) -> None:
        """Send `event` in one piece: a request to stop waits until it is written."""
        # Blocking the signal would not do: another thread would get it, and its handler runs in this one even so.
        with self._stop.after():
            self._connection.send_bytes(event.model_dump_json().encode())

    def warn(self, message: str) -> None:
        """Show `message` in the terminal, and keep it in log.txt and events.jsonl."""
        print(message, flush=True)
        self.send(Warned(message=message))

    @contextmanager
    def phase(self, name: PhaseName) -> Iterator[None]:
        """Time the body as phase `name`. The phase around it is paused meanwhile."""
        outer = self._open[-1] if self._open else None
        if outer:
            self._end(outer)
        self._open.append(name)
        self._start(name)
        try:
            yield
        except BaseException:
            self.failed_in = self.failed_in or name
            raise
        finally:
            self._end(name)
            self._open.pop()
            if outer:
                self._start(outer)

    def _start(self, name: PhaseName) -> None:
        synchronize()
        reset_peaks()
        self.send(PhaseStarted(phase=name, at_s=time.monotonic()))

    def _end(self, name: PhaseName) -> None:
        synchronize()
        self.send(
            PhaseEnded(
                phase=name,
                at_s=time.monotonic(),
                torch_allocated_peak_bytes=allocated_peak(),
                torch_reserved_peak_bytes=reserved_peak(),
            )
        )
