"""Records for the report's tests, made through the record's own model, so that none can be what a cell cannot write."""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from bench.machine import Environment, Gpu
from bench.record import SCHEMA_VERSION, Record, Status
from bench.record_history import SCORES_OF_VERSION_1
from bench.record_sections import (
    Base,
    Data,
    Error,
    Latency,
    LatencyAtBatch,
    Overlap,
    Parameters,
    Phase,
    ScoreInfo,
    SplitCounts,
    Training,
    Tuning,
)
from bench.report.compare.comparisons import comparisons_of
from bench.report.compare.effects import effects
from bench.report.compare.family import family_of
from bench.report.compare.order import in_order
from bench.report.read.study import read_studies
from bench.report.render.table import Table
from bench.report.request import Request
from bench.report.tables.tables import tables
from bench.telemetry import Telemetry
from bench.telemetry.gather import Gathered
from bench.telemetry.host import Host
from bench.telemetry.join import TelemetrySections, TorchPeaks, measure
from bench.telemetry.nvml import Nvml
from bench.telemetry.reading import Reading
from bench.telemetry.sections import Memory, Power, Sampling
from bench.telemetry.windows import Stretch
from bench.tuning.result import SearchResult, Trial, path_of

WriteCell = Callable[..., Path]

TRAINABLE = {"baseline": 0, "lora": 1_000, "qlora": 1_000, "toplayer": 50_000}
COUNTS = SplitCounts(n_read=60, n_dropped=0, n_truncated=0)
LOAD = Phase(name="load", start_s=0.0, seconds=1.0)
TRAIN = (Phase(name="train", start_s=1.0, seconds=20.5), Phase(name="train", start_s=22.0, seconds=9.5))
GENERATE = Phase(name="generate", start_s=32.0, seconds=5.0)
GPU = "GPU-1"
LATENCY = {
    "n_runs": 5,
    "n_output_tokens": 16,
    "time_to_first_token_s_p50": 0.0125,
    "time_to_first_token_s_p95": 0.02,
    "time_per_output_token_s_p50": 0.005,
    "time_per_output_token_s_p95": 0.0075,
    "tokens_per_s_p95": 100.0,
}


def host_readings(rss_bytes: int = 1_500_000_000, until_s: float = 37.5) -> Iterator[Reading]:
    """At 10 Hz from the cell's start: constant memory, one core busy."""
    yield Reading("host", -0.1, facts={"packages": 0}, reasons={"package_energy_j": "no_rapl"})
    for tick in range(round(until_s * 10)):
        yield Reading("host", tick / 10, 0.0, values={"rss_bytes": rss_bytes, "cpu_s": tick / 10})
    yield Reading("host", until_s, facts={"closed": {"status": "ok", "cpu_s": 0.1}})


def gpu_readings(
    watts_at: Callable[[float], float],
    used_bytes_at: Callable[[float], int],
    counts: bool = True,
    until_s: float = 37.5,
) -> Iterator[Reading]:
    """At 10 Hz from 3 s before the cell, one board; with an energy counter that agrees if it `counts`."""
    facts = {"name": "NVIDIA H100", "power_limit_w": 700.0, "power_reading": "instant"}
    reasons = {} if counts else {f"{GPU}.energy_j": "not_supported"}
    yield Reading("gpu", -3.1, facts={"driver": "570.1", "devices": {GPU: facts}}, reasons=reasons)
    counter_j = 1e6
    for tick in range(-30, round(until_s * 10)):
        watts = watts_at(tick / 10)
        answer = {"power_w": watts, "memory_used_bytes": used_bytes_at(tick / 10), "utilisation_percent": 0}
        answer |= {"energy_j": counter_j} if counts else {}
        answer |= {"throttle_reasons": []} if tick % 10 == 0 else {}
        yield Reading("gpu", tick / 10, 0.0, values={"devices": {GPU: answer}})
        counter_j += watts / 10
    yield Reading("gpu", until_s, facts={"closed": {"status": "ok", "cpu_s": 0.1}})


def measured_of(
    readings: Iterable[Reading], phases: Iterable[Phase], step_time_s: float = 0.37, **changes: Any
) -> TelemetrySections:
    """What a cell's own join makes of readings, on a machine with a GPU; `changes` are of the telemetry's settings."""
    settings = {"name": "default", "gpu": Nvml(name="nvml"), "host": Host(name="host")} | changes
    return measure(
        Gathered.of(readings),
        [Stretch(phase.name, phase.start_s, phase.seconds) for phase in phases],
        Telemetry(**settings),
        file_bytes=None,
        torch_peaks={"train": TorchPeaks(6 * 10**9, 7 * 10**9)},
        torch_missing="not_reached",
        step_time_s=step_time_s,
    )


def make_record(
    method: str = "lora",
    *,
    model: str = "tiny",
    dataset: str = "events",
    seed: int = 0,
    study: str = "demo",
    status: Status = "ok",
    error: Error | None = None,
    trainable: int | None = None,
    scores: dict[str, float | None] | None = None,
    score_settings: dict[str, str] | None = None,
    score_errors: dict[str, float] | None = None,
    power_w: float | None = None,
    device_bytes: int | None = None,
    measured: TelemetrySections | None = None,
    phases: tuple[Phase, ...] | None = None,
    training: dict[str, Any] | None = None,
    answers: bool = False,
    file_bytes: int | None = None,
    rss_bytes: int = 1_500_000_000,
    test_fingerprint: str = "5e6f7a8b" + 56 * "0",
    method_settings: dict[str, Any] | None = None,
    prompt: dict[str, Any] | None = None,
    started_at: str = "2026-07-01T12:00:00+00:00",
    host: str = "bench-1",
    driver: str = "570.1",
    missing: dict[str, str] | None = None,
    only_scores: bool = False,
    infos: dict[str, ScoreInfo] | None = None,
    data: dict[str, Any] | None = None,
    tuning: dict[str, Any] | None = None,
) -> Record:
    """A cell that ended `ok` on a machine without a GPU, unless the arguments say otherwise.

    `measured` takes the place of all that telemetry gives; `training` and `data` change figures of these sections;
    `answers` adds the section `latency`; with `only_scores` the cell has no other scores than `scores`; `tuning`
    changes figures of a search of 12 trials.
    """
    trainable = TRAINABLE.get(method, 2_000) if trainable is None else trainable
    ended = status == "ok"
    values: dict[str, float | None] = {
        "token_f1": 0.7,
        "exact_match": 0.4,
        "answer_macro_f1": 0.25,
        "bleu": 0.5,
        "rouge1": 0.625,
        "rouge2": 0.375,
        "rougeL": 0.6,
        "perplexity": 3.5,
        "bertscore_f1": None,
    }
    reasons = dict.fromkeys(Record.model_fields, "not_reached") | {
        "environment": "no_nvml",
        "base.revision": "not_from_the_hub",
        "parameters.saved_bytes": "nothing_trained",
        "training": "nothing_trained" if ended else "not_reached",
        "scores.bertscore_f1": "encoder_not_available",
    }
    values = {} if only_scores else values
    peaks = {"device_peak_bytes": device_bytes, "rss_peak_bytes": rss_bytes, "phases": {}}
    power = {"peak_sampled_power_w": power_w, "devices": {}, "phases": {}, "seconds": 40.0, "n_samples": 400}
    power |= {"coverage": 1.0, "worst_gap_s": 0.1, "missed_ticks": 0}
    if measured is None:
        measured = TelemetrySections(
            power=None if power_w is None else Power.model_validate(dict.fromkeys(Power.model_fields) | power),
            memory=Memory.model_validate(dict.fromkeys(Memory.model_fields) | peaks),
            host=None,
            telemetry=Sampling(hz=10.0, file_bytes=file_bytes, gpu=None, host=None),
            missing={"memory": "no_nvml", "power": "no_nvml"},
        )
    reasons |= measured.missing
    return Record.build(
        reasons | (missing or {}),
        schema_version=SCHEMA_VERSION,
        key=f"{method}{seed}",
        study=study,
        started_at=started_at,
        seconds=42.25,
        status=status,
        error=error,
        cell={
            "model": {"_target_": "bench.model.Model", "name": model},
            "method": {"_target_": f"bench.method.{method}", "name": method} | (method_settings or {}),
            "dataset": {"_target_": f"bench.dataset.{dataset}", "name": dataset, "train": None, "test": None},
            "prompt": prompt or {"_target_": "bench.prompt.Template", "name": "squad", "max_length": 512},
            "train": {"name": "default", "epochs": 3},
            "generation": {"batch": 16, "max_new_tokens": 32},
            "seed": seed,
        },
        environment=Environment(
            git_commit="0123456789abcdef0123456789abcdef01234567",
            git_dirty=False,
            python="3.11.9",
            packages={"torch": "2.13.0", "transformers": "5.23.0"},
            gpu=None if device_bytes is None else (Gpu(name="NVIDIA H100", uuid="GPU-1", memory_bytes=80 * 10**9),),
            driver=None if device_bytes is None else driver,
            cuda=None if device_bytes is None else "12.8",
            host=host,
            platform="Linux-6.1-x86_64",
            cpu="Example CPU",
            cpu_count=2,
            memory_bytes=8_000_000_000,
        ),
        base=Base(weights="pretrained", revision=None, precision="float32", device="cpu", context_length=2048),
        data=_data(test_fingerprint, data or {}),
        parameters=Parameters(
            trainable=trainable,
            total=1_000_000,
            trainable_percent=100 * trainable / 1_000_000,
            saved_bytes=None if trainable == 0 else 4_096,
        ),
        phases=phases_of(trainable) if phases is None else phases,
        training=_training(**(training or {})) if trainable and ended else None,
        memory=measured.memory,
        power=measured.power,
        host=measured.host,
        telemetry=measured.telemetry,
        latency=_latency() if answers else None,
        scores=values | (scores or {}) if ended else None,
        score_settings=(score_settings or {}) if ended else None,
        score_errors=score_errors or {},
        score_info=score_info(*values, *(scores or {})) | (infos or {}) if ended else None,
        tuning=None if tuning is None else _tuning(**tuning),
    )


def score_info(*names: str) -> dict[str, ScoreInfo]:
    """How the built-in scores are read; a score of another library leaves everything open."""
    unknown = {"lowest": None, "highest": None, "better": None, "pooling": None}
    return {name: ScoreInfo(**SCORES_OF_VERSION_1.get(name, unknown | {"title": name})) for name in names}


def phases_of(trainable: int) -> tuple[Phase, ...]:
    """Training has two stretches: something else came in between."""
    return (LOAD, *(TRAIN if trainable else ()), GENERATE)


def _data(test_fingerprint: str, changes: dict[str, Any]) -> Data:
    counts = {
        "scored_on": "test",
        "n_train": 400,
        "n_tune": 40,
        "n_test": 60,
        "n_dropped": 0,
        "n_truncated": 0,
        "n_references_too_long": 0,
        "n_clusters_tune": 8,
        "n_clusters_test": 12,
        "train": COUNTS,
        "tune": COUNTS,
        "test": COUNTS,
        "train_fingerprint": "1a2b3c4d" + 56 * "0",
        "tune_fingerprint": "9d8c7b6a" + 56 * "0",
        "test_fingerprint": test_fingerprint,
        "overlap": Overlap(method="cluster ids and texts", n_shared_clusters=0, n_shared_texts=0),
    }
    return Data.model_validate(counts | changes)


def _training(**changes: Any) -> Training:
    figures = {
        "steps": 75,
        "epochs": 3.0,
        "tokens": 90_000,
        "completion_tokens": 4_000,
        "first_loss": 3.0,
        "last_loss": 0.5,
        "step_time_s_p50": 0.1234,
        "step_time_s_p95": 0.2,
        "n_steps_timed": 70,
        "tokens_per_s": 9_876.5,
        "micro_batch": 16,
        "effective_batch": 16,
        "micro_batches_tried": (16,),
        "resumed_from_step": 0,
        "stopped_early": False,
        "best_step": None,
        "evaluations": (),
    }
    return Training.model_validate(figures | changes)


def _tuning(**changes: Any) -> Tuning:
    figures = {
        "study": "t1",
        "search": {"learning_rate": "log(1e-05, 0.01)", "rank": "[4, 8, 16]"},
        "n_trials": 12,
        "n_failed": 1,
        "metric": "token_f1",
        "better": "higher",
        "score": 0.75,
        "tune_fingerprint": "9d8c7b6a" + 56 * "0",
        "trial_key": "lora-7",
    }
    return Tuning.model_validate(figures | changes)


def _latency() -> Latency:
    return Latency(
        single=LatencyAtBatch(batch=1, tokens_per_s_p50=200.0, **LATENCY),
        batched=LatencyAtBatch(batch=16, tokens_per_s_p50=2_500.0, **LATENCY),
    )


def answer_lines(record: Record) -> list[dict[str, Any]]:
    """A predictions.jsonl that agrees with `record`: as many answers, each score's mean and the perplexity as told.

    Exact match is 0 or 1 where that can be, every other score the same for all examples; the macro F1 is 0.25.
    """
    assert record.data is not None
    assert record.scores is not None
    n = record.data.n_test
    told = {name: value for name, value in record.scores.items() if value is not None}
    perplexity = told.pop("perplexity", 1.0)
    told.pop("answer_macro_f1", None)
    right = round(told.get("exact_match", 0.0) * n)
    whole = math.isclose(right, told.get("exact_match", 0.0) * n)
    lines = []
    for at in range(n):
        scores = told | ({"exact_match": float(at < right)} if whole and "exact_match" in told else {})
        # One class that is always hit, and three that never are
        pair = ("a", "a") if at > 1 else (("b", "c"), ("d", "c"))[at]
        lines.append(
            {
                "id": f"q{at}",
                "cluster": f"document{at // 5}",
                "question": f"Question {at}?",
                "context": f"The context of document {at // 5}.",
                "prediction": f"answer {at}",
                "references": [f"reference {at}", f"other reference {at}"],
                "reference_nll_nats": 3 * math.log(perplexity) if perplexity else None,
                "reference_tokens": 3,
                "scores": scores,
                "parts": {"answer_macro_f1": pair},
            }
        )
    return lines


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """An empty folder of runs."""
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture
def write_cell(runs: Path) -> WriteCell:
    """Writes the record that `make_record` makes of the same arguments, and beside it `readings` and what was answered,
    which is `answer_lines` as far as `answered` does not say otherwise; gives the folder.
    """

    def write(
        method: str = "lora",
        *,
        folder: str | None = None,
        readings: Iterable[Reading] | None = None,
        answered: Iterable[dict[str, Any]] | None = None,
        **changes: Any,
    ) -> Path:
        record = make_record(method, **changes)
        model, dataset = record.cell["model"]["name"], record.cell["dataset"]["name"]
        cell = runs / record.study / (folder or f"{model}-{method}-{dataset}-s{record.cell['seed']}-{record.key}")
        cell.mkdir(parents=True)
        (cell / "record.json").write_text(record.model_dump_json(indent=2))
        told = host_readings() if readings is None else readings
        (cell / "telemetry.jsonl").write_bytes(b"".join(reading.to_line() for reading in told))
        if record.scores is not None:
            lines = answer_lines(record) if answered is None else answered
            (cell / "predictions.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        return cell

    return write


@pytest.fixture
def write_search(runs: Path, write_cell: WriteCell) -> Callable[..., None]:
    """Writes a search called t1: a trial for each tune score, where None stands for one that ran out of memory, and
    what was chosen. `changes` are of every trial.
    """

    def write(method: str, scores: Iterable[float | None], n_trials: int | None = None, **changes: Any) -> None:
        trials: list[Trial] = []
        model, dataset = changes.get("model", "tiny"), changes.get("dataset", "events")
        for at, score in enumerate(scores):
            drawn = {"learning_rate": (at + 1) / 10_000}
            failed = {"status": "oom", "error": Error(type="OutOfMemoryError", message="too large", phase="train")}
            ended = failed if score is None else {"scores": {"token_f1": score}}
            folder = write_cell(
                method,
                **{"study": "t1-tune", "folder": f"{model}-{method}-{dataset}-{at}", "method_settings": drawn}
                | {"data": {"scored_on": "tune", "n_test": 40}}
                | ended
                | changes,
            )
            record = json.loads((folder / "record.json").read_text())
            record["key"] = f"{model}-{method}-{at}"
            (folder / "record.json").write_text(json.dumps(record))
            ended = {"status": record["status"], "score": score}
            trials.append(Trial(trial=at, settings=drawn, key=record["key"], **ended))
        scored = [(trial.score, trial) for trial in trials if trial.score is not None]
        best = max(scored, key=lambda pair: pair[0])[1] if scored else None
        names = {"model": model, "method": method, "dataset": dataset}
        found = SearchResult(
            study="t1",
            identities={},
            chosen=best and best.settings,
            trial=best and best.trial,
            key=best and best.key,
            metric="token_f1" if best else None,
            better="higher",
            score=best and best.score,
            score_error=None,
            tied=(),
            n_trials=n_trials or len(trials),
            n_failed=len(trials) - len(scored),
            search={"learning_rate": "log(1e-05, 0.01)"},
            seed=0,
            train_seed=0,
            train_limit=None,
            epochs=None,
            tune_fingerprint="9d8c7b6a" + 56 * "0",
            trials=tuple(trials),
            **names,
        )
        path = path_of(runs, "t1", names)
        path.parent.mkdir(exist_ok=True)
        path.write_text(found.text())

    return write


def tables_of(runs: Path, request: Request | None = None) -> dict[str, Table]:
    """The tables of the first study under `runs`, by name."""
    study, request = read_studies(runs)[0], request or Request()
    found = comparisons_of(study.cells, study.predictions)
    family = family_of(study.name, found, request.family)
    found = in_order(found, family.decides)
    compared = effects(found, request.reference, family.scores, request.pairs)
    return {table.name: table for table in tables(study, found, request, family, compared)}


@pytest.fixture(name="tables_of")
def give_tables_of() -> Callable[..., dict[str, Table]]:
    """`tables_of`, for tests, which cannot import it."""
    return tables_of


@pytest.fixture(name="answer_lines")
def give_answer_lines() -> Callable[[Record], list[dict[str, Any]]]:
    """`answer_lines`, for tests, which cannot import it."""
    return answer_lines


@pytest.fixture(name="make_record")
def give_make_record() -> Callable[..., Record]:
    """`make_record`, likewise."""
    return make_record


@pytest.fixture(name="host_readings")
def give_host_readings() -> Callable[..., Iterator[Reading]]:
    """`host_readings`, for tests, which cannot import it."""
    return host_readings


@pytest.fixture(name="gpu_readings")
def give_gpu_readings() -> Callable[..., Iterator[Reading]]:
    """`gpu_readings`, likewise."""
    return gpu_readings


@pytest.fixture(name="measured_of")
def give_measured_of() -> Callable[..., TelemetrySections]:
    """`measured_of`, likewise."""
    return measured_of


@pytest.fixture(name="phases_of")
def give_phases_of() -> Callable[[int], tuple[Phase, ...]]:
    """`phases_of`, likewise."""
    return phases_of


def texts_of(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every visible text of a figure, with its box in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for ax in figure.axes:
        texts += ax.texts
        if ax.axison:
            texts += [ax.title, ax._left_title, ax._right_title, ax.xaxis.label, ax.yaxis.label]
            for axis in (ax.xaxis, ax.yaxis):
                low, high = sorted(axis.get_view_interval())
                texts += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    shown = [text for text in texts if text.get_text() and text.get_visible() and text.get_color() != "none"]
    return [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in shown]


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """The pairs of texts of which one is over the other."""
    texts = texts_of(figure)
    return [
        (one, other)
        for index, (one, box) in enumerate(texts)
        for other, other_box in texts[index + 1 :]
        if box.overlaps(other_box)
    ]


def outside(figure: Figure) -> list[str]:
    """The texts that leave the figure."""
    width, height = figure.get_size_inches() * figure.dpi
    return [text for text, box in texts_of(figure) if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height]


@pytest.fixture(name="texts_of")
def give_texts_of() -> Callable[[Figure], list[tuple[str, Bbox]]]:
    """`texts_of`, likewise."""
    return texts_of


@pytest.fixture(name="overlaps")
def give_overlaps() -> Callable[[Figure], list[tuple[str, str]]]:
    """`overlaps`, likewise."""
    return overlaps


@pytest.fixture(name="outside")
def give_outside() -> Callable[[Figure], list[str]]:
    """`outside`, likewise."""
    return outside
