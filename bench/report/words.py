"""How the codes and texts of a record are said to a reader."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

STATUSES = {
    "ok": "ok",
    "oom": "out of memory",
    "failed": "failed",
    "timeout": "timed out",
    "killed": "killed",
    "interrupted": "interrupted",
}

REASONS = {
    "no_nvml": "no NVML device on this machine",
    "no_gpu": "no GPU on this machine",
    "no_cuda": "no CUDA on this machine",
    "gpu_lost": "the GPU was lost while the cell ran",
    "mig_shared": "the board's power is shared with other MIG devices",
    "not_supported": "this device does not support the reading",
    "too_short": "the phase was too short to measure",
    "counter_reset": "the energy counter was reset while the cell ran",
    "random_weights": "the model's weights are random, so its answers mean nothing",
    "nothing_trained": "nothing is trained",
    "not_reached": "the cell ended before it",
    "encoder_not_available": "the metric's encoder model is not available",
}
"""Reasons that need more than their underscores taken out."""

MEMORIES = {
    "memory.device_peak_bytes": ("Peak GPU memory", "the most that was in use on the cell's GPUs, by whomever (NVML)"),
    "memory.torch_reserved_peak_bytes": (
        "Peak torch reserved memory",
        "the most that torch's CUDA allocator had reserved",
    ),
    "memory.torch_allocated_peak_bytes": (
        "Peak torch allocated memory",
        "the most that tensors took of torch's CUDA allocator",
    ),
    "memory.rss_peak_bytes": ("Peak process memory", "the largest resident set (RSS) of the cell's processes together"),
}
"""The figures of a record that can be its peak memory, nearest to the study's first: column title and meaning."""


def reason(missing: Mapping[str, str], path: str) -> str:
    """Why the record has no number at `path`, in words; a reason given for a section holds for all that is in it."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        code = missing.get(".".join(parts[:length]))
        if code is not None:
            return printable(REASONS.get(code, code.replace("_", " ")))
    return "not in this cell's record"


def ending(cell: Mapping[str, Any]) -> str:
    """How a cell ended and in which phase: `out of memory in train`."""
    status = STATUSES[cell["status"]]
    return f"{status} in {cell['error.phase']}" if "error.phase" in cell else status


def ending_with_peak(cells: list[dict[str, Any]]) -> str:
    """How cells that all ended alike did, and the most memory that one reached: `out of memory in train (peak ...)`."""
    for path, (title, _) in MEMORIES.items():
        reached = [cell[path] for cell in cells if path in cell]
        if reached:
            return f"{ending(cells[0])} ({mid_sentence(title)} {max(reached) / 1e9:.2f} GB)"
    return ending(cells[0])


def printable(text: str, longest: int = 300) -> str:
    r"""`text` on one line of bounded length, with control and direction characters made visible, as in `\u202e`."""
    shown = "".join(_visible(character) for character in " ".join(text.split()))
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def file_stem(*parts: str) -> str:
    """`parts` joined by hyphens as a name that is safe for a file and different for different parts."""
    joined = "-".join(parts)
    if all(re.fullmatch(r"[A-Za-z0-9_.]{1,40}", part) for part in parts):
        return joined
    digest = hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9_.]+', '-', joined)[:80]}-{digest[:8]}"


def mid_sentence(title: str) -> str:
    """A title as it is written inside a sentence."""
    return title[0].lower() + title[1:]


def listed(items: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *others, last = items
    return f"{', '.join(others)} and {last}" if others else last


def counted(count: int, noun: str) -> str:
    """`1 cell`, `2 cells`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _visible(character: str) -> str:
    # Cc control, Cf format (direction marks among them), Cs lone surrogates, Co private use, Cn unassigned
    return f"\\u{ord(character):04x}" if unicodedata.category(character).startswith("C") else character
