"""How a setup stands in a table: its names, its numbers, and what must be said of both."""

from collections.abc import Iterable, Mapping, Sequence

from bench.report.compare.setups import Cell, Group, Setup
from bench.report.render.table import Column, TableCell
from bench.report.words import STATUSES, counted, listed, printable


def name_columns(found: Sequence[Group]) -> tuple[Column, ...]:
    """The columns that `name_entries` fill; the model and the data set are shown where there are several."""
    models, datasets = {group.model for group in found}, {group.dataset for group in found}
    return (
        Column("model", "Model" if len(models) > 1 else "", align="left"),
        Column("dataset", "Data set" if len(datasets) > 1 else "", align="left"),
        Column("method", "Method", align="left"),
        Column("status", ""),
        Column("seeds", ""),
    )


def name_entries(group: Group, setup: Setup, *notes: str) -> tuple[TableCell, ...]:
    """What tells a setup from all others, with `notes` on the whole of it, of which empty ones are left out."""
    some_failed = f"{len(setup.ok)} of {counted(len(setup.cells), 'seed')}; {setup.ending()}"
    said = [some_failed if 0 < len(setup.ok) < len(setup.cells) else "", *notes]
    return (
        TableCell(printable(group.model)),
        TableCell(printable(group.dataset)),
        TableCell(setup.label, "; ".join(filter(None, said)) or None),
        TableCell(listed(dict.fromkeys(STATUSES[cell["status"]] for cell in setup.cells))),
        TableCell(" ".join(map(str, setup.seeds))),
    )


def number_entry(setup: Setup, path: str, note: str = "", bold: bool = False) -> TableCell:
    """The setup's mean with its interval and `note`, or a null and why."""
    measured = setup.measure(path)
    if measured.mean is None:
        return TableCell(None, measured.reason)
    within = (measured.interval.low, measured.interval.high) if measured.interval else None
    return TableCell(measured.mean, note or None, within, bold)


def numbers_of(cells: Iterable[Cell], path: str) -> str:
    """The distinct integers at `path`: `60`, or `60 or 64`."""
    return " or ".join(str(number) for number in sorted({int(cell[path]) for cell in cells if path in cell}))


def seeds_behind(seeds: Mapping[str, tuple[int, ...]]) -> str:
    """Which seeds the numbers of a table are over, given those of each of its rows by name, of at least one row."""
    several = {name: ", ".join(map(str, own)) for name, own in seeds.items()}
    if len(set(several.values())) > 1:
        return f"Each number is a mean over seeds: {'; '.join(f'{name} {own}' for name, own in several.items())}."
    n_seeds, own = len(next(iter(seeds.values()))), next(iter(several.values()))
    return f"One seed: {own}." if n_seeds == 1 else f"Each number is a mean over {n_seeds} seeds: {own}."


def behind(group: Group) -> str:
    """How many examples, documents and seeds the group's numbers are over."""
    examples, documents = (numbers_of(group.ok, f"data.{count}") for count in ("n_validation", "n_clusters_validation"))
    seeds = seeds_behind({setup.label: setup.seeds for setup in group.setups if setup.ok})
    return f"Validation examples: {examples}, from {documents} documents. {seeds}"
