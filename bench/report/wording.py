"""How codes, names and texts of a record are written for a reader."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping

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
    "other_device": "the cell did not run on the GPU that was measured",
    "gpu_lost": "the GPU was lost while the cell ran",
    "mig_shared": "the board's power is shared with other MIG devices",
    "not_supported": "this device does not support the reading",
    "too_short": "the phase was too short to measure",
    "no_samples": "nothing was sampled in that time",
    "low_coverage": "samples stand for too little of that time",
    "gap_at_boundary": "nothing was sampled near a boundary of the phase",
    "counter_reset": "the energy counter was reset while the cell ran",
    "counter_stuck": "the energy counter stood still",
    "counter_implausible": "the energy counter rose faster than the device can use energy",
    "contradicts_counter": "sampled power contradicts the energy counter",
    "implausible": "the reading is not plausible",
    "slow_reading": "reading it took too long to assign it to a moment",
    "read_failed": "reading it failed",
    "failed": "its source of telemetry failed",
    "hung": "its source of telemetry stopped responding",
    "unfinished": "its source of telemetry was not closed",
    "switched_off": "its telemetry was switched off",
    "replay_empty": "the replayed telemetry has no such reading",
    "replay_ended": "the replayed telemetry ended before the cell",
    "nvidia_ml_py_not_installed": "the package nvidia-ml-py is not installed",
    "nvml_init_failed": "NVML could not be started",
    "nvml_failed": "NVML failed",
    "nvml_error": "NVML failed",
    "no_visible_device": "no GPU is visible to the cell",
    "device_order_unknown": "it is not known which GPU the cell used",
    "no_permission": "reading it is not permitted on this machine",
    "process_not_listed": "the driver did not list the cell's processes",
    "no_procfs": "no /proc on this machine",
    "no_rapl": "no RAPL energy counter on this machine",
    "no_tune_split": "there is no tune split",
    "no_limit": "the model sets no limit",
    "not_started": "nothing was read while the cell's process ran",
    "process_ended": "the cell's process had ended",
    "gpu_busy": "the GPU was in use before the cell",
    "no_phases": "the cell ended before its first phase",
    "no_step_time": "no step time was measured",
    "intensity_not_set": "the grid's carbon intensity was not set",
    "telemetry_file_incomplete": "only a part of the samples could be written to the disk",
    "too_few_steps": "too few steps were timed",
    "not_finite": "not a finite number",
    "no_such_phase": "the cell has no such phase",
    "resumed": "training was resumed: its tokens are those of the whole training, its energy only that of the last run",
    "unexplained": "no reason was recorded, which is a fault of tunebench",
    "random_weights": "the model's weights are random, so its answers mean nothing",
    "nothing_trained": "nothing is trained",
    "nothing_asked": "the model is asked nothing",
    "not_reached": "the cell ended before this",
    "not_in_record": "not in this cell's record",
    "encoder_not_available": "the metric's encoder model is not available",
}
"""Codes that need more than their underscores replaced. After a colon, a code may be followed by an error's message."""

ENERGY_METHODS = {
    "counter": "by NVML's energy counter",
    "integral": "by integration of sampled power",
}


def reason(missing: Mapping[str, str], path: str) -> str:
    """In words, why the record has no value at `path`. The reason for a section holds for everything in it."""
    code, colon, message = reason_code(missing, path).partition(":")
    return printable(REASONS.get(code, code.replace("_", " ")) + colon + message)


def reason_code(missing: Mapping[str, str], path: str) -> str:
    """The reason as the record has it."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        code = missing.get(".".join(parts[:length]))
        if code is not None:
            return code
    return "not_in_record"


def printable(text: str, longest: int = 300) -> str:
    r"""`text` on one line of bounded length, with control and direction characters shown as `\u202e`."""
    shown = "".join(_visible(character) for character in " ".join(text.split()))
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def inert(text: str) -> str:
    r"""`text` in full with its line ends, with all other control and direction characters shown as `\u202e`."""
    if text.isprintable():
        return text
    lines = re.split(r"\r\n|\n", text)
    return "\n".join("".join(map(_visible, line)) for line in lines)


def file_stem(*parts: str) -> str:
    """`parts` joined by hyphens: safe as a file's name, and different for as many other parts.

    Hyphens in the last part, as in `Qwen3-0.6B`, leave no doubt where it begins; in an earlier part they would.
    """
    joined = "-".join(parts)
    *earlier, last = parts
    if all(re.fullmatch(r"[A-Za-z0-9_.]{1,40}", part) for part in (*earlier, last.replace("-", ""))):
        return joined
    digest = hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9_.]+', '-', joined)[:80]}-{digest[:8]}"


def mid_sentence(title: str) -> str:
    """A title as it is written inside a sentence: `peak GPU memory`."""
    return title[0].lower() + title[1:]


def listed(items: Iterable[str], conjunction: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    *others, last = items
    return f"{', '.join(others)} {conjunction} {last}" if others else last


def counted(count: int, noun: str) -> str:
    """`1 cell`, `2 cells`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _visible(character: str) -> str:
    # Cc control, Cf format (direction marks among them), Cs lone surrogates, Co private use, Cn unassigned,
    # Zl and Zp, which end a line
    category = unicodedata.category(character)
    return f"\\u{ord(character):04x}" if category.startswith("C") or category in ("Zl", "Zp") else character
