"""Real cells in real processes, ended in every possible way."""

import contextlib
import errno
import json
import os
import resource
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from bench import protocol, store
from bench.cli.compose import job_of
from bench.job import Job
from bench.record import Record
from bench.supervisor.account import Account
from bench.supervisor.server import Child
from bench.supervisor.stop import Stop, StopReason
from bench.supervisor.supervise import _listen, how_it_ended, supervise
from bench.telemetry.trace import from_json
from bench.telemetry.windows import Stretch

REPOSITORY = Path(__file__).parents[2]
SMALL = (
    "metric=[token_f1,perplexity]",
    "train.epochs=2",
    "dataset.train_limit=48",
    "dataset.tune_limit=8",
    "dataset.test_limit=8",
    "generation.max_new_tokens=8",
    "latency.warmup_runs=0",
    "latency.runs=1",
    "latency.output_tokens=2",
    "tracker=none",
)


def make_job(runs: Path, *overrides: str) -> Job:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base="1.3"):
        return job_of(compose("config", [*SMALL, f"runs={runs}", *overrides], return_hydra_config=True))


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    return partial(make_job, tmp_path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """The record of the small cell, run once without any disturbance."""
    quiet = make_job(tmp_path_factory.mktemp("undisturbed"))
    supervise(quiet)
    return record_of(quiet)


@pytest.fixture
def when(request: pytest.FixtureRequest) -> Iterator[Callable[[Job, str, Callable[[], Any]], None]]:
    """Calls a function as soon as the job's events.jsonl contains a text."""
    threads: list[threading.Thread] = []

    def at(job: Job, text: str, act: Callable[[], Any]) -> None:
        def wait() -> None:
            path = job.folder() / "events.jsonl"
            give_up_s = time.monotonic() + 300
            while time.monotonic() < give_up_s:
                if path.exists() and text in path.read_text():
                    act()
                    return
                time.sleep(0.005)

        threads.append(threading.Thread(target=wait, daemon=True))
        threads[-1].start()

    yield at
    for thread in threads:
        thread.join(timeout=5)


def record_of(job: Job) -> Record:
    record = store.read_record(job.folder())
    assert record is not None
    return record


def cell_process() -> int:
    """The process of the running cell: the newest child of the fork server, which is a child of this process."""
    for server in _children(os.getpid()):
        if b"forkserver" in Path(f"/proc/{server}/cmdline").read_bytes():
            return _children(server)[-1]
    raise AssertionError("no fork server")


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def numbers(record: Record) -> dict[str, Any]:
    """What must be the same whether or not the cell was disturbed."""
    assert record.training is not None
    times = {"step_time_s_p50", "step_time_s_p95", "n_steps_timed", "tokens_per_s", "resumed_from_step"}
    return {
        "training": record.training.model_dump(exclude=times),
        "scores": record.scores,
        "data": record.data,
        "parameters": record.parameters,
    }


def test_a_cell_ends_ok_and_is_skipped_the_next_time(
    job: Callable[..., Job], capsys: pytest.CaptureFixture[str]
) -> None:
    supervise(job())
    record = record_of(job())
    assert (record.status, record.error) == ("ok", None)
    assert [phase.name for phase in record.phases] == [
        *("load", "prepare", "train", "validate", "train", "validate", "train", "generate", "score", "latency", "save")
    ]
    assert record.training is not None
    assert (record.training.steps, len(record.training.evaluations)) == (6, 2)
    assert record.parameters is not None
    saved = job().folder() / "adapter" / "adapter_model.safetensors"
    assert record.parameters.saved_bytes == saved.stat().st_size
    assert "unexplained" not in record.missing.values()
    assert not (job().folder() / "checkpoints").exists()
    predictions = [json.loads(line) for line in (job().folder() / "predictions.jsonl").read_text().splitlines()]
    assert len(predictions) == 8
    assert record.scores is not None
    assert sum(line["scores"]["token_f1"] for line in predictions) / 8 == pytest.approx(record.scores["token_f1"])
    phases = [Stretch(phase.name, phase.start_s, phase.seconds) for phase in record.phases]
    trace = from_json((job().folder() / "trace.json").read_bytes(), phases)
    assert trace is not None
    assert trace.rss_bytes is not None
    written_at = (job().folder() / "record.json").stat().st_mtime_ns
    # A supervisor that is killed right after it has written the record leaves them.
    (job().folder() / "checkpoints" / "checkpoint-6").mkdir(parents=True)
    capsys.readouterr()

    supervise(job())

    assert capsys.readouterr().out == (
        f"tiny lora events seed 0  ok  skipped: its record is complete; force=true runs it again ({job().folder()})\n"
    )
    assert (job().folder() / "record.json").stat().st_mtime_ns == written_at
    assert not (job().folder() / "checkpoints").exists()
    supervise(job("force=true"))
    assert (job().folder() / "record.json").stat().st_mtime_ns > written_at
    assert numbers(record_of(job())) == numbers(record)


def test_phases_fill_the_cells_time_without_overlap(undisturbed: Record) -> None:
    ends = [phase.start_s + phase.seconds for phase in undisturbed.phases]
    for end, following in zip(ends, undisturbed.phases[1:], strict=False):
        assert 0 <= following.start_s - end < 0.1
    assert ends[-1] <= undisturbed.seconds


@pytest.mark.parametrize(
    "moment", ['"step":4,', '"phase_started","phase":"generate"', '"phase_started","phase":"load"']
)
def test_a_killed_cell_is_recorded_and_resumes_to_the_same_numbers(
    job: Callable[..., Job], when: Callable[[Job, str, Callable[[], Any]], None], moment: str, undisturbed: Record
) -> None:
    killed = job("train.checkpoint_steps=null")
    when(killed, moment, lambda: os.kill(cell_process(), signal.SIGKILL))
    supervise(killed)
    record = record_of(killed)
    assert record.status == "killed"
    assert record.error is not None
    assert record.error.message == "the cell's process was ended by SIGKILL, as the kernel does when memory runs out"
    supervise(killed)
    assert record_of(killed).status == "ok"
    assert numbers(record_of(killed)) == numbers(undisturbed)


SWALLOWING = """
import time
from pathlib import Path

import datasets
import evaluate


class Swallowing(evaluate.Metric):
    def _info(self):
        text = datasets.Value("string")
        features = datasets.Features({{"predictions": text, "references": text}})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references):
        if not Path({marker!r}).exists():
            Path({marker!r}).touch()
            try:
                time.sleep(300)
            except {caught}:
                pass
        return {{"swallowing": 1.0}}
"""


@pytest.mark.parametrize(("caught", "phase"), [("Exception", "score"), ("BaseException", None)])
def test_a_metric_that_swallows_exceptions_cannot_swallow_an_interrupt(
    job: Callable[..., Job], tmp_path: Path, caught: str, phase: str | None
) -> None:
    metric, marker = tmp_path / "swallowing.py", tmp_path / "marker"
    metric.write_text(SWALLOWING.format(caught=caught, marker=str(marker)))
    asked = job("metric=[evaluate]", f"metric.evaluate.metrics=[{metric}]", "method=baseline")

    def interrupt() -> None:
        while not marker.exists():
            time.sleep(0.01)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        supervise(asked)
    record = record_of(asked)
    assert record.status == "interrupted"
    assert record.error is not None
    assert record.error.phase == phase
    assert record.seconds < 60
    supervise(asked)
    assert record_of(asked).status == "ok"


def test_a_metric_that_raises_what_is_no_exception_fails_its_cell_with_a_record(
    job: Callable[..., Job], tmp_path: Path
) -> None:
    script = SWALLOWING.format(marker=str(tmp_path), caught="Exception")
    (tmp_path / "rude.py").write_text(script.replace("return {", "raise KeyboardInterrupt('rude')  # {"))
    asked = job("metric=[evaluate]", f"metric.evaluate.metrics=[{tmp_path / 'rude.py'}]", "method=baseline")
    supervise(asked)
    record = record_of(asked)
    assert record.status == "failed"
    assert record.error is not None
    assert (record.error.type, record.error.message, record.error.phase) == ("KeyboardInterrupt", "rude", "score")


def test_a_torn_checkpoint_is_not_resumed_from(job: Callable[..., Job], undisturbed: Record) -> None:
    torn = job().folder() / "checkpoints" / "checkpoint-5"
    torn.mkdir(parents=True)
    (torn / "trainer_state.json").write_text('{"global_step": 5, "log_h')
    supervise(job())
    assert record_of(job()).status == "ok"
    assert numbers(record_of(job())) == numbers(undisturbed)


def test_one_interrupt_stops_after_the_step_with_a_checkpoint(
    job: Callable[..., Job], when: Callable[[Job, str, Callable[[], Any]], None], undisturbed: Record
) -> None:
    when(job(), '"step":2,', lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        supervise(job())
    record = record_of(job())
    assert record.status == "interrupted"
    assert record.error is not None
    assert record.error.phase == "train"
    assert list((job().folder() / "checkpoints").glob("checkpoint-*/trainer_state.json"))
    supervise(job())
    resumed = record_of(job())
    assert resumed.status == "ok"
    assert resumed.training is not None
    assert resumed.training.resumed_from_step >= 2
    assert numbers(resumed) == numbers(undisturbed)


def test_a_launcher_answers_a_batch_signal_once_the_record_is_written(
    job: Callable[..., Job], when: Callable[[Job, str, Callable[[], Any]], None], undisturbed: Record
) -> None:
    """A launcher puts the job back into the queue, upon which the batch system ends it."""
    answered = []

    def requeue(number: int, _frame: object) -> None:
        answered.append((number, record_of(job()).status))
        raise SystemExit(-1)

    def preempt() -> None:
        for process in (cell_process(), os.getpid()):
            os.kill(process, signal.SIGUSR2)

    when(job(), '"step":2,', preempt)
    before = signal.signal(signal.SIGUSR2, requeue)
    try:
        with pytest.raises(SystemExit):
            supervise(job())
    finally:
        signal.signal(signal.SIGUSR2, before)
    record = record_of(job())
    assert answered == [(signal.SIGUSR2, "interrupted")]
    assert record.error is not None
    assert (record.error.phase, record.error.message) == (
        "train",
        "stopped by SIGUSR2; run it again and it goes on from its last checkpoint",
    )
    supervise(job())
    resumed = record_of(job())
    assert resumed.training is not None
    assert resumed.training.resumed_from_step >= 2
    assert numbers(resumed) == numbers(undisturbed)


def test_two_interrupts_stop_at_once(
    job: Callable[..., Job], when: Callable[[Job, str, Callable[[], Any]], None]
) -> None:
    def twice() -> None:
        os.kill(cell_process(), signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    when(job(), '"phase_started","phase":"train"', twice)
    with pytest.raises(KeyboardInterrupt):
        supervise(job())
    assert record_of(job()).status == "interrupted"


def test_a_cell_that_takes_too_long_is_timed_out(job: Callable[..., Job]) -> None:
    slow = job("timeout_s=4", "train.epochs=1000", "train.warmup_fraction=0.1")
    supervise(slow)
    record = record_of(slow)
    assert record.status == "timeout"
    assert record.error is not None
    assert record.error.message == (
        "the cell ran longer than timeout_s; run it again and it goes on from its last checkpoint"
    )
    assert 4 < record.seconds < 30


def test_the_cell_after_a_crash_runs_and_another_seed_gives_other_numbers(
    job: Callable[..., Job], when: Callable[[Job, str, Callable[[], Any]], None], undisturbed: Record
) -> None:
    when(job(), '"phase_started","phase":"train"', lambda: os.kill(cell_process(), signal.SIGSEGV))
    supervise(job())
    record = record_of(job())
    assert record.status == "failed"
    assert record.error is not None
    assert (record.error.type, record.error.phase) == ("SIGSEGV", "train")
    supervise(job("seed=1"))
    following = record_of(job("seed=1"))
    assert following.status == "ok"
    assert following.training is not None
    assert undisturbed.training is not None
    assert following.training.first_loss != undisturbed.training.first_loss


def test_a_faulty_data_set_fails_the_cell_with_one_sentence(job: Callable[..., Job], tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"id": "a"\n')
    faulty = job(f"dataset.train={broken}")
    supervise(faulty)
    record = record_of(faulty)
    assert record.status == "failed"
    assert record.error is not None
    assert (record.error.type, record.error.phase) == ("InputError", "prepare")
    assert record.error.message.startswith(f"{broken}:1: broken JSON")
    assert "Traceback" not in (faulty.folder() / "log.txt").read_text()


MANY_HEADS = (
    *("model.weights=random", "model.attention=eager", "train.micro_batch=48", "train.effective_batch=48"),
    "model.architecture={model_type: llama, vocab_size: 1280, hidden_size: 512, intermediate_size: 64, "
    "num_hidden_layers: 1, num_attention_heads: 512, num_key_value_heads: 1, head_dim: 2, "
    "max_position_embeddings: 512, initializer_range: 0.02}",
    "dataset.tune_limit=2",
    "dataset.test_limit=2",
)
"""Attention scores of 48 sequences take gigabytes, and those of a few take little."""


def leave_room(n_bytes: int) -> None:
    """Limit the running cell to the memory that it has now and `n_bytes` more."""
    cell = cell_process()
    pages = int(Path(f"/proc/{cell}/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + n_bytes
    resource.prlimit(cell, resource.RLIMIT_AS, (limit, limit))


def test_memory_that_runs_out_is_a_result(
    job: Callable[..., Job], when: Callable[[Job, str, Callable[[], Any]], None]
) -> None:
    greedy = job(*MANY_HEADS)
    when(greedy, '"phase_started","phase":"prepare"', lambda: leave_room(750_000_000))
    supervise(greedy)
    record = record_of(greedy)
    assert record.status == "oom"
    assert record.error is not None
    assert record.error.phase == "train"
    supervise(greedy)
    assert record_of(greedy).started_at == record.started_at


def test_the_micro_batch_is_fitted_to_memory_and_the_effective_batch_stays(
    job: Callable[..., Job], when: Callable[[Job, str, Callable[[], Any]], None]
) -> None:
    fitting = job(*MANY_HEADS, "train.fit_micro_batch=true", "generation.batch=1")
    when(fitting, '"phase_started","phase":"prepare"', lambda: leave_room(750_000_000))
    supervise(fitting)
    record = record_of(fitting)
    assert record.status == "ok"
    assert record.training is not None
    tried = record.training.micro_batches_tried
    assert tried[:2] == (48, 24)
    assert all(larger == 2 * smaller for larger, smaller in pairwise(tried))
    assert (record.training.micro_batch, record.training.effective_batch) == (tried[-1], 48)
    assert record.training.steps == 2
    assert record.scores == {"token_f1": None, "perplexity": None}
    assert record.missing["scores.token_f1"] == "random_weights"


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "No space left on device; free some space, and run again"),
        (errno.EDQUOT, "Disk quota exceeded; free some space, and run again"),
        (errno.EFBIG, "File too large; raise the limit on the size of files (ulimit -f), and run again"),
        (errno.EROFS, "Read-only file system; allow it, or give another folder with runs=..., and run again"),
    ],
)
def test_a_folder_that_cannot_be_written_is_one_sentence(
    job: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
    sentence: str,
) -> None:
    def refuse(path: Path, text: str) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(store, "write_atomically", refuse)
    supervise(job())
    assert capsys.readouterr().out == f"{job().title()}  {job().folder()}: {sentence}\n"


def test_a_cell_killed_in_the_middle_of_an_event() -> None:
    receiver, sender = Pipe(duplex=False)
    os.write(sender.fileno(), struct.pack("!i", 100) + b"{")
    sender.close()
    alive, _ = os.pipe()
    joined: list[bool] = []
    process: Any = SimpleNamespace(sentinel=alive, join=lambda: joined.append(True), exitcode=-9)
    quiet: Any = SimpleNamespace(start_s=0.0, drain=list, sample=lambda readings: None)
    assert _listen(Child(process, 1, receiver), quiet, quiet, quiet, quiet, None) == -9
    assert joined == [True]


def test_a_broken_record_is_kept_and_the_cell_runs_again(
    job: Callable[..., Job], capsys: pytest.CaptureFixture[str]
) -> None:
    job().folder().mkdir(parents=True)
    (job().folder() / "record.json").write_text('{"schema_version": 1, "key": ')
    supervise(job())
    assert record_of(job()).status == "ok"
    assert (job().folder() / "record.broken.json").read_text() == '{"schema_version": 1, "key": '
    assert "its record was cut off; it is in " in capsys.readouterr().out


def test_the_record_of_a_newer_version_is_left_alone(
    job: Callable[..., Job], capsys: pytest.CaptureFixture[str]
) -> None:
    job().folder().mkdir(parents=True)
    (job().folder() / "record.json").write_text('{"schema_version": 99}')
    supervise(job())
    assert (job().folder() / "record.json").read_text() == '{"schema_version": 99}'
    assert "was written by a newer tunebench (schema 99; this one knows up to 3)" in capsys.readouterr().out


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_is_one_sentence_and_the_cell_goes_on_later(
    job: Callable[..., Job],
    when: Callable[[Job, str, Callable[[], Any]], None],
    small_disk: Path,
    capsys: pytest.CaptureFixture[str],
    undisturbed: Record,
) -> None:
    def fill() -> None:
        with (small_disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while filler.write(bytes(4096)):
                pass

    full = job(f"runs={small_disk}")
    when(full, '"phase_started","phase":"train"', fill)
    supervise(full)
    assert store.read_record(full.folder()) is None
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"{full.title()}  {full.folder()}: No space left on device; free some space, and run again"
    )
    (small_disk / "filler").unlink()
    supervise(full)
    assert record_of(full).status == "ok"
    assert numbers(record_of(full)) == numbers(undisturbed)


@pytest.mark.parametrize(
    ("exitcode", "stopped", "expected"),
    [
        (-9, None, ("killed", "SIGKILL")),
        (-15, None, ("killed", "SIGTERM")),
        (-40, None, ("killed", "signal 40")),
        (-11, None, ("failed", "SIGSEGV")),
        (1, None, ("failed", "Exit")),
        (-15, "timeout", ("timeout", "Timeout")),
        (-9, "interrupted", ("interrupted", "Interrupted")),
    ],
)
def test_how_a_silent_cell_ended(
    job: Callable[..., Job], exitcode: int, stopped: StopReason | None, expected: tuple[str, str]
) -> None:
    account = Account(job().cell, "key", "study", 0.0)
    account.handle(protocol.PhaseStarted(phase="train", at_s=1.0))
    stop = Stop()
    stop.reason = stopped
    status, error = how_it_ended(account, exitcode, stop, "")
    assert error is not None
    assert (status, error.type, error.phase) == (*expected, "train")
