"""Checkpoints that training resumes from. One is complete only with a manifest of its files, which is written last."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from bench import store

MANIFEST = "manifest.json"
"""File name to size in bytes, for every other file of the checkpoint."""


def path_of(folder: Path, step: int) -> Path:
    """Where the trainer puts the checkpoint of `step`."""
    return folder / f"checkpoint-{step}"


def seal(checkpoint: Path) -> None:
    """Write the manifest: its existence means that all other files were written."""
    sizes = {file.name: file.stat().st_size for file in checkpoint.iterdir()}
    store.write_atomically(checkpoint / MANIFEST, json.dumps(sizes))


def newest_complete(folder: Path, warn: Callable[[str], None]) -> Path | None:
    """The checkpoint with the most steps that can be resumed from, or None; unusable newer ones are removed.

    `warn` is called with one sentence for each that is removed.
    """
    steps = sorted(int(path.name.rpartition("-")[2]) for path in folder.glob("checkpoint-*"))
    for checkpoint in (path_of(folder, step) for step in reversed(steps)):
        fault = _fault(checkpoint) or _fault_of_best(checkpoint)
        if fault is None:
            return checkpoint
        shutil.rmtree(checkpoint)
        warn(f"{checkpoint.name} was removed ({fault}); training resumes from an earlier checkpoint or from the start")
    return None


def _fault(checkpoint: Path) -> str | None:
    """What makes `checkpoint` incomplete, or None."""
    try:
        sizes = json.loads((checkpoint / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return f"it has no readable {MANIFEST}"
    for name, size in sizes.items():
        file = checkpoint / name
        if not file.exists():
            return f"{name} is missing"
        if file.stat().st_size != size:
            return f"{name} has {file.stat().st_size} of {size} bytes"
    return None


def _fault_of_best(checkpoint: Path) -> str | None:
    """Training that keeps the best weights reads them from an earlier checkpoint at its end."""
    best = json.loads((checkpoint / "trainer_state.json").read_bytes())["best_global_step"]
    fault = _fault(path_of(checkpoint.parent, best)) if best else None
    return fault and f"it refers to checkpoint-{best}, but {fault}"
