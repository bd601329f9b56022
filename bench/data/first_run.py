"""The command that a user should run next: the settings that were typed, with the limits that this data needs."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from bench.data.inspection import Inspection

STEP = 32
"""Suggested limits are multiples of this many tokens."""


def first_run(inspection: Inspection, typed: Sequence[str]) -> list[list[str]]:
    """The words of the commands for a small grid and for its report."""
    study = inspection.cell.dataset.name
    limits = [f"{key}={value}" for key, value in suggested_limits(inspection).items()]
    grid = merged(["method=baseline,lora", "seed=0,1,2", f"study={study}"], typed, limits)
    return [["tunebench", "-m", *grid], ["tunebench", "report", "--study", study]]


def look_again(likely: Sequence[str], path: str, typed: Sequence[str]) -> list[str]:
    """The words of the command that shows the data set with the settings that likely fit it."""
    # The embedded model has no chat template, and other base models have none either.
    simple = ["prompt.chat_template=simple"] if "prompt=chat" in likely and not _names_a_model(typed) else []
    return ["tunebench", "data", *merged([f"dataset.name={_name(path)}"], typed, likely, simple)]


def _names_a_model(typed: Sequence[str]) -> bool:
    return any(override.startswith(("model=", "model.path=")) for override in typed)


def merged(*overrides: Sequence[str]) -> list[str]:
    """Overrides, quoted for a shell. Of those for the same setting, the last counts; groups come first."""
    latest = {override.partition("=")[0]: override for given in overrides for override in given}
    return [shlex.quote(latest[key]) for key in sorted(latest, key=lambda key: "." in key)]


def _name(path: str) -> str:
    """A data set's name made of its file's: `faq` for `data/faq.csv.gz`."""
    stem = re.sub(r"[^A-Za-z0-9_]+", "_", Path(path).name.partition(".")[0]).strip("_")
    return stem[:40] or "mine"


def suggested_limits(inspection: Inspection) -> dict[str, int]:
    """Settings that let 99 % of the examples and answers through, where the present ones do not and the model can."""
    reading, cell = inspection.reading, inspection.cell
    if reading is None:
        return {}
    answer = cell.generation.max_new_tokens
    suggested = {}
    if reading.test.answer.p99 > answer:
        answer = _rounded_up(reading.test.answer.p99)
        suggested["generation.max_new_tokens"] = answer
    needed = _rounded_up(max(reading.train.both.p99 + 1, reading.test.prompt.p99 + answer + 1))
    if needed > cell.prompt.max_length:
        suggested["prompt.max_length"] = needed
    takes = reading.context_length
    return suggested if takes is None or max(needed, cell.prompt.max_length) <= takes else {}


def _rounded_up(tokens: int) -> int:
    return -(-tokens // STEP) * STEP
