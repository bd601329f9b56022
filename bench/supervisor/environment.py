"""Where and with what a cell ran: commit, packages, GPU, driver, host."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Thread

import psutil

from bench.record import Environment, Gpu
from bench.telemetry import DeviceSource, Inventory, Unavailable

HANG_S = 20.0
"""A driver that has not listed its devices after this time is left behind; starting all boards of a machine is slow."""

VERSIONS = ("driver", "cuda")
"""The versions that the record has a field for."""

PACKAGES = (
    *("tunebench", "torch", "transformers", "peft", "bitsandbytes", "accelerate", "trl", "datasets", "tokenizers"),
    *("safetensors", "numpy", "evaluate", "sacrebleu", "rouge-score", "bert-score", "hydra-core", "nvidia-ml-py"),
)
"""Distributions that can change a number."""


@cache
def environment(source: DeviceSource | None) -> tuple[Environment, dict[str, str]]:
    """The environment of this process, with the devices that `source` lists, and the reasons for what is unknown.

    A process asks once. Without a source the devices are unknown.
    """
    # An installed copy may be inside somebody else's repository, whose commit says nothing about this code.
    tracked = _git("ls-files", "--error-unmatch", Path(__file__).name) is not None
    commit, dirty = (_git("rev-parse", "HEAD"), _git("status", "--porcelain")) if tracked else (None, None)
    inventory = _inventory(source)
    unknown = {"environment.git_commit": commit, "environment.git_dirty": dirty}
    missing = {path: "not_a_git_checkout" for path, value in unknown.items() if value is None}
    missing |= {f"environment.{name}": "not_reported" for name in VERSIONS if name not in inventory.versions}
    missing |= {f"environment.{path}": reason for path, reason in inventory.missing.items()}
    devices = inventory.devices
    content = Environment(
        git_commit=commit,
        git_dirty=None if dirty is None else bool(dirty),
        python=platform.python_version(),
        packages={name: installed for name in PACKAGES if (installed := _version(name)) is not None},
        gpu=None if devices is None else tuple(Gpu(**device._asdict()) for device in devices),
        **{name: inventory.versions.get(name) for name in VERSIONS},
        host=platform.node(),
        platform=platform.platform(),
        cpu=_cpu(),
        cpu_count=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
    )
    return content, missing


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


def _inventory(source: DeviceSource | None) -> Inventory:
    """What `source` lists, unless it takes longer than `HANG_S`: a driver that hangs is left behind."""
    if source is None:
        return _nothing("switched_off")
    listed: list[Inventory] = []
    asking = Thread(target=lambda: listed.append(_list(source)), name="environment-gpu", daemon=True)
    asking.start()
    asking.join(HANG_S)
    return listed[0] if listed else _nothing("hung")


def _list(source: DeviceSource) -> Inventory:
    try:
        return source.inventory()
    except Unavailable as reason:
        return _nothing(str(reason))
    except Exception as error:
        # As with readings, no fault of a source may fail a cell.
        return _nothing(f"failed: {type(error).__name__}: {error}")


def _nothing(reason: str) -> Inventory:
    return Inventory(None, {}, dict.fromkeys(("gpu", *VERSIONS), reason))


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
