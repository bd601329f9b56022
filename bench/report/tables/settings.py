"""The settings that the cells of a study were run with."""

from collections.abc import Mapping, Sequence

from bench.report.compare.comparisons import Comparison
from bench.report.compare.setups import Setup
from bench.report.render.table import Column, Row, Table, TableCell
from bench.report.wording import listed, printable

ALL, EMPTY, UNSET = "all", '""', "null"
UNSHOWN = "Settings that are null for all are only in the CSV file."


def settings_table(comparisons: Sequence[Comparison]) -> Table:
    """A row for each value of each setting, which names the setups that have it."""
    setups = [(comparison, setup) for comparison in comparisons for setup in comparison.setups]
    having: dict[str, dict[str, list[int]]] = {}
    for at, (_, setup) in enumerate(setups):
        for path, value in setup.cells[0].settings.items():
            if not path.endswith(("._target_", ".name")):
                having.setdefault(path, {}).setdefault(value, []).append(at)
    parts = list(setups[0][1].cells[0].record.cell)
    names = _names(setups)
    rows = [
        Row(
            (TableCell(printable(path)), TableCell(printable(value) or EMPTY), TableCell(_named(own, names))),
            only_csv=value == UNSET and len(own) == len(setups),
        )
        for path in sorted(having, key=lambda path: parts.index(path.partition(".")[0]))
        for value, own in having[path].items()
    ]
    columns = (
        Column("setting", "Setting", align="left"),
        Column("value", "Value", align="wrap"),
        Column("setups", "For", align="left"),
    )
    remarks = (UNSHOWN,) if any(row.only_csv for row in rows) else ()
    return Table("settings", "Settings", columns, tuple(rows), remarks, section="cells")


def _names(setups: Sequence[tuple[Comparison, Setup]]) -> dict[str, frozenset[int]]:
    """The indices of the setups that each name stands for, the names of most setups first."""
    names: dict[str, set[int]] = {}
    for at, (comparison, setup) in enumerate(setups):
        for name in (setup.method, setup.label, f"{comparison.title}: {setup.label}"):
            names.setdefault(name, set()).add(at)
    every = {ALL: frozenset(range(len(setups)))}
    return every | {name: frozenset(own) for name, own in sorted(names.items(), key=lambda pair: -len(pair[1]))}


def _named(own: Sequence[int], names: Mapping[str, frozenset[int]]) -> str:
    """The setups at the indices `own`, by as few names as possible."""
    left, chosen = set(own), []
    for name, members in names.items():
        if members <= left:
            chosen.append(name)
            left -= members
    return listed(printable(name) for name in sorted(chosen, key=lambda name: min(names[name])))
