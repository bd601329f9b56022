"""The command as a whole: compose, gather, print."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from bench.cli import mistakes
from bench.cli.compose import as_typed, job_of
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
    for part in show.report(inspection, as_typed(config), out.width):
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
    print(("\n" if found else "") + sentences, file=sys.stderr)
    if found and (likely := likely_settings(found[0].columns)):
        printed(out, show.likely(likely, found[0], typed, out.width))
    return REFUSED
