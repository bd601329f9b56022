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
    "no_samples": "nothing was sampled in that time",
    "low_coverage": "samples stand for too little of that time",
    "gap_at_boundary": "nothing was sampled near a boundary of the phase",
    "counter_reset": "the energy counter was reset while the cell ran",
    "counter_stuck": "the energy counter stood still",
    "counter_implausible": "the energy counter rose faster than the device can use energy",
    "implausible": "what was read is not believable",
    "slow_reading": "reading it took too long to know which moment it is of",
    "read_failed": "reading it failed",
    "failed": "its source of telemetry failed",
    "hung": "its source of telemetry did not answer any more",
    "unfinished": "its source of telemetry was not ended",
    "switched_off": "its telemetry was switched off",
    "replay_empty": "the replayed telemetry has no such reading",
    "replay_ended": "the replayed telemetry ended before the cell",
    "nvidia_ml_py_not_installed": "the package nvidia-ml-py is not installed",
    "nvml_init_failed": "NVML could not be started",
    "nvml_failed": "NVML failed",
    "nvml_error": "NVML failed",
    "no_visible_device": "no GPU is visible to the cell",
    "device_order_unknown": "which GPU is meant is not known",
    "no_permission": "reading it is not permitted on this machine",
    "process_not_listed": "the driver did not list the cell's processes",
    "no_procfs": "no /proc on this machine",
    "no_rapl": "no RAPL energy counter on this machine",
    "not_started": "the cell's process had not started",
    "process_ended": "the cell's process had ended",
    "gpu_busy": "the GPU was in use before the cell",
    "no_phases": "the cell ended before its first phase",
    "no_step_time": "no step time was measured",
    "intensity_not_set": "the grid's carbon intensity was not set",
    "telemetry_file_incomplete": "the disk took a part of the samples only",
    "too_few_steps": "too few steps were timed",
    "not_finite": "not a finite number",
    "no_such_phase": "the cell has no such phase",
    "resumed": "the training was resumed: its tokens are of all of it, its energy of the last run alone",
    "unexplained": "no reason was recorded, which is a fault of tunebench",
    "random_weights": "the model's weights are random, so its answers mean nothing",
    "nothing_trained": "nothing is trained",
    "not_reached": "the cell ended before it",
    "not_in_record": "not in this cell's record",
    "encoder_not_available": "the metric's encoder model is not available",
}
"""Reasons that need more than their underscores taken out; what follows one after a colon is the fault's own words."""

ENERGY_METHODS = {
    "counter": "by NVML's energy counter",
    "integral": "by integration of sampled power",
}

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


SCORE_TITLES = {
    "token_f1": "Token F1",
    "exact_match": "Exact match",
    "answer_macro_f1": "Macro F1",
    "bleu": "BLEU",
    "corpus_bleu": "Corpus BLEU",
    "bertscore_f1": "BERTScore",
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougeL": "ROUGE-L",
    "perplexity": "Perplexity",
}
"""The scores of the built-in metrics by their names in the record."""


def reason(missing: Mapping[str, str], path: str) -> str:
    """Why the record has no number at `path`, in words; a reason given for a section holds for all that is in it."""
    code, colon, told = reason_code(missing, path).partition(":")
    return printable(REASONS.get(code, code.replace("_", " ")) + colon + told)


def reason_code(missing: Mapping[str, str], path: str) -> str:
    """The reason itself, as the record has it."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        code = missing.get(".".join(parts[:length]))
        if code is not None:
            return code
    return "not_in_record"


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


def inert(text: str) -> str:
    r"""`text` in full and with its line ends, with all other control and direction characters made visible."""
    if text.isprintable():
        return text
    lines = re.split(r"\r\n|\n", text)
    return "\n".join("".join(map(_visible, line)) for line in lines)


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
    # Cc control, Cf format (direction marks among them), Cs lone surrogates, Co private use, Cn unassigned,
    # Zl and Zp, which end a line
    category = unicodedata.category(character)
    return f"\\u{ord(character):04x}" if category.startswith("C") or category in ("Zl", "Zp") else character


def score_title(name: str) -> str:
    """What a score is called, given its name in the record; that name where it has no other."""
    return SCORE_TITLES.get(name, printable(name))
