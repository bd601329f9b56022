"""How long a report takes, and how much memory, for a hundred to a thousand cells.

    python benchmarks/report_scale.py

Makes studies as runs leave them behind: 450 answers a cell with their parts in every score, an hour of telemetry at
10 Hz and a thousand training steps in events.jsonl. Records are drawn up by the cell's own account; what is scored,
measured and thinned is scored, measured and thinned by the code that does so for a cell. All cells of a method have the
same readings and steps, which are one file with many names. Reports each study in a fresh process, then once more
with nothing new. Prints a Markdown table with the machine that it came from, and writes it to
benchmarks/results/report_scale.md. Change nothing in bench/ meanwhile: a report of other code is made anew. Exits with
1 if a limit is not kept.
"""

import argparse
import contextlib
import json
import math
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import psutil
import yaml

from bench import protocol
from bench.cell import Cell
from bench.child.scores import score
from bench.cli.compose import job_of
from bench.example import Example, fingerprint
from bench.job import Job
from bench.metric import Answer, Scores
from bench.phase import PhaseName
from bench.record import Record
from bench.record_sections import (
    Base,
    Data,
    Evaluation,
    Latency,
    LatencyAtBatch,
    Overlap,
    Parameters,
    SplitCounts,
    Training,
)
from bench.report.statistics.formulas import POOLS
from bench.supervisor.account import Account
from bench.supervisor.environment import environment
from bench.supervisor.journal import Journal
from bench.telemetry.reading import Reading
from bench.telemetry.sampler import Log, Recording
from bench.telemetry.trace import to_json

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "report_scale.md"
SECONDS = 90.0
GIGABYTES = 2.0
LOOK_S = 0.5
"""How often a report's memory is looked at: each look walks all of it, and so takes time from a core."""

MODELS = ("tiny", "llama1b", "llama3b", "llama8b", "mistral7b")
METHODS = {"baseline": 0.25, "lora": 0.6, "qlora": 0.55, "toplayer": 0.4}
"""And how often each answers right."""
SEEDS = range(5)
N_STEPS = 1000
HOUR_S = 3600.0
BOARD = "GPU-5c0de0a1"


def grid(n_cells: int) -> list[tuple[str, str, dict[str, float], int]]:
    """Model, method, settings of the method, and seed of every cell: 5 models, 5 seeds, and settings to the number."""
    n_setups = n_cells // (len(MODELS) * len(SEEDS))
    trained = [name for name in METHODS if name != "baseline"]
    setups: list[tuple[str, dict[str, float]]] = [("baseline", {})]
    for at in range(n_setups - 1):
        settings = {"learning_rate": round(1e-4 * (1 + at // len(trained)), 6)}
        setups.append((trained[at % len(trained)], settings))
    return [(model, method, settings, seed) for model in MODELS for method, settings in setups for seed in SEEDS]


def answers_of(examples: Sequence[Example]) -> list[list[Answer]]:
    """Four answers to every example: right, a part of it, another's, and too much."""
    others = [*examples[7:], *examples[:7]]
    kinds: list[Callable[[Example, Example], str]] = [
        lambda own, _: own.references[0],
        lambda own, _: own.references[0].split()[-1],
        lambda _, other: other.references[0],
        lambda own, _: " ".join(own.context.split()[:12]),
    ]
    return [
        [
            Answer(**dict(own), prediction=kind(own, other), reference_nll_nats=2.0, reference_tokens=6)
            for own, other in zip(examples, others, strict=True)
        ]
        for kind in kinds
    ]


class Answers:
    """What cells answered: drawn example by example from answers that were scored once."""

    def __init__(self, cell: Cell) -> None:
        # BERTScore would fetch an encoder, which is no part of a report
        kept = {name: metric for name, metric in cell.metric.items() if name not in ("bertscore", "evaluate")}
        self._scoring = cell.model_copy(update={"metric": kept})
        self.examples = cell.dataset.load().test
        self._answers = answers_of(self.examples)
        self._scores = [score(self._scoring, answers, None, None) for answers in self._answers]

    def draw(self, skill: float, path: Path, rng: random.Random) -> Scores:
        """Write the predictions.jsonl of a cell of such a skill, and give its scores."""
        shares = [skill, 0.3 * (1 - skill), 0.6 * (1 - skill), 0.1 * (1 - skill)]
        drawn = rng.choices(range(4), shares, k=len(self.examples))
        examples: dict[str, list[Any]] = {name: [] for name in self._scores[0].examples}
        parts: dict[str, list[Any]] = {name: [] for name in self._scores[0].parts}
        nats, lines = [], []
        for at, kind in enumerate(drawn):
            answer, scores = self._answers[kind][at], self._scores[kind]
            own = {name: scores.examples[name][at] for name in examples}
            own_parts = {name: scores.parts[name][at] for name in parts}
            nats.append(rng.expovariate(skill))
            content = answer.model_dump() | {"reference_nll_nats": nats[-1], "scores": own, "parts": own_parts}
            lines.append(json.dumps(content, ensure_ascii=False) + "\n")
            for name, value in own.items():
                examples[name].append(value)
            for name, part in own_parts.items():
                parts[name].append(part)
        path.write_text("".join(lines), encoding="utf-8")
        values: dict[str, float | None] = {name: fmean(each) for name, each in examples.items()}
        info = self._scores[0].info
        values |= {name: whole(info[name].pooling or "", each) for name, each in parts.items()}
        values["perplexity"] = whole("exp_ratio", [(nat, 6) for nat in nats])
        return Scores(values=values, info=info)


def whole(pooling: str, parts: Sequence[Any]) -> float:
    """A score of all examples from the parts of each, given the kind of pooling."""
    pooled, formula = POOLS[pooling](parts)
    return float(formula(np.asarray(pooled.sum(axis=0), dtype=float)[:, np.newaxis])[0])


def phases_of(trains: bool) -> list[tuple[PhaseName, float]]:
    """The phases of an hour and their seconds, evaluation inside training every two hundred steps."""
    body: list[tuple[PhaseName, float]] = [("train", 560.0), ("validate", 40.0)] * 5 if trains else []
    rest = HOUR_S - sum(seconds for _, seconds in body) - 60.0
    tail: list[tuple[PhaseName, float]] = [("generate", rest - 40.0), ("score", 20.0), ("latency", 10.0)]
    return [("load", 50.0), ("prepare", 10.0), *body, *tail, ("save", 10.0)]


def readings(watts: float) -> Iterator[Reading]:
    """An hour at 10 Hz of one board and of the host."""
    rng = random.Random(round(watts))
    facts = {"name": "NVIDIA H100", "power_limit_w": 700.0, "power_reading": "instant"}
    yield Reading("gpu", -2.1, facts={"driver": "570.1", "devices": {BOARD: facts}})
    yield Reading("host", -2.1, facts={"packages": 0}, reasons={"package_energy_j": "no_rapl"})
    counter_j = 1e6
    for tick in range(-20, round(HOUR_S * 10)):
        at_s = tick / 10
        power_w = round((70.0 if tick < 500 else watts) + rng.uniform(-15, 15), 3)
        used = 2**30 if tick < 500 else 40 * 2**30 + 2**20 * rng.randrange(2048)
        answer = {"power_w": power_w, "energy_j": round(counter_j, 3), "memory_used_bytes": used}
        answer |= {"process_memory_bytes": used, "utilisation_percent": 0 if tick < 0 else 97}
        if tick % 10 == 0:
            answer |= {"throttle_reasons": [], "temperature_c": 61.0, "sm_mhz": 1980.0}
        yield Reading("gpu", at_s, 0.0004, values={"devices": {BOARD: answer}})
        cpu = {"rss_bytes": 3 * 2**30 + rng.randrange(2**28), "cpu_s": round(1.1 * (at_s + 2), 2)}
        yield Reading("host", at_s + 0.01, 0.0003, values=cpu)
        counter_j += power_w / 10
    for role in ("gpu", "host"):
        yield Reading(role, HOUR_S, facts={"closed": {"status": "ok", "cpu_s": 30.0}})


def training() -> Training:
    """Losses of five passes over a test set."""
    evaluations = tuple(Evaluation(step=200 * k, epoch=0.6 * k, loss=1.2 / k + 0.3) for k in range(1, 6))
    return Training(
        steps=N_STEPS,
        epochs=3.0,
        tokens=5_000_000,
        completion_tokens=90_000,
        first_loss=2.5,
        last_loss=0.4,
        step_time_s_p50=2.8,
        step_time_s_p95=3.1,
        n_steps_timed=990,
        tokens_per_s=1780.0,
        micro_batch=8,
        effective_batch=32,
        micro_batches_tried=(8,),
        resumed_from_step=0,
        stopped_early=False,
        best_step=None,
        evaluations=evaluations,
    )


def told(cell: Cell, examples: Sequence[Example], scores: Scores) -> Iterator[protocol.AnyEvent]:
    """All that a cell's process tells, on a clock that stands at 0 when it starts."""
    counts = SplitCounts(n_read=len(examples), n_dropped=0, n_truncated=0)
    trains = cell.method.trains
    trainable, total = 3_400_000 if trains else 0, 8_000_000_000
    yield protocol.ModelLoaded(
        base=Base(weights="pretrained", revision=None, precision="bfloat16", device="cuda:0", context_length=8192),
        parameters=Parameters(
            trainable=trainable, total=total, trainable_percent=100 * trainable / total, saved_bytes=None
        ),
    )
    yield protocol.DataPrepared(
        data=Data(
            scored_on="test",
            n_train=2100,
            n_tune=300,
            n_test=len(examples),
            n_dropped=0,
            n_truncated=0,
            n_references_too_long=0,
            n_clusters_tune=100,
            n_clusters_test=len({example.cluster for example in examples}),
            train=counts.model_copy(update={"n_read": 2100}),
            tune=counts.model_copy(update={"n_read": 300}),
            test=counts,
            train_fingerprint=64 * "a",
            tune_fingerprint=64 * "b",
            test_fingerprint=fingerprint(examples),
            overlap=Overlap(method="documents and texts", n_shared_clusters=0, n_shared_texts=0),
        )
    )
    at_s, step = 0.0, 0
    for phase, seconds in phases_of(trains):
        yield protocol.PhaseStarted(phase=phase, at_s=at_s)
        if phase == "train":
            for _ in range(N_STEPS // 5):
                step += 1
                yield protocol.Step(
                    at_s=at_s + 2.8 * ((step - 1) % 200 + 1),
                    step=step,
                    n_steps=N_STEPS,
                    epoch=3 * step / N_STEPS,
                    loss=0.3 + 2.2 / math.sqrt(step),
                    learning_rate=2e-4 * (1 - step / N_STEPS),
                    grad_norm=1.25,
                    seconds=2.8,
                    tokens=5000,
                )
        at_s += seconds
        peaks = {"torch_allocated_peak_bytes": 38 * 2**30, "torch_reserved_peak_bytes": 39 * 2**30}
        yield protocol.PhaseEnded(phase=phase, at_s=at_s, **peaks)
    if trains:
        yield protocol.Trained(training=training())
        yield protocol.Missing(reasons={"training.best_step": "last_weights_kept"})
        yield protocol.Saved(bytes=13_600_000)
    yield protocol.Scored(scores=scores.values, score_settings=scores.settings, score_info=scores.info)
    yield protocol.Missing(reasons={f"scores.{name}": reason for name, reason in scores.missing.items()})
    times = dict.fromkeys(("time_to_first_token_s_p50", "time_to_first_token_s_p95"), 0.02)
    times |= dict.fromkeys(("time_per_output_token_s_p50", "time_per_output_token_s_p95"), 0.01)
    times |= dict.fromkeys(("tokens_per_s_p50", "tokens_per_s_p95"), 100.0)
    one = LatencyAtBatch(batch=1, n_runs=5, n_output_tokens=32, **times)
    yield protocol.LatencyMeasured(latency=Latency(single=one, batched=one.model_copy(update={"batch": 16})))
    yield protocol.Finished()


@dataclass(frozen=True)
class Like:
    """What the cells of one method share."""

    record: Record
    folder: Path
    """With telemetry.jsonl, trace.json and events.jsonl."""

    def cell(self, cell: Cell, scores: Scores, rng: random.Random, study: str) -> Record:
        """The record of one more cell of the method: its own scores, and its own share of power."""
        own = self.record.model_dump(mode="json")
        power = scaled(own["power"], rng.uniform(0.8, 1.2))
        own |= {"cell": cell.model_dump(mode="json"), "key": cell.key(), "study": study}
        own |= {"scores": scores.values, "power": power}
        return Record.model_validate(own)


def scaled(section: Any, factor: float, name: str = "") -> Any:
    """A section with its watts and joules times `factor`."""
    if isinstance(section, dict):
        return {key: scaled(value, factor, key) for key, value in section.items()}
    if isinstance(section, list):
        return [scaled(value, factor, name) for value in section]
    return section * factor if isinstance(section, float) and name.endswith(("_w", "_j")) else section


def like(cell: Cell, job: Job, watts: float, examples: Sequence[Example], scores: Scores, folder: Path) -> Like:
    """One cell of a method in full."""
    folder.mkdir(parents=True)
    log = Log(folder / "telemetry.jsonl", recent=1)
    for reading in readings(watts):
        log.write(reading)
    recording: Recording = log.close()
    account = Account(cell, cell.key(), "scale", 0.0)
    journal = Journal(folder / "events.jsonl", 0.0)
    for event in told(cell, examples, scores):
        account.handle(event)
        journal.handle(event)
    record = account.record("ok", None, HOUR_S, environment(job.telemetry.gpu), recording, job.telemetry)
    journal.close(record)
    trace = account.trace(recording, job.telemetry)
    assert trace is not None
    (folder / "trace.json").write_text(to_json(trace))
    return Like(record, folder)


def default_job() -> Job:
    """What `python -m bench` composes when nothing is typed."""
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(version_base="1.3", config_dir=str(ROOT / "conf")):
        return job_of(compose("config", return_hydra_config=True))


def cell_of(job: Job, model: str, method: str, settings: dict[str, float], seed: int) -> Cell:
    """A point of the grid, from the files of `conf/`."""
    content = job.cell.model_dump(mode="json")
    content["method"] = yaml.safe_load((ROOT / "conf" / "method" / f"{method}.yaml").read_text()) | settings
    content["model"]["name"] = model
    return Cell.model_validate(content | {"seed": seed})


def make(runs: Path, sizes: Sequence[int]) -> None:
    """Write a study of each size into `runs`, and what its cells share beside it."""
    job = default_job()
    answers = Answers(job.cell)
    rng = random.Random(0)
    shared = runs.parent / "shared"
    alike: dict[str, Like] = {}
    for at, (method, skill) in enumerate(METHODS.items()):
        cell = cell_of(job, MODELS[0], method, {}, 0)
        folder = shared / method
        folder.mkdir(parents=True)
        scores = answers.draw(skill, folder / "predictions.jsonl", rng)
        alike[method] = like(cell, job, 300.0 + 60 * at, answers.examples, scores, folder / "files")
    for n_cells in sizes:
        study = f"scale{n_cells}"
        for model, method, settings, seed in grid(n_cells):
            cell = cell_of(job, model, method, settings, seed)
            folder = runs / study / cell.folder_name()
            folder.mkdir(parents=True)
            scores = answers.draw(METHODS[method], folder / "predictions.jsonl", rng)
            record = alike[method].cell(cell, scores, rng, study)
            for name in ("telemetry.jsonl", "events.jsonl"):
                os.link(alike[method].folder / name, folder / name)
            shutil.copy(alike[method].folder / "trace.json", folder)
            (folder / "record.json").write_text(record.model_dump_json(indent=1) + "\n")


@dataclass(frozen=True)
class Cost:
    """What one run of the report took."""

    seconds: float
    cpu_s: float
    """Of the process and all that it started, as last seen."""
    stolen: float
    """The share of the cores' time that the host gave to other machines meanwhile."""
    peak_bytes: int
    """Of the process and all that it started, memory that they share counted once (PSS)."""


def report(runs: Path, out: Path, study: str) -> Cost:
    """Run `python -m bench.report` for one study in a process of its own."""
    command = [sys.executable, "-m", "bench.report", "--runs", str(runs), "--out", str(out), "--study", study]
    begun_s, stolen_s = time.monotonic(), psutil.cpu_times().steal
    process = psutil.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    peak_bytes, cpu_s = 0, {}
    while not ended(process, LOOK_S):
        held_bytes = 0
        for each in tree(process):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                held_bytes += each.memory_full_info().pss
                used = each.cpu_times()
                cpu_s[each.pid] = used.user + used.system
        peak_bytes = max(peak_bytes, held_bytes)
    seconds = time.monotonic() - begun_s
    stolen = (psutil.cpu_times().steal - stolen_s) / (seconds * len(os.sched_getaffinity(0)))
    print(f"  {process.stdout.read().strip()}  ({seconds:.1f} s)", file=sys.stderr)
    if process.returncode:
        raise SystemExit(f"the report of {study} ended with exit status {process.returncode}")
    return Cost(seconds, sum(cpu_s.values()), stolen, peak_bytes)


def ended(process: psutil.Popen, seconds: float) -> bool:
    """Whether `process` has ended, or does so within `seconds`."""
    with contextlib.suppress(psutil.TimeoutExpired):
        process.wait(seconds)
        return True
    return False


def tree(process: psutil.Process) -> list[psutil.Process]:
    """`process`, all that it started, and theirs."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


@dataclass(frozen=True)
class Row:
    """What the report of one study took."""

    n_cells: int
    first: Cost
    second: Cost
    """Once more, with nothing new."""
    report_bytes: int


def measure(runs: Path, out: Path, n_cells: int) -> Row:
    """Report the study of `n_cells` twice."""
    study = f"scale{n_cells}"
    first, second = (report(runs, out, study) for _ in range(2))
    size = sum(path.stat().st_size for path in (out / study).rglob("*") if path.is_file())
    return Row(n_cells, first, second, size)


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = [
        "| cells | report | CPU | taken by other machines | per cell | peak memory | on disk | with nothing new |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        first, each_ms = row.first, 1e3 * row.first.seconds / row.n_cells
        lines.append(
            f"| {row.n_cells} | {first.seconds:.1f} s | {first.cpu_s:.1f} s "
            f"| {100 * first.stolen:.0f} % | {each_ms:.0f} ms "
            f"| {first.peak_bytes / 1e9:.2f} GB | {row.report_bytes / 1e6:.1f} MB | {row.second.seconds:.1f} s |"
        )
    return "\n".join(lines)


def verdicts(rows: Sequence[Row]) -> list[tuple[str, bool]]:
    """Each limit in words, and whether it is kept."""
    largest, smallest = rows[-1], rows[0]
    n = largest.n_cells
    judged = [
        (f"{n} cells within {SECONDS:g} s", largest.first.seconds <= SECONDS),
        (f"{n} cells within {GIGABYTES:g} GB", largest.first.peak_bytes <= GIGABYTES * 1e9),
    ]
    if n > smallest.n_cells:
        growth, more = largest.first.seconds / smallest.first.seconds, n / smallest.n_cells
        judged.append((f"{more:g} times the cells take {growth:.1f} times the time, so at most linear", growth <= more))
    return judged


def machine() -> str:
    """The machine and the versions that the figures come from."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    cpu = names[0].partition(":")[2].strip() if names else platform.processor()
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pandas", "pydantic", "matplotlib"))
    load = os.getloadavg()[0]
    return (
        f"{cpu}, {len(os.sched_getaffinity(0))} cores (load before: {load:.1f}), "
        f"{psutil.virtual_memory().total / 1e9:.0f} GB; Python {platform.python_version()}, {packages}"
    )


def additions_s() -> float:
    """Seconds for ten million additions in Python: how fast a core is at this moment."""
    begun_s, total = time.perf_counter(), 0
    for number in range(10**7):
        total += number
    return time.perf_counter() - begun_s


def commit() -> str:
    """The commit that was measured."""
    found = environment(None)[0]
    return f"{found.git_commit}{', with changes' if found.git_dirty else ''}"


def main() -> None:
    """Make, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs="+", default=[100, 300, 1000], help="sizes, in multiples of 25")
    parser.add_argument("--runs", type=Path, help="make the studies in this new folder and keep them")
    parser.add_argument("--made", action="store_true", help="--runs has been made before")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        runs = (arguments.runs or Path(scratch) / "runs").resolve()
        about, measured = machine(), commit()
        if not arguments.made:
            make(runs, arguments.cells)
        before_s = additions_s()
        rows = [measure(runs, Path(scratch) / "reports", n_cells) for n_cells in sorted(arguments.cells)]
        after_s = additions_s()
    judged = verdicts(rows)
    text = "\n".join(
        [
            "# What a report takes\n",
            "450 answers, an hour of telemetry at 10 Hz and 1,000 training steps a cell; "
            "made by `python benchmarks/report_scale.py`.\n",
            f"Machine: {about}. Ten million additions in Python took it {before_s:.2f} s before the reports and "
            f"{after_s:.2f} s after them.\n",
            f"Commit: {measured}.\n",
            table(rows),
            "",
            *(f"- {'ok' if kept else 'NOT KEPT'}: {claim}" for claim, kept in judged),
        ]
    )
    print(text)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text + "\n")
    sys.exit(0 if all(kept for _, kept in judged) else 1)


if __name__ == "__main__":
    main()
