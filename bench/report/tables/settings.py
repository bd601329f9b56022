"""The settings that the cells of a study were run with."""

from collections.abc import Sequence

from bench.report.compare.comparisons import Comparison
from bench.report.compare.setups import Setup
from bench.report.render.table import Column, Row, Table, TableCell
from bench.report.wording import listed, printable

ALL, EMPTY, UNSET = "all", '""', "null"


def settings_table(found: Sequence[Comparison]) -> Table:
    """Each value of each setting, and the setups that have it; a value that all have is there once."""
    setups = [(comparison, setup) for comparison in found for setup in comparison.setups]
    having: dict[str, dict[str, list[int]]] = {}
    for at, (_, setup) in enumerate(setups):
        for path, value in setup.cells[0].settings.items():
            if not path.endswith(("._target_", ".name")):
                having.setdefault(path, {}).setdefault(value, []).append(at)
    parts = list(setups[0][1].cells[0].record.cell)
    paths = sorted(having, key=lambda path: parts.index(path.partition(".")[0]))
    rows = [
        Row(
            tuple(map(TableCell, (printable(path), printable(value) or EMPTY, _named(setups, own)))),
            only_csv=value == UNSET and len(own) == len(setups),
        )
        for path in paths
        for value, own in having[path].items()
    ]
    unset = "Settings that are null for all are only in the CSV file."
    remarks = (unset,) if any(row.only_csv for row in rows) else ()
    columns = (
        Column("setting", "Setting", align="left"),
        Column("value", "Value", align="wrap"),
        Column("setups", "For", align="left"),
    )
    return Table("settings", "Settings", columns, tuple(rows), remarks, section="cells")


def _named(setups: Sequence[tuple[Comparison, Setup]], own: Sequence[int]) -> str:
    """The setups at the indices `own`: all, whole methods by their names, others by their labels."""
    if len(own) == len(setups):
        return ALL
    names: dict[str, None] = {}
    of_method: dict[str, set[int]] = {}
    for at, (_, setup) in enumerate(setups):
        of_method.setdefault(setup.method, set()).add(at)
    several = len({comparison.title for comparison, _ in setups}) > 1
    for at in own:
        comparison, setup = setups[at]
        whole = of_method[setup.method] <= set(own)
        alone = f"{comparison.title}: {setup.label}" if several else setup.label
        names[printable(setup.method) if whole else alone] = None
    return listed(names)
