"""Fixtures for many tests: configurations as the command composes them, and small checkpoints made on the spot."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from bench.cell import Cell
from bench.cli.compose import job_of
from bench.configuration import CONF
from bench.example import Example
from bench.job import Job
from bench.machine import Environment
from bench.phase import PhaseName
from bench.protocol import (
    Answering,
    AnyEvent,
    DataPrepared,
    Evaluated,
    Finished,
    LatencyMeasured,
    Missing,
    ModelLoaded,
    PhaseEnded,
    PhaseStarted,
    Saved,
    Scored,
    Step,
    Trained,
)
from bench.record import Record
from bench.record_history import SCORES_OF_VERSION_1
from bench.record_sections import (
    Base,
    Data,
    Evaluation,
    Latency,
    LatencyAtBatch,
    Overlap,
    Parameters,
    ScoreInfo,
    SplitCounts,
    Training,
)
from bench.supervisor.account import Account
from bench.telemetry.reading import Reading
from bench.telemetry.sampler import Log, Recording
from tests.shipped import shipped
from tests.small_models import SENTENCES, byte_level_tokenizer, small, write

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from transformers import PreTrainedTokenizerFast

    from bench.model import Model


EVALUATION = Evaluation(step=2, epoch=1.0, loss=2.25)
LATENCY = LatencyAtBatch(
    batch=1,
    n_runs=5,
    n_output_tokens=16,
    time_to_first_token_s_p50=0.1,
    time_to_first_token_s_p95=0.2,
    time_per_output_token_s_p50=0.01,
    time_per_output_token_s_p95=0.02,
    tokens_per_s_p50=64.0,
    tokens_per_s_p95=60.0,
)


def pytest_configure() -> None:
    """Tests run side by side on all cores, so each of their processes gets one thread: two that share a core crawl."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


class Compose(Protocol):
    """Gives the configuration of a command line; `multirun` leaves commas to the sweep, as `-m` does."""

    def __call__(self, *overrides: str, multirun: bool = False) -> "DictConfig": ...


@pytest.fixture
def unread() -> Iterator[int]:
    """A file descriptor that is the writing end of a pipe without a reader."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@pytest.fixture(scope="session")
def build_nvml(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Builds a stand-in for the driver's libnvidia-ml.so.1; gives its folder, for LD_LIBRARY_PATH."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler to build the stand-in for libnvidia-ml.so.1 with")
    source = Path(__file__).parent / "telemetry" / "nvml_stub.c"

    def build(*flags: str) -> Path:
        folder = tmp_path_factory.mktemp("nvml")
        library = folder / "libnvidia-ml.so.1"
        subprocess.run([compiler, "-shared", "-fPIC", *flags, "-o", library, source], check=True)
        return folder

    return build


@pytest.fixture
def compose() -> Iterator[Compose]:
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None

        def composed(*overrides: str, multirun: bool = False) -> "DictConfig":
            mode = RunMode.MULTIRUN if multirun else RunMode.RUN
            return hydra.compose_config("config", list(overrides), mode, with_log_configuration=False)

        yield composed


@pytest.fixture(scope="session")
def default_config() -> "DictConfig":
    """What `python -m bench` composes when nothing is typed. Copy it before changing it."""
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        return compose("config", return_hydra_config=True)


@pytest.fixture(scope="session")
def default_job(default_config: "DictConfig") -> Job:
    return job_of(default_config)


@pytest.fixture
def make_cell(default_job: Job) -> Callable[..., Cell]:
    """Gives the default cell with changes: `{"method": "qlora"}` takes another file, `{"method.rank": 2}` a value."""

    def cell(changes: dict[str, Any] | None = None) -> Cell:
        content = default_job.cell.model_dump(mode="json")
        for key, value in (changes or {}).items():
            *parents, last = key.split(".")
            if isinstance(value, str) and (CONF / key).is_dir():
                value = shipped(key, value)
            reduce(getitem, parents, content)[last] = value
        return Cell.model_validate(content)

    return cell


@pytest.fixture(scope="session")
def tokenizer() -> "PreTrainedTokenizerFast":
    """It pads on the left, with a token of its own."""
    return byte_level_tokenizer(pad_token="<pad>", padding_side="left")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, tokenizer: "PreTrainedTokenizerFast") -> Path:
    """A Llama of two blocks and 64 dimensions with random weights and tied embeddings, and its tokenizer."""
    return write(tmp_path_factory.mktemp("tied"), small(tie_word_embeddings=True), tokenizer)


@pytest.fixture(scope="session")
def untied_checkpoint(tmp_path_factory: pytest.TempPathFactory, tokenizer: "PreTrainedTokenizerFast") -> Path:
    """The same with an output embedding of its own."""
    return write(tmp_path_factory.mktemp("untied"), small(tie_word_embeddings=False), tokenizer)


@pytest.fixture
def small_model(checkpoint: Path) -> Callable[..., "Model"]:
    """Gives the settings of the tied checkpoint in float32, with changes."""
    from bench.model import Model

    def settings(**changes: Any) -> Model:
        given = {
            "name": "small",
            "path": str(checkpoint),
            "revision": None,
            "weights": "pretrained",
            "architecture": None,
            "tokenizer": None,
            "precision": "float32",
            "attention": "sdpa",
            "trust_remote_code": False,
        }
        return Model.model_validate(given | changes)

    return settings


@pytest.fixture(scope="session")
def examples() -> tuple[Example, ...]:
    """Questions about texts of very different lengths, one of them without a context."""
    text = " ".join(SENTENCES)
    return tuple(
        Example(
            id=f"q{number}",
            cluster=f"document {number // 2}",
            question=f"Who carried out drill {number}?",
            context=text[: 23 * number],
            references=(answer, "somebody"),
        )
        for number, answer in enumerate(
            ("Militia", "the coastal brigade", "seven sailors, on Monday", "7", "a navy ship near Orsha", "the depot")
        )
    )


@pytest.fixture
def cell_events() -> list[AnyEvent]:
    """All events of a cell that trains, on a clock that showed 100 s when it started."""
    return [
        PhaseStarted(phase="load", at_s=100.5),
        ModelLoaded(
            base=Base(weights="pretrained", revision=None, precision="float32", device="cpu", context_length=256),
            parameters=Parameters(trainable=1_024, total=100_000, trainable_percent=1.024, saved_bytes=None),
        ),
        ended("load", 102.0),
        PhaseStarted(phase="prepare", at_s=102.0),
        DataPrepared(
            data=Data(
                n_train=39,
                scored_on="test",
                n_tune=5,
                n_test=8,
                n_dropped=1,
                n_truncated=2,
                n_references_too_long=0,
                n_clusters_tune=2,
                n_clusters_test=3,
                train=SplitCounts(n_read=40, n_dropped=1, n_truncated=2),
                tune=SplitCounts(n_read=5, n_dropped=0, n_truncated=0),
                test=SplitCounts(n_read=8, n_dropped=0, n_truncated=0),
                train_fingerprint=64 * "a",
                tune_fingerprint=64 * "c",
                test_fingerprint=64 * "b",
                overlap=Overlap(method="documents and texts", n_shared_clusters=0, n_shared_texts=0),
            )
        ),
        ended("prepare", 103.0),
        PhaseStarted(phase="train", at_s=103.0),
        Step(
            at_s=104.0,
            step=1,
            n_steps=2,
            epoch=0.5,
            loss=3.5,
            learning_rate=1e-4,
            grad_norm=1.5,
            seconds=0.5,
            tokens=600,
        ),
        ended("train", 111.0, 2_000, 8_000),
        PhaseStarted(phase="validate", at_s=111.0),
        ended("validate", 114.0, 1_000, 6_000),
        PhaseStarted(phase="train", at_s=114.0),
        Evaluated(at_s=114.0, evaluation=EVALUATION),
        ended("train", 123.0, 3_000, 7_000),
        Trained(
            training=Training(
                steps=2,
                epochs=1.0,
                tokens=1_200,
                completion_tokens=90,
                first_loss=3.5,
                last_loss=2.5,
                step_time_s_p50=None,
                step_time_s_p95=None,
                n_steps_timed=0,
                tokens_per_s=None,
                micro_batch=16,
                effective_batch=16,
                micro_batches_tried=(16,),
                resumed_from_step=0,
                stopped_early=False,
                best_step=None,
                evaluations=(EVALUATION,),
            )
        ),
        Missing(
            reasons={
                "training.best_step": "last_weights_kept",
                "training.step_time_s_p50": "too_few_steps",
                "training.step_time_s_p95": "too_few_steps",
                "training.tokens_per_s": "too_few_steps",
            }
        ),
        PhaseStarted(phase="generate", at_s=123.0),
        Answering(answered=8, n_examples=8),
        ended("generate", 125.0),
        PhaseStarted(phase="score", at_s=125.0),
        Scored(
            scores={"token_f1": 0.625, "bertscore_f1": None},
            score_settings={"bleu": "signature"},
            score_info={name: ScoreInfo(**SCORES_OF_VERSION_1[name]) for name in ("token_f1", "bertscore_f1")},
        ),
        Missing(reasons={"scores.bertscore_f1": "encoder_not_available"}),
        ended("score", 126.0),
        PhaseStarted(phase="latency", at_s=126.0),
        LatencyMeasured(latency=Latency(single=LATENCY, batched=LATENCY.model_copy(update={"batch": 32}))),
        ended("latency", 127.0),
        PhaseStarted(phase="save", at_s=127.0),
        Saved(bytes=4_096),
        ended("save", 127.5),
        Finished(),
    ]


def ended(phase: PhaseName, at_s: float, allocated: int | None = None, reserved: int | None = None) -> PhaseEnded:
    return PhaseEnded(phase=phase, at_s=at_s, torch_allocated_peak_bytes=allocated, torch_reserved_peak_bytes=reserved)


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    """Telemetry of those 28 s at 10 Hz on a machine without a GPU: 500 MB, and 900 MB while it trains."""
    log = Log(tmp_path / "telemetry.jsonl", recent=1)
    log.write(Reading("gpu", 0.0, reasons={"": "no_nvml"}))
    log.write(Reading("host", 0.0, facts={"packages": 0}, reasons={"package_energy_j": "no_rapl", "pss_bytes": "no"}))
    for tick in range(281):
        t_s = tick / 10
        used = {"rss_bytes": 900_000_000 if 3 < t_s < 23 else 500_000_000, "cpu_s": round(2 * t_s, 1)}
        log.write(Reading("host", t_s, 0.001, values=used))
    for role in ("gpu", "host"):
        log.write(
            Reading(role, 28.0, facts={"closed": {"status": "ok" if role == "host" else "no_nvml", "cpu_s": 0.1}})
        )
    return log.close()


@pytest.fixture
def machine() -> tuple[Environment, dict[str, str]]:
    """A machine without a GPU, and the reasons for what is missing."""
    found = Environment(
        git_commit=40 * "c",
        git_dirty=False,
        python="3.11.9",
        packages={"torch": "2.13.0"},
        gpu=None,
        driver=None,
        cuda=None,
        host="bench-1",
        platform="Linux",
        cpu="Example CPU",
        cpu_count=2,
        memory_bytes=8_000_000_000,
    )
    return found, dict.fromkeys(("environment.gpu", "environment.driver", "environment.cuda"), "no_nvml")


@pytest.fixture
def account(default_job: Job) -> Account:
    """Of the default cell, a LoRA, which started at 100 s."""
    return Account(default_job.cell, "0123456789ab", "demo", 100.0)


@pytest.fixture
def record(
    account: Account,
    cell_events: list[AnyEvent],
    recording: Recording,
    machine: tuple[Environment, dict[str, str]],
    default_job: Job,
) -> Record:
    """The record of a cell that reported these events."""
    for event in cell_events:
        account.handle(event)
    return account.record("ok", None, 128.0, machine, recording, default_job.telemetry)
