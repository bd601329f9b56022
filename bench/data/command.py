"""The command as a whole: compose, gather, print."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import ListConfig
from rich.console import Console

from bench.cli import mistakes
from bench.cli.compose import job_of
from bench.data import show
from bench.data.columns import likely_settings
from bench.data.inspection import inspect
from bench.data.layout import console, printed
from bench.data.request import composed, sources
from bench.data.source import Table, tables
from bench.errors import InputError

REFUSED = 2
"""The exit status if training would not start with this data."""


def run(typed: Sequence[str]) -> int:
    """Print everything about the data set that the overrides `typed` choose. Returns the exit status."""
    out = console()
    try:
        config = composed(typed)
    except Exception as error:
        return _refuse(out, mistakes.explain(error), sources(typed), typed)
    try:
        inspection = inspect(job_of(config).cell)
    except InputError as error:
        return _refuse(out, str(error), config.dataset, typed)
    printed(out, show.title(config.dataset))
    for table in tables(config.dataset):
        printed(out, show.columns(table, config.dataset))
    for part in show.report(inspection, typed, out.width):
        printed(out, part)
    if not inspection.refusals:
        return 0
    print("\n" + "\n".join(inspection.refusals), file=sys.stderr)
    return REFUSED


def _refuse(out: Console, sentences: str, dataset: Mapping[str, Any], typed: Sequence[str]) -> int:
    """Say what is wrong, and show the columns that there are with the settings that likely fit them."""
    found: tuple[Table, ...] = tables(dataset)
    for table in found:
        printed(out, show.columns(table, dataset))
    out.file.flush()
    said = "\n".join(dict.fromkeys([sentences, *(table.fault for table in found if table.fault)]))
    print(("\n" if found else "") + said, file=sys.stderr)
    likely = likely_settings(found[0].columns) if found else []
    if likely and not _follows(dataset, likely, typed):
        printed(out, show.likely(likely, found[0], typed, out.width))
    return REFUSED


def _follows(dataset: Mapping[str, Any], likely: Sequence[str], typed: Sequence[str]) -> bool:
    """Whether the likely settings would change nothing, or the data set that was chosen is not for tables."""
    chosen = any(override.startswith("dataset=") for override in typed)
    if chosen and not any(str(key).endswith("_column") for key in dataset):
        return True
    wanted = dict(override.split("=", 1) for override in likely)
    return all(
        f"{key}={value}" in typed or (key.startswith("dataset.") and value in _written(dataset, key))
        for key, value in wanted.items()
        if key != "dataset"
    )


def _written(dataset: Mapping[str, Any], key: str) -> list[str]:
    """A setting as it is typed, or the columns that it names if these are several."""
    given = dataset.get(key.removeprefix("dataset."))
    return ["null" if value is None else str(value) for value in (given if isinstance(given, ListConfig) else [given])]
