import os
import signal
import threading
import time
from collections.abc import Iterator
from fcntl import F_SETPIPE_SZ, fcntl
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import pytest
import torch

from bench.child.device import on_gpu
from bench.child.interrupt import Interrupted, StopRequest
from bench.child.phases import Phases
from bench.protocol import AnyEvent, PhaseEnded, PhaseStarted, Saved, Warned, parse


@pytest.fixture
def pipe() -> Iterator[tuple[Connection, Phases]]:
    receiver, sender = Pipe(duplex=False)
    with receiver, sender:
        yield receiver, Phases(sender, StopRequest())


def received(receiver: Connection) -> list[AnyEvent]:
    events = []
    while receiver.poll():
        events.append(parse(receiver.recv_bytes()))
    return events


def boundaries(events: list[AnyEvent]) -> list[tuple[str, str]]:
    return [(event.kind, event.phase) for event in events if isinstance(event, PhaseStarted | PhaseEnded)]


def test_a_phase_stands_still_while_another_runs_inside_it(pipe: tuple[Connection, Phases]) -> None:
    receiver, phases = pipe
    with phases.phase("train"):
        time.sleep(0.02)
        with phases.phase("validate"):
            time.sleep(0.05)
        time.sleep(0.02)
    with phases.phase("generate"):
        phases.send(Saved(bytes=1))
    events = received(receiver)
    assert boundaries(events) == [
        ("phase_started", "train"),
        ("phase_ended", "train"),
        ("phase_started", "validate"),
        ("phase_ended", "validate"),
        ("phase_started", "train"),
        ("phase_ended", "train"),
        ("phase_started", "generate"),
        ("phase_ended", "generate"),
    ]
    assert events[-2] == Saved(bytes=1)
    times_s = [event.at_s for event in events if isinstance(event, PhaseStarted | PhaseEnded)]
    assert times_s == sorted(times_s)
    lengths_s = [end - start for start, end in zip(times_s[::2], times_s[1::2], strict=True)]
    assert lengths_s[0] >= 0.02
    assert lengths_s[1] >= 0.05
    assert lengths_s[2] >= 0.02
    assert times_s[-1] <= time.monotonic()
    assert phases.failed_in is None


def test_a_failure_ends_every_phase_that_it_leaves(pipe: tuple[Connection, Phases]) -> None:
    receiver, phases = pipe
    with pytest.raises(ZeroDivisionError), phases.phase("train"), phases.phase("validate"):
        _ = 1 / 0
    assert phases.failed_in == "validate"
    assert boundaries(received(receiver))[-2:] == [("phase_started", "train"), ("phase_ended", "train")]


def test_an_interruption_is_a_failure_too(pipe: tuple[Connection, Phases]) -> None:
    _, phases = pipe
    with pytest.raises(KeyboardInterrupt), phases.phase("generate"):
        raise KeyboardInterrupt
    assert phases.failed_in == "generate"


def test_a_warning_is_sent_and_logged(pipe: tuple[Connection, Phases], capsys: pytest.CaptureFixture[str]) -> None:
    receiver, phases = pipe
    phases.warn("checkpoint-4 was removed")
    assert received(receiver) == [Warned(message="checkpoint-4 was removed")]
    assert capsys.readouterr().out == "checkpoint-4 was removed\n"


def test_a_request_waits_until_an_event_is_sent_whole() -> None:
    """Even if another thread gets the signal, as threads of libraries may, and a large event is sent in two parts."""
    receiver, sender = Pipe(duplex=False)
    n_pipe = fcntl(sender, F_SETPIPE_SZ, 4096)
    stop = StopRequest()
    phases = Phases(sender, stop)
    received: list[AnyEvent] = []

    def request_and_receive() -> None:
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
        received.extend(parse(receiver.recv_bytes()) for _ in range(2))

    filling = Warned(message="x" * (n_pipe - 4 - len(Warned(message="").model_dump_json())))
    large = Warned(message="y" * 20_000)
    before = signal.signal(signal.SIGTERM, stop.make)
    reading = threading.Thread(target=request_and_receive, daemon=True)
    try:
        phases.send(filling)
        reading.start()
        with pytest.raises(Interrupted):
            phases.send(large)
    finally:
        signal.signal(signal.SIGTERM, before)
    sender.close()
    reading.join(10)
    assert received == [filling, large]
    assert not stop.deferred


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_there_are_no_peaks(pipe: tuple[Connection, Phases]) -> None:
    receiver, phases = pipe
    with phases.phase("load"):
        pass
    ended = received(receiver)[-1]
    assert isinstance(ended, PhaseEnded)
    assert (ended.torch_allocated_peak_bytes, ended.torch_reserved_peak_bytes) == (None, None)
    assert not on_gpu()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_peaks_are_those_of_the_phase(pipe: tuple[Connection, Phases]) -> None:
    receiver, phases = pipe
    torch.zeros(1, device="cuda")
    with phases.phase("train"):
        torch.zeros(64 * 2**20, dtype=torch.uint8, device="cuda")
    with phases.phase("generate"):
        torch.zeros(2**20, dtype=torch.uint8, device="cuda")
    peaks = [event.torch_allocated_peak_bytes for event in received(receiver) if isinstance(event, PhaseEnded)]
    assert peaks[0] is not None
    assert peaks[1] is not None
    assert peaks[0] >= 64 * 2**20 > peaks[1] >= 2**20
