"""Fixtures for many tests: configurations as the command composes them, small checkpoints, and the record of a cell."""

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
from bench.protocol import AnyEvent
from bench.record import Record
from bench.supervisor.account import Account
from bench.telemetry.reading import Reading
from bench.telemetry.sampler import Log, Recording
from tests.cell_events import CELL_EVENTS
from tests.shipped import shipped
from tests.small_models import SENTENCES, byte_level_tokenizer, small, write

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from transformers import PreTrainedTokenizerFast

    from bench.model import Model


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
    return list(CELL_EVENTS)


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
