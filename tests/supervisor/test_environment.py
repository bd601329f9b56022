import os
import platform
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import psutil
import pynvml
import pytest

from bench.machine import Environment, Gpu
from bench.supervisor import environment as module
from bench.telemetry import Source
from bench.telemetry.nvml import Nvml

NVML = Nvml(name="nvml")
Look = Callable[..., tuple[Environment, dict[str, str]]]


@pytest.fixture
def look() -> Look:
    """Asks each time; a process asks once."""
    return lambda source=NVML: module.environment.__wrapped__(source)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, in whose folder `bench` the code seems to lie."""
    package = tmp_path / "bench"
    package.mkdir()
    (package / "environment.py").write_text("")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "bench")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    monkeypatch.setattr(module, "__file__", str(package / "environment.py"))
    return tmp_path


def test_this_machine(look: Look) -> None:
    machine, _ = look()
    assert machine.python == platform.python_version()
    assert machine.host == platform.node()
    assert machine.cpu_count == os.cpu_count()
    assert machine.memory_bytes == psutil.virtual_memory().total
    assert machine.cpu
    assert {
        name: version(name) for name in ("torch", "transformers", "nvidia-ml-py")
    }.items() <= machine.packages.items()
    assert set(machine.packages) <= set(module.PACKAGES)


def test_a_clean_checkout(look: Look, checkout: Path) -> None:
    machine, missing = look()
    assert (machine.git_commit, machine.git_dirty) == (git(checkout, "rev-parse", "HEAD"), False)
    assert not any(path.startswith("environment.git") for path in missing)


def test_a_checkout_with_changes(look: Look, checkout: Path) -> None:
    (checkout / "bench" / "environment.py").write_text("changed = True\n")
    assert look()[0].git_dirty is True
    git(checkout, "checkout", "--quiet", ".")
    assert look()[0].git_dirty is False
    (checkout / "new.py").write_text("")
    assert look()[0].git_dirty is True


NO_CHECKOUT = {"environment.git_commit": "not_a_git_checkout", "environment.git_dirty": "not_a_git_checkout"}


def outside(machine: Environment, missing: dict[str, str]) -> bool:
    return (machine.git_commit, machine.git_dirty) == (None, None) and NO_CHECKOUT.items() <= missing.items()


def test_outside_a_checkout(look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setattr(module, "__file__", str(tmp_path / "environment.py"))
    assert outside(*look())


def test_installed_within_somebody_elses_checkout(look: Look, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.venv` in a project's own repository: that project's commit says nothing about this code."""
    installed = checkout / ".venv" / "lib" / "bench"
    installed.mkdir(parents=True)
    (installed / "environment.py").write_text("")
    monkeypatch.setattr(module, "__file__", str(installed / "environment.py"))
    assert outside(*look())


def test_without_git(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert outside(*look())


def test_without_a_driver(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", absent)
    machine, missing = look()
    assert (machine.gpu, machine.driver, machine.cuda) == (None, None, None)
    names = ("environment.gpu", "environment.driver", "environment.cuda")
    assert {path: missing.get(path) for path in names} == dict.fromkeys(names, "no_nvml")


@pytest.fixture
def two_boards(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver with two boards, of which the first refuses its memory, and with no version of CUDA."""

    def memory(index: int, version: int) -> SimpleNamespace:
        if index == 0:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return SimpleNamespace(total=80_000_000_000, used=1, reserved=1, free=1)

    def refuse() -> int:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN)

    answers: dict[str, Callable[..., Any]] = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: 2,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda index: f"Board {index}",
        "nvmlDeviceGetUUID": lambda index: f"GPU-{index}",
        "nvmlDeviceGetMemoryInfo": memory,
        "nvmlSystemGetDriverVersion": lambda: "570.1",
        "nvmlSystemGetCudaDriverVersion_v2": refuse,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, answer)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


BOARD_1 = Gpu(name="Board 1", uuid="GPU-1", memory_bytes=80_000_000_000)


@pytest.mark.usefixtures("two_boards")
def test_one_device_that_refuses_its_memory(look: Look) -> None:
    machine, missing = look()
    assert machine.gpu == (Gpu(name="Board 0", uuid="GPU-0", memory_bytes=None), BOARD_1)
    assert (machine.driver, machine.cuda) == ("570.1", None)
    assert {path: reason for path, reason in missing.items() if "git" not in path} == {
        "environment.gpu.0.memory_bytes": "not_supported",
        "environment.cuda": "not_reported",
    }


@pytest.mark.usefixtures("two_boards")
def test_one_device_that_is_lost(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    def handle(index: int) -> int:
        if index == 0:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return index

    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", handle)
    machine, missing = look()
    assert machine.gpu == (Gpu(name="unreadable-0", uuid="unreadable-0", memory_bytes=None), BOARD_1)
    assert missing["environment.gpu.0.memory_bytes"] == "gpu_lost"


@pytest.mark.usefixtures("two_boards")
def test_a_device_that_the_cell_cannot_see_is_no_part_of_its_environment(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1")
    assert look()[0].gpu == (BOARD_1,)


def test_a_driver_that_hangs_is_left_behind(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    for_ever = Event()
    monkeypatch.setattr(pynvml, "nvmlInit", for_ever.wait)
    monkeypatch.setattr(module, "HANG_S", 0.05)
    machine, missing = look()
    assert (machine.gpu, machine.driver, machine.cuda) == (None, None, None)
    assert {missing.get(f"environment.{name}") for name in ("gpu", "driver", "cuda")} == {"hung"}


class Broken(Source):
    def open(self) -> Any:
        raise OSError("no bus")


@pytest.mark.parametrize(("source", "reason"), [(None, "switched_off"), (Broken(name="b"), "failed: OSError: no bus")])
def test_no_devices_without_a_source_that_has_them(look: Look, source: Source | None, reason: str) -> None:
    machine, missing = look(source)
    assert (machine.gpu, machine.driver, machine.cuda) == (None, None, None)
    assert {missing.get(f"environment.{name}") for name in ("gpu", "driver", "cuda")} == {reason}


@pytest.mark.gpu
def test_with_a_gpu(look: Look) -> None:
    machine, missing = look()
    if "environment.gpu" in missing:
        pytest.skip(f"NVML: {missing['environment.gpu']}")
    assert machine.gpu
    assert all(gpu.name and gpu.uuid.startswith("GPU-") and gpu.memory_bytes for gpu in machine.gpu)
    assert machine.driver
    assert machine.cuda


def test_asked_for_once_and_without_torch() -> None:
    program = (
        "import sys; from bench.supervisor.environment import environment; "
        "assert environment(None) is environment(None); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
