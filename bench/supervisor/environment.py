"""Where and with what a cell ran: commit, packages, GPU, driver, host."""

import os
import platform
import subprocess
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Thread
from typing import TypeVar

import psutil

from bench.record import Environment, Gpu

T = TypeVar("T")
GpuFacts = tuple[tuple[Gpu, ...] | None, str | None, str | None, dict[str, str]]

HANG_S = 20.0
"""A driver that has not told of its devices for so long is left behind; starting all boards of a machine takes some."""

PACKAGES = (
    *("tunebench", "torch", "transformers", "peft", "bitsandbytes", "accelerate", "trl", "datasets", "tokenizers"),
    *("safetensors", "numpy", "evaluate", "sacrebleu", "rouge-score", "bert-score", "hydra-core", "nvidia-ml-py"),
)
"""Distributions that can change a number."""


@cache
def environment() -> tuple[Environment, dict[str, str]]:
    """The environment of this process, asked for once, and the reasons for what could not be told."""
    # An installed copy may lie in a folder of somebody else's repository, whose commit says nothing about it.
    tracked = _git("ls-files", "--error-unmatch", Path(__file__).name) is not None
    commit, dirty = (_git("rev-parse", "HEAD"), _git("status", "--porcelain")) if tracked else (None, None)
    gpu, driver, cuda, unread = _gpu_in_time()
    unknown = {"environment.git_commit": commit, "environment.git_dirty": dirty}
    missing = {path: "not_a_git_checkout" for path, value in unknown.items() if value is None}
    missing |= {f"environment.{path}": reason for path, reason in unread.items()}
    found = Environment(
        git_commit=commit,
        git_dirty=None if dirty is None else bool(dirty),
        python=platform.python_version(),
        packages={name: installed for name in PACKAGES if (installed := _version(name)) is not None},
        gpu=gpu,
        driver=driver,
        cuda=cuda,
        host=platform.node(),
        platform=platform.platform(),
        cpu=_cpu(),
        cpu_count=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
    )
    return found, missing


def _git(*arguments: str) -> str | None:
    """What git says of the checkout that this code runs from, or None where it is none."""
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _gpu_in_time() -> GpuFacts:
    told: list[GpuFacts] = []
    asking = Thread(target=lambda: told.append(_gpu()), name="environment-gpu", daemon=True)
    asking.start()
    asking.join(HANG_S)
    return told[0] if told else (None, None, None, dict.fromkeys(("gpu", "driver", "cuda"), "hung"))


def _gpu() -> GpuFacts:
    """Devices, driver and CUDA version as NVML tells them, and the reasons for what it does not, by dotted path."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None, None, None, dict.fromkeys(("gpu", "driver", "cuda"), "no_nvml")
    unread: dict[str, str] = {}

    def told(path: str, ask: Callable[[], T]) -> T | None:
        try:
            return ask()
        except pynvml.NVMLError as error:
            unread[path] = f"nvml_error: {error}"
            return None

    def device(index: int) -> Gpu:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        return Gpu(
            name=pynvml.nvmlDeviceGetName(handle),
            uuid=pynvml.nvmlDeviceGetUUID(handle),
            memory_bytes=told(f"gpu.{index}.memory_bytes", lambda: pynvml.nvmlDeviceGetMemoryInfo(handle).total),
        )

    try:
        devices = told("gpu", lambda: tuple(device(index) for index in range(pynvml.nvmlDeviceGetCount())))
        cuda = told("cuda", pynvml.nvmlSystemGetCudaDriverVersion_v2)
        cuda_version = None if cuda is None else f"{cuda // 1000}.{cuda % 1000 // 10}"
        return devices, told("driver", pynvml.nvmlSystemGetDriverVersion), cuda_version, unread
    finally:
        pynvml.nvmlShutdown()


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
