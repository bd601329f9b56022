"""How setups are called: the method's name, and the settings that distinguish setups of one method."""

from collections.abc import Sequence

from bench.report.read.cells import StoredCell
from bench.report.wording import printable


def labels(cells: Sequence[StoredCell]) -> list[tuple[str, list[StoredCell]]]:
    """The cells of one model and data set by setup, each setup with its label, which is unique."""
    together: dict[str, list[StoredCell]] = {}
    for cell in cells:
        together.setdefault(cell.setup, []).append(cell)
    setups = list(together.values())
    found = [printable(_label(seeds[0], [other[0] for other in setups])) for seeds in setups]
    # Cut to a length that can be shown, two labels can be equal
    return [
        (label if found.count(label) == 1 else f"{label} #{found[: at + 1].count(label)}", seeds)
        for at, (label, seeds) in enumerate(zip(found, setups, strict=True))
    ]


def _label(cell: StoredCell, setups: Sequence[StoredCell]) -> str:
    rivals = [other.settings for other in setups if other.method == cell.method]
    telling = [path for path, value in cell.settings.items() if any(rival.get(path) != value for rival in rivals)]
    return (
        f"{cell.method} ({', '.join(f'{path}={cell.settings[path]}' for path in telling)})" if telling else cell.method
    )
