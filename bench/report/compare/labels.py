"""How setups are called: the method's name, and the settings that distinguish setups of one method."""

import re
from collections import Counter
from collections.abc import Sequence

from bench.report.read.cells import StoredCell
from bench.report.wording import printable


def labels(cells: Sequence[StoredCell]) -> list[tuple[str, list[StoredCell]]]:
    """The cells of one model and data set by setup, each setup with its label, which is unique."""
    together: dict[str, list[StoredCell]] = {}
    for cell in cells:
        together.setdefault(cell.setup, []).append(cell)
    setups = list(together.values())
    swept: dict[str, list[str]] = {}
    for method in {cell.method for cell in cells}:
        swept[method] = _swept([cells[0] for cells in setups if cells[0].method == method])
    names = [printable(_label(seeds[0], swept[seeds[0].method])) for seeds in setups]
    # Cut to a length that can be shown, two labels can be equal
    return [
        (label if names.count(label) == 1 else f"{label} #{names[: at + 1].count(label)}", seeds)
        for at, (label, seeds) in enumerate(zip(names, setups, strict=True))
    ]


def _swept(setups: Sequence[StoredCell]) -> list[str]:
    """The fewest settings that distinguish the setups of one method: what follows from earlier ones is left out."""
    paths = dict.fromkeys(path for cell in setups for path in cell.settings if not path.endswith("._target_"))
    swept: list[str] = []
    n_groups = 1
    for path in sorted(paths, key=lambda path: not path.startswith("method.")):
        kinds = {tuple(cell.settings.get(each) for each in (*swept, path)) for cell in setups}
        if len(kinds) > n_groups:
            swept.append(path)
            n_groups = len(kinds)
    return swept


def _label(cell: StoredCell, swept: Sequence[str]) -> str:
    names = Counter(path.rpartition(".")[2] for path in swept)
    own = [path for path in swept if path in cell.settings]
    settings = [f"{_short(path, names)}={_value(cell.settings[path])}" for path in own]
    return f"{cell.method} ({', '.join(settings)})" if settings else cell.method


def _value(text: str) -> str:
    """A setting's value; a list of texts without the quotation marks that none of them needs."""
    return re.sub(r'"([\w./-]+)"', r"\1", text) if text.startswith("[") else text


def _short(path: str, names: Counter[str]) -> str:
    group, _, name = path.rpartition(".")
    if name == "name":
        # As it is typed: prompt=alpaca, metric=bleu
        return group.partition(".")[0]
    return name if names[name] == 1 else path
