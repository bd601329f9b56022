"""The settings that the cells of a study were run with."""

from collections.abc import Mapping, Sequence

from bench.report.compare.comparisons import Comparison
from bench.report.compare.setups import Setup
from bench.report.compare.tuning import tuning_of
from bench.report.render.table import Column, Row, Table, TableCell
from bench.report.wording import listed, printable

ALL, EMPTY, UNSET = "all", '""', "null"
MOST_NAMED = 4
"""Of more names, those of the other setups are given instead if they are at most half as many."""
UNSHOWN = "Settings that are null for all are only in the CSV file."

Values = Mapping[str, Mapping[str, Sequence[int]]]
"""The setups that have each value of each setting, as indices."""
Notes = Mapping[tuple[str, str], str | None]
"""What must be known of a setting with a value."""


def settings_tables(comparisons: Sequence[Comparison]) -> list[Table]:
    """A table of what differs, if anything does, with a row for each value; and one of what all setups share."""
    setups = [(comparison, setup) for comparison in comparisons for setup in comparison.setups]
    having: dict[str, dict[str, list[int]]] = {}
    for at, (_, setup) in enumerate(setups):
        for path, value in setup.cells[0].settings.items():
            if not path.endswith(("._target_", ".name")):
                having.setdefault(path, {}).setdefault(value, []).append(at)
    parts = list(setups[0][1].cells[0].record.cell)
    paths = sorted(having, key=lambda path: parts.index(path.partition(".")[0]))
    shared = {path: having[path] for path in paths if [len(own) for own in having[path].values()] == [len(setups)]}
    different = {path: having[path] for path in paths if path not in shared}
    notes = {
        (path, value): _chosen(path, [setups[at][1] for at in own])
        for path, by_value in having.items()
        for value, own in by_value.items()
    }
    return [*([_different(different, _names(setups), notes)] if different else []), _shared(shared, notes)]


def _chosen(path: str, setups: Sequence[Setup]) -> str | None:
    """By which search a setting of these setups was chosen, and from what; None if by none."""
    part, _, name = path.partition(".")
    tunings = [tuning for setup in setups if part == "method" and (tuning := tuning_of(setup))]
    spaces = [
        f"{'set by hand, where' if name in tuning.overridden else 'chosen by'} {tuning.study} "
        f"{'searched' if name in tuning.overridden else 'from'} {tuning.search[name]}"
        for tuning in tunings
        if name in tuning.search
    ]
    return printable("; ".join(dict.fromkeys(spaces))) or None


def _different(values: Values, names: Mapping[str, frozenset[int]], notes: Notes) -> Table:
    columns = (
        Column("setting", "Setting", align="left"),
        Column("value", "Value", align="wrap"),
        Column("setups", "For", align="wrap"),
    )
    rows = [
        Row((TableCell(printable(path)), _value(path, value, notes), TableCell(_named(own, names))))
        for path, by_value in values.items()
        for value, own in by_value.items()
    ]
    return Table("settings", "Settings that differ", columns, tuple(rows), section="cells")


def _value(path: str, value: str, notes: Notes) -> TableCell:
    return TableCell(printable(value) or EMPTY, notes[path, value])


def _shared(values: Values, notes: Notes) -> Table:
    columns = (Column("setting", "Setting", align="left"), Column("value", "Value", align="wrap"))
    rows = tuple(
        Row((TableCell(printable(path)), _value(path, value, notes)), only_csv=value == UNSET)
        for path, by_value in values.items()
        for value in by_value
    )
    remarks = (UNSHOWN,) if any(row.only_csv for row in rows) else ()
    return Table("settings-shared", "Settings that all cells share", columns, rows, remarks, section="cells")


def _names(setups: Sequence[tuple[Comparison, Setup]]) -> dict[str, frozenset[int]]:
    """The indices of the setups that each name stands for, the names of most setups first."""
    names: dict[str, set[int]] = {}
    for at, (comparison, setup) in enumerate(setups):
        for name in (setup.method, setup.label, f"{comparison.title}: {setup.label}"):
            names.setdefault(name, set()).add(at)
    every = {ALL: frozenset(range(len(setups)))}
    return every | {name: frozenset(own) for name, own in sorted(names.items(), key=lambda pair: -len(pair[1]))}


def _named(own: Sequence[int], names: Mapping[str, frozenset[int]]) -> str:
    """The setups at the indices `own`, by as few names as possible, or all but a few others."""
    chosen, others = _fewest(frozenset(own), names), _fewest(names[ALL] - frozenset(own), names)
    if len(chosen) > MOST_NAMED and 0 < 2 * len(others) <= len(chosen):
        return f"{ALL} but {listed(others)}"
    return listed(chosen)


def _fewest(indices: frozenset[int], names: Mapping[str, frozenset[int]]) -> list[str]:
    left, chosen = set(indices), []
    for name, members in names.items():
        if members <= left:
            chosen.append(name)
            left -= members
    return [printable(name) for name in sorted(chosen, key=lambda name: min(names[name]))]
