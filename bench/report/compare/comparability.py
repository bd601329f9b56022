"""Whether the numbers of cells can be compared: which settings and circumstances differ between them."""

from collections.abc import Callable, Mapping, Sequence

from bench.report.compare.setups import Setup
from bench.report.read.cells import StoredCell
from bench.report.wording import listed, printable

Facts = Mapping[str, str]
"""What something is called to its value."""

ASKED_PARTS = ("prompt.", "generation.")
ASKED = frozenset(("dataset.language", "model.path", "model.tokenizer", "model.weights", "model.architecture"))
"""Settings that must match for scores to be comparable, by part and by path."""
OWN_PARTS = ("method.", "metric.", *ASKED_PARTS)
OWN = frozenset(("dataset.train", "dataset.tune", "dataset.test", *ASKED))
"""Settings that no warning names: a setup's own, those that are refused, and files, which have fingerprints."""


def refused(cells: Sequence[StoredCell]) -> Callable[[StoredCell], Facts]:
    """The facts of a cell that must match for scores to be comparable, given all cells."""
    unset = {path: "not set" for cell in cells for path in _asked(cell)}
    return lambda cell: unset | _asked(cell) | _scored(cell)


def warned(cell: StoredCell) -> Facts:
    """The facts of a cell that may explain a difference in numbers."""
    settings = {
        path: value for path, value in cell.settings.items() if path not in OWN and not path.startswith(OWN_PARTS)
    }
    return settings | _training_facts(cell) | _machine_facts(cell)


def differences(title: str, setups: Sequence[Setup], facts: Callable[[StoredCell], Facts]) -> list[str]:
    """A sentence for each fact that is not the same for all cells that ended ok."""
    seeds_of: dict[str, dict[str, dict[str, list[int]]]] = {}
    for setup in setups:
        for cell in setup.ok:
            for fact, value in facts(cell).items():
                seeds_of.setdefault(fact, {}).setdefault(value, {}).setdefault(setup.label, []).append(cell.seed)
    every = {setup.label: list(setup.seeds) for setup in setups}
    return [
        f"the cells of {title} differ in {fact}: "
        + "; ".join(f"{printable(value)} for {_named(seeds, every)}" for value, seeds in values.items())
        + "."
        for fact, values in seeds_of.items()
        if len(values) > 1
    ]


def shared_boards(title: str, setups: Sequence[Setup]) -> list[str]:
    """A sentence that names the cells beside which other processes used a GPU."""
    seeds_of: dict[str, list[int]] = {}
    for setup in setups:
        for cell in setup.ok:
            if any(cell.record.telemetry.shared_board.values()):
                seeds_of.setdefault(setup.label, []).append(cell.seed)
    if not seeds_of:
        return []
    return [
        f"{title}, {_named(seeds_of, {setup.label: list(setup.seeds) for setup in setups})}: other processes used the "
        "GPU as well, so times, power, energy and device memory are not those of the cell alone."
    ]


def _named(seeds: Mapping[str, list[int]], every: Mapping[str, list[int]]) -> str:
    """Setups by their labels, with seeds where those are not all that ended ok."""
    return ", ".join(
        label if own == every[label] else f"{label} seed {', '.join(map(str, own))}" for label, own in seeds.items()
    )


def _asked(cell: StoredCell) -> dict[str, str]:
    """The settings that say which model is asked, how, and how it answers."""
    return {path: value for path, value in cell.settings.items() if path in ASKED or path.startswith(ASKED_PARTS)}


def _scored(cell: StoredCell) -> dict[str, str]:
    """What was asked, and how it was scored."""
    facts = {}
    if cell.record.data:
        facts["the fingerprint of the examples that were scored"] = cell.record.data.scored_fingerprint[:8]
    # The settings of a score that is missing only say why it is
    scores = cell.record.scores or {}
    settings = cell.record.score_settings or {}
    return facts | {f"score_settings.{name}": text for name, text in settings.items() if scores.get(name) is not None}


def _training_facts(cell: StoredCell) -> dict[str, str]:
    facts: dict[str, str] = {}
    if data := cell.record.data:
        facts["the fingerprint of their training set"] = data.train_fingerprint[:8]
        facts["the fingerprint of their tune set"] = (data.tune_fingerprint or "none")[:8]
    if training := cell.record.training:
        facts["training.effective_batch"] = str(training.effective_batch)
        facts["training.micro_batch"] = str(training.micro_batch)
    if base := cell.record.base:
        facts |= {"base.precision": base.precision, "base.device": base.device}
        facts |= {"base.revision": base.revision} if base.revision else {}
    return facts


def _machine_facts(cell: StoredCell) -> dict[str, str]:
    environment = cell.record.environment
    facts = {
        "their host": environment.host,
        "their CPU": f"{environment.cpu}, {environment.cpu_count} cores",
        "their GPU": listed([gpu.name for gpu in environment.gpu or ()] or ["none"]),
    }
    if environment.driver:
        facts["their driver"] = environment.driver
    if environment.git_commit:
        changed = " with uncommitted changes" if environment.git_dirty else ""
        facts["their commit"] = f"{environment.git_commit[:8]}{changed}"
    facts["their Python"] = environment.python
    return facts | {f"their {name}": version for name, version in environment.packages.items()}
