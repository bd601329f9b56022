"""Where and with what a cell ran: commit, packages, GPU, driver, host."""

import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

import psutil

from bench.machine import Environment, Gpu, Scheduler
from bench.record import null_paths
from bench.telemetry import Source, Unavailable

T = TypeVar("T")
Answer = tuple[dict[str, Any], dict[str, str]]
"""Facts of a source, and reasons for what it cannot read."""

HANG_S = 20.0
"""A driver that has not answered after this time is left behind; starting all boards of a machine is slow."""

PACKAGES = (
    *("tunebench", "torch", "transformers", "peft", "bitsandbytes", "accelerate", "trl", "datasets", "tokenizers"),
    *("safetensors", "numpy", "evaluate", "sacrebleu", "rouge-score", "bert-score", "nltk", "lm-eval", "hydra-core"),
    "nvidia-ml-py",
)
"""Distributions that can change a number."""


@cache
def environment(source: Source | None) -> tuple[Environment, dict[str, str]]:
    """The environment of this process with the devices of `source`, and the reasons for what is unknown. Asks once."""
    # An installed copy may be inside somebody else's repository, whose commit says nothing about this code.
    tracked = _git("ls-files", "--error-unmatch", Path(__file__).name) is not None
    commit, dirty = (_git("rev-parse", "HEAD"), _git("status", "--porcelain")) if tracked else (None, None)
    facts, unread = _facts(source)
    devices = facts.get("devices", {})
    gpu = [
        Gpu(name=device.get("name") or uuid, uuid=uuid, memory_bytes=device.get("memory_total_bytes"))
        for uuid, device in devices.items()
    ]
    content = Environment(
        git_commit=commit,
        git_dirty=None if dirty is None else bool(dirty),
        python=platform.python_version(),
        packages={name: installed for name in PACKAGES if (installed := _version(name)) is not None},
        gpu=tuple(gpu) if devices else None,
        driver=facts.get("driver"),
        cuda=facts.get("cuda"),
        host=platform.node(),
        platform=platform.platform(),
        cpu=_cpu(),
        cpu_count=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        scheduler=scheduler(os.environ),
    )
    reasons = dict.fromkeys(("gpu", "driver", "cuda"), unread.get("", "not_reported"))
    reasons |= dict.fromkeys(("git_commit", "git_dirty"), "not_a_git_checkout")
    reasons |= {
        f"gpu.{index}.memory_bytes": unread.get(uuid) or unread.get(f"{uuid}.memory_used_bytes", "not_reported")
        for index, uuid in enumerate(devices)
    }
    return content, {
        f"environment.{path}": reasons[path] for path in null_paths(content.model_dump(exclude={"scheduler"}))
    }


def scheduler(variables: Mapping[str, str]) -> Scheduler | None:
    """The job of Slurm that set the environment `variables`; None if there is none."""
    if (job_id := variables.get("SLURM_JOB_ID")) is None:
        return None
    array, task = variables.get("SLURM_ARRAY_JOB_ID"), variables.get("SLURM_ARRAY_TASK_ID")
    return Scheduler(
        name="slurm",
        job_id=job_id if array is None else f"{array}_{task}",
        node=variables.get("SLURMD_NODENAME", platform.node()),
        restarts=int(variables.get("SLURM_RESTART_COUNT", "0")),
    )


def _git(*arguments: str) -> str | None:
    """Output of git in the checkout that this code runs from, or None if it is not in one."""
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


def _facts(source: Source | None) -> Answer:
    if source is None:
        return {}, {"": "switched_off"}
    return in_time(lambda: _ask(source)) or ({}, {"": "hung"})


def in_time(ask: Callable[[], T]) -> T | None:
    """The answer of `ask`; None if there is none after `HANG_S`, since a driver that hangs is left behind."""
    answers: list[T] = []
    asking = Thread(target=lambda: answers.append(ask()), name="environment-gpu", daemon=True)
    asking.start()
    asking.join(HANG_S)
    return answers[0] if answers else None


def _ask(source: Source) -> Answer:
    try:
        reader = source.open()
        reader.close()
        return reader.facts, reader.reasons
    except Unavailable as reason:
        return {}, {"": str(reason)}
    except Exception as error:
        # As with readings, no fault of a source may fail a cell.
        return {}, {"": f"failed: {type(error).__name__}: {error}"}


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())
