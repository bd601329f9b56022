"""The child's voice: events to the supervisor, and the phases that every second of the cell belongs to."""

import gc
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import torch

from bench.protocol import Event, PhaseEnded, PhaseStarted
from bench.record import PhaseName


class Interrupted(Exception):
    """The supervisor asked the cell to stop."""


class Phases:
    """Sends events, and divides the cell's time into phases that exclude each other."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._open: list[PhaseName] = []
        self.failed_in: PhaseName | None = None
        """The phase that an exception left."""

    def send(self, event: Event) -> None:
        """Hand `event` to the supervisor, whole: a request to stop waits until it is written."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            self._connection.send_bytes(event.model_dump_json().encode())
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    @contextmanager
    def phase(self, name: PhaseName) -> Iterator[None]:
        """Time what runs inside as phase `name`. A phase around it stands still meanwhile."""
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
        if on_gpu():
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        self.send(PhaseStarted(phase=name, at_s=time.monotonic()))

    def _end(self, name: PhaseName) -> None:
        allocated = reserved = None
        if on_gpu():
            synchronize()
            allocated, reserved = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
        self.send(
            PhaseEnded(
                phase=name,
                at_s=time.monotonic(),
                torch_allocated_peak_bytes=allocated,
                torch_reserved_peak_bytes=reserved,
            )
        )


def on_gpu() -> bool:
    """Whether this process has begun to use a GPU; asking does not begin it."""
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def synchronize() -> None:
    """Wait until the device has done what it was given, so that a clock read next tells the truth."""
    if on_gpu():
        torch.cuda.synchronize()


def release_memory() -> None:
    """Give back what is no longer referenced, so that the next phase's peak is its own."""
    gc.collect()
    if on_gpu():
        torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that device or host memory ran out; torch's CPU allocator raises a plain RuntimeError."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
