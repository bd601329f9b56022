"""The events of a cell, collected into its record; `cell_events`, `recording` and `record` are in conftest.py."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cell import Cell
from bench.job import Job
from bench.machine import Environment
from bench.protocol import AnyEvent, Failed, PhaseStarted, Scored
from bench.record import UNEXPLAINED, Record
from bench.record_sections import Error, Phase
from bench.supervisor.account import Account
from bench.telemetry.reading import Reading
from bench.telemetry.sampler import Log, Recording
from bench.telemetry.trace import from_json, to_json
from bench.telemetry.windows import Stretch

Machine = tuple[Environment, dict[str, str]]


def test_every_second_belongs_to_one_phase(record: Record) -> None:
    assert [(phase.name, phase.start_s, phase.seconds) for phase in record.phases] == [
        ("load", 0.5, 1.5),
        ("prepare", 2.0, 1.0),
        ("train", 3.0, 8.0),
        ("validate", 11.0, 3.0),
        ("train", 14.0, 9.0),
        ("generate", 23.0, 2.0),
        ("score", 25.0, 1.0),
        ("latency", 26.0, 1.0),
        ("save", 27.0, 0.5),
    ]
    assert (record.seconds, record.status, record.error) == (28.0, "ok", None)


def test_what_was_reported_is_in_the_record(record: Record, cell_events: list[AnyEvent], default_job: Job) -> None:
    by_kind = {event.kind: event for event in cell_events}
    assert (record.key, record.study) == ("0123456789ab", "demo")
    assert Cell.model_validate(record.cell) == default_job.cell
    assert record.base == by_kind["model_loaded"].base  # type: ignore[union-attr]
    assert record.data == by_kind["data_prepared"].data  # type: ignore[union-attr]
    assert record.training == by_kind["trained"].training  # type: ignore[union-attr]
    assert record.latency == by_kind["latency_measured"].latency  # type: ignore[union-attr]
    assert record.scores == {"token_f1": 0.625, "bertscore_f1": None}
    assert record.score_settings == {"bleu": "signature"}
    assert record.parameters is not None
    assert record.parameters.model_dump() == {
        "trainable": 1_024,
        "total": 100_000,
        "trainable_percent": 1.024,
        "saved_bytes": 4_096,
    }


def test_every_null_has_its_reason_and_nothing_else_has(record: Record) -> None:
    without_telemetry = {
        path: reason
        for path, reason in record.missing.items()
        if path.partition(".")[0] not in ("memory", "power", "host", "telemetry")
    }
    assert without_telemetry == {
        "error": "none",
        "environment.gpu": "no_nvml",
        "environment.driver": "no_nvml",
        "environment.cuda": "no_nvml",
        "base.revision": "not_from_the_hub",
        "training.best_step": "last_weights_kept",
        "training.step_time_s_p50": "too_few_steps",
        "training.step_time_s_p95": "too_few_steps",
        "training.tokens_per_s": "too_few_steps",
        "scores.bertscore_f1": "encoder_not_available",
    }


def test_memory_by_phase_is_the_largest_of_its_stretches(record: Record) -> None:
    assert record.memory is not None
    train, validate = record.memory.phases["train"], record.memory.phases["validate"]
    assert (train.torch_allocated_peak_bytes, train.torch_reserved_peak_bytes) == (3_000, 8_000)
    assert (validate.torch_allocated_peak_bytes, validate.torch_reserved_peak_bytes) == (1_000, 6_000)
    assert (record.memory.torch_allocated_peak_bytes, record.memory.torch_reserved_peak_bytes) == (3_000, 8_000)
    assert record.memory.phases["load"].torch_allocated_peak_bytes is None
    assert record.missing["memory.phases.load.torch_allocated_peak_bytes"] == "no_cuda"
    assert train.rss_peak_bytes == record.memory.rss_peak_bytes == 900_000_000
    assert record.memory.phases["generate"].rss_peak_bytes == 500_000_000


def test_telemetry_is_joined_to_the_phases(record: Record) -> None:
    assert record.power is None
    assert record.missing["power"] == "no_nvml"
    assert record.host is not None
    assert record.host.phases["train"].cpu_s == 34.0


def test_a_failure_closes_the_phase_that_was_open(
    account: Account, cell_events: list[AnyEvent], recording: Recording, machine: Machine, default_job: Job
) -> None:
    for event in cell_events[:8]:
        account.handle(event)
    assert account.open is not None
    assert account.open.phase == "train"
    error = Error(type="SIGKILL", message="gone", phase="train")
    record = account.record("killed", error, 110.0, machine, recording, default_job.telemetry)
    assert record.phases[-1] == Phase(name="train", start_s=3.0, seconds=7.0)
    assert (record.status, record.error, record.seconds) == ("killed", error, 10.0)
    assert record.data is not None
    assert {path: record.missing[path] for path in ("training", "latency", "scores", "score_settings")} == {
        "training": "not_reached",
        "latency": "not_reached",
        "scores": "not_reached",
        "score_settings": "not_reached",
    }
    assert record.missing["parameters.saved_bytes"] == "not_reached"
    assert "error" not in record.missing


def test_a_cell_that_reported_nothing(
    account: Account, recording: Recording, machine: Machine, default_job: Job
) -> None:
    error = Error(type="Exit", message="gone", phase=None)
    record = account.record("failed", error, 101.0, machine, recording, default_job.telemetry)
    assert record.phases == ()
    assert record.missing["error.phase"] == "between_phases"
    assert {record.missing[path] for path in ("base", "data", "parameters", "training")} == {"not_reached"}
    assert {path: record.missing[path] for path in ("memory", "power", "host")} == dict.fromkeys(
        ("memory", "power", "host"), "no_phases"
    )


def test_a_method_that_trains_nothing(
    make_cell: Callable[..., Cell],
    cell_events: list[AnyEvent],
    recording: Recording,
    machine: Machine,
    default_job: Job,
) -> None:
    account = Account(make_cell({"method": "baseline"}), "0123456789ab", "demo", 100.0)
    for event in cell_events:
        if event.kind not in ("trained", "saved"):
            account.handle(event)
    record = account.record("ok", None, 128.0, machine, recording, default_job.telemetry)
    assert record.parameters is not None
    assert record.parameters.saved_bytes is None
    assert record.missing["parameters.saved_bytes"] == record.missing["training"] == "nothing_trained"


A, B, MIG = "GPU-a", "GPU-b", "MIG-a"


@pytest.mark.parametrize(
    ("locked", "read", "seen", "reason"),
    [
        ([A], A, (A,), None),
        ([A], A, (B,), "other_device"),
        ([A], A, (), "other_device"),
        ([A], A, (A, B), "other_device"),
        # Nothing was locked for a cell whose telemetry is replayed.
        ([], A, (), None),
        # CUDA may call a part of a GPU by the name of the whole.
        ([MIG], MIG, (A,), None),
    ],
)
def test_what_was_read_from_a_gpu_that_the_cell_did_not_run_on_is_left_out(
    cell_events: list[AnyEvent],
    tmp_path: Path,
    machine: Machine,
    default_job: Job,
    locked: list[str],
    read: str,
    seen: tuple[str, ...],
    reason: str | None,
) -> None:
    log = Log(tmp_path / "telemetry.jsonl", recent=1)
    facts = {"name": "Board", "power_limit_w": 700.0, "power_reading": "instant", "shared": read == MIG}
    log.write(Reading("gpu", 0.0, facts={"devices": {read: facts}}))
    for tick in range(281):
        values = {"power_w": 300.0, "memory_used_bytes": 10**9, "other_processes": 0}
        log.write(Reading("gpu", tick / 10, 0.001, values={"devices": {read: values}}))
    log.write(Reading("gpu", 28.0, facts={"closed": {"status": "ok", "cpu_s": 0.1}}))
    recording = log.close()
    account = Account(default_job.cell, "0123456789ab", "demo", 100.0, locked)
    for event in cell_events:
        if event.kind == "model_loaded":
            event = event.model_copy(update={"base": event.base.model_copy(update={"gpus": seen})})
        account.handle(event)
    record = account.record("ok", None, 128.0, machine, recording, default_job.telemetry)
    trace = account.trace(recording, default_job.telemetry)
    assert trace is not None
    assert record.memory is not None
    assert record.missing.get("power") == record.missing.get("memory.device_peak_bytes") == reason
    assert (record.power is None, record.memory.device_peak_bytes is None, trace.power_w is None) == 3 * (bool(reason),)
    assert record.telemetry.shared_board == ({} if reason else {read: False})
    assert record.telemetry.gpu is not None
    assert (record.telemetry.gpu.status, record.telemetry.gpu.n_readings) == ("ok", 281)


def test_the_outcome_is_kept(account: Account) -> None:
    word = Failed(status="oom", type="OutOfMemoryError", message="CUDA out of memory", phase="train")
    assert account.outcome is None
    account.handle(word)
    assert account.outcome == word


def test_a_record_is_complete_after_every_event(
    cell_events: list[AnyEvent], recording: Recording, machine: Machine, default_job: Job
) -> None:
    """A process can be killed between any two events; even then no null stays unexplained."""
    for reached in range(len(cell_events)):
        account = Account(default_job.cell, "0123456789ab", "demo", 100.0)
        for event in cell_events[:reached]:
            account.handle(event)
        error = Error(type="SIGKILL", message="gone", phase=account.open.phase if account.open else None)
        record = account.record("killed", error, 128.0, machine, recording, default_job.telemetry)
        assert len(record.phases) == sum(isinstance(event, PhaseStarted) for event in cell_events[:reached])
        assert sum(phase.seconds for phase in record.phases) <= record.seconds
        assert (record.scores is None) == (not any(isinstance(event, Scored) for event in cell_events[:reached]))
        assert UNEXPLAINED not in record.missing.values()
        assert Record.model_validate_json(record.model_dump_json()) == record


def test_the_trace_is_of_the_record_s_phases(
    record: Record, account: Account, recording: Recording, default_job: Job
) -> None:
    trace = account.trace(recording, default_job.telemetry)
    assert trace is not None
    assert trace.rss_bytes is not None
    assert trace.power_w is None
    assert (trace.phases[0], trace.phases[-1]) == (("load", 0.0, 1.5), ("save", 26.5, 0.5))
    # 27 s at 10 Hz, training from 3 to 23 s and so from 2.5 to 22.5 s here; no bin ends at a reading
    assert len(trace.edges_s) == 271
    assert trace.rss_bytes.peak[[10, 100, 260]].tolist() == pytest.approx([5e8, 9e8, 5e8])
    written = [Stretch(phase.name, phase.start_s, phase.seconds) for phase in record.phases]
    assert from_json(to_json(trace), written) is not None
