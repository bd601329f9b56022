"""Where the numbers of a study come from: commit, machine, model, data, packages."""

from collections import Counter
from collections.abc import Callable, Sequence

from bench.report.read.cells import StoredCell
from bench.report.render.table import Column, Row, Table, TableCell
from bench.report.wording import counted, listed, printable

FACTS: dict[str, Callable[[StoredCell], str]] = {
    "Commit": lambda cell: commit_of(cell),
    "Record schema": lambda cell: str(cell.record.schema_version),
    "Started": lambda cell: cell.record.started_at,
    "Host": lambda cell: cell.record.environment.host,
    "Platform": lambda cell: cell.record.environment.platform,
    "CPU": lambda cell: f"{cell.record.environment.cpu}, {counted(cell.record.environment.cpu_count, 'core')}",
    "Memory": lambda cell: f"{cell.record.environment.memory_bytes / 1e9:.1f} GB",
    "GPU": lambda cell: gpus_of(cell),
    "Driver": lambda cell: driver_of(cell),
    "CUDA": lambda cell: cell.record.environment.cuda or cell.reason("environment.cuda"),
    "Base model": lambda cell: _base(cell),
    "Seed": lambda cell: str(cell.seed),
    "Training set": lambda cell: _split(cell, "train"),
    "Tune set": lambda cell: _split(cell, "tune"),
    "Test set": lambda cell: _split(cell, "test"),
    "Scored": lambda cell: cell.record.data.scored_on if cell.record.data else cell.reason("data"),
    "In two sets": lambda cell: _overlap(cell),
    "Python": lambda cell: cell.record.environment.python,
}


def provenance_table(cells: Sequence[StoredCell]) -> Table:
    """One row per fact; where cells differ, each value with the number of cells that it holds for."""
    values = {title: distinct([fact(cell) for cell in cells]) for title, fact in FACTS.items()}
    first, last = min(cell.record.started_at for cell in cells), max(cell.record.started_at for cell in cells)
    values["Started"] = first if first == last else f"{first} to {last}"
    installed = [cell.record.environment.packages for cell in cells]
    for name in sorted({name for packages in installed for name in packages}):
        values[name] = distinct([packages.get(name, "not installed") for packages in installed])
    columns = (Column("fact", "Fact", align="left"), Column("value", "Value", align="wrap"))
    rows = [Row((TableCell(printable(title)), TableCell(printable(value)))) for title, value in values.items()]
    return Table("provenance", "Provenance", columns, tuple(rows), section="provenance")


def distinct(values: Sequence[str]) -> str:
    """The value if all are the same, otherwise each with its number of cells."""
    counts = Counter(values)
    if len(counts) == 1:
        return values[0]
    return "; ".join(f"{value} ({counted(count, 'cell')})" for value, count in counts.items())


def commit_of(cell: StoredCell) -> str:
    """The commit that the cell was run with."""
    commit = cell.record.environment.git_commit or cell.reason("environment.git_commit")
    return f"{commit}, with uncommitted changes" if cell.record.environment.git_dirty else commit


def gpus_of(cell: StoredCell) -> str:
    """The names of the cell's GPUs."""
    gpus = cell.record.environment.gpu
    if gpus is None:
        return cell.reason("environment.gpu")
    counts = Counter(gpu.name for gpu in gpus)
    return listed(name if count == 1 else f"{count} x {name}" for name, count in counts.items()) if counts else "none"


def driver_of(cell: StoredCell) -> str:
    """The version of the driver of the cell's GPUs."""
    return cell.record.environment.driver or cell.reason("environment.driver")


def _base(cell: StoredCell) -> str:
    base = cell.record.base
    if base is None:
        return f"{cell.model}: {cell.reason('base')}"
    revision = base.revision or cell.reason("base.revision")
    return f"{cell.model}: {base.weights} weights, revision {revision}, {base.precision}, on {base.device}"


def _split(cell: StoredCell, split: str) -> str:
    data = cell.record.data
    if data is None:
        return cell.reason(f"data.n_{split}")
    n, fingerprint = {
        "train": (data.n_train, data.train_fingerprint),
        "tune": (data.n_tune, data.tune_fingerprint),
        "test": (data.n_test, data.test_fingerprint),
    }[split]
    if fingerprint is None:
        return cell.reason("data.tune_fingerprint")
    return f"{cell.dataset}, {counted(n, 'example')}, fingerprint {fingerprint[:8]}"


def _overlap(cell: StoredCell) -> str:
    if cell.record.data is None:
        return cell.reason("data.overlap")
    shared = cell.record.data.overlap
    documents, texts = counted(shared.n_shared_clusters, "document"), counted(shared.n_shared_texts, "text")
    return f"{documents}, {texts} ({shared.method})"
