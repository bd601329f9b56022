"""Whether methods had equal chances: their settings were tuned with the same budget, or none were."""

from collections.abc import Iterable, Sequence

from bench.record_sections import Tuning
from bench.report.compare.setups import Setup
from bench.report.read.cells import StoredCell
from bench.report.wording import counted, listed, printable

RATE = "learning_rate"
AS_CONFIGURED = "as configured, not tuned"
EACH = "\0"
"""Stands for "each" until it is known how many methods a text is about."""


def tuned_by(cells: Iterable[StoredCell]) -> str:
    """Whose learning rates are from a search, and from which one, of the methods that were trained."""
    methods: dict[str, dict[str, None]] = {}
    for cell in cells:
        if cell.trains:
            methods.setdefault(_how(cell.record.tuning), {})[cell.method] = None
    texts = {listed(own): text.replace(EACH, " each" if len(own) > 1 else "") for text, own in methods.items()}
    if len(texts) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"{own} {text}" for own, text in texts.items())


def _how(tuning: Tuning | None) -> str:
    if tuning is None:
        return AS_CONFIGURED
    trials = f"({counted(tuning.n_trials, 'trial')}{EACH})"
    if RATE not in tuning.search:
        return f"as configured; {tuning.study} tuned {listed(tuning.search)} {trials}"
    if RATE in tuning.overridden:
        return f"set by hand, not as tuned by {tuning.study}"
    return f"tuned by {tuning.study} {trials}"


def tuning_of(setup: Setup) -> Tuning | None:
    """How the settings were chosen; None if no search chose them."""
    return next((cell.record.tuning for cell in setup.cells if cell.record.tuning), None)


def unequal_chances(title: str, setups: Sequence[Setup]) -> list[str]:
    """A sentence for each reason why a difference between these setups may be one of how they were tuned."""
    trained = [setup for setup in setups if setup.trains and setup.ok]
    tunings = {setup.label: tuning for setup in trained if (tuning := tuning_of(setup))}
    untuned = [setup.label for setup in trained if setup.label not in tunings]
    sentences = []
    if tunings and untuned:
        sentences.append(
            f"{title}: {_were(tunings)} tuned, and {_were(untuned)} not. The best of several trials looks better than "
            "settings that were never chosen, even if the methods are equally good. Tune all with equally many trials."
        )
    if len(budgets := _budgets(tunings)) > 1:
        given = listed(f"{listed(labels)} with {counted(trials, 'trial')}" for trials, labels in budgets.items())
        sentences.append(
            f"{title}: {given} had unequal chances, since more trials find better settings. Compare the expected best "
            "tune scores at equally many trials, or tune all with equally many trials."
        )
    sentences += _by_hand(title, tunings)
    return [*sentences, *_chosen_by_scored(title, trained)]


def _were(labels: Iterable[str]) -> str:
    names = list(labels)
    return f"{listed(names)} {'was' if len(names) == 1 else 'were'}"


def _budgets(tunings: dict[str, Tuning]) -> dict[int, list[str]]:
    """The setups by the number of their trials."""
    budgets: dict[int, list[str]] = {}
    for label, tuning in tunings.items():
        budgets.setdefault(tuning.n_trials, []).append(label)
    return budgets


def _by_hand(title: str, tunings: dict[str, Tuning]) -> list[str]:
    return [
        f"{title}, {label}: {printable(listed(tuning.overridden))} {'was' if len(tuning.overridden) == 1 else 'were'} "
        "set by hand, so these are not the settings that the search found."
        for label, tuning in tunings.items()
        if tuning.overridden
    ]


def _chosen_by_scored(title: str, setups: Iterable[Setup]) -> list[str]:
    chosen = [
        setup.label
        for setup in setups
        if any(
            cell.record.tuning and cell.record.data.scored_fingerprint == cell.record.tuning.tune_fingerprint
            for cell in setup.ok
            if cell.record.data
        )
    ]
    if not chosen:
        return []
    return [
        f"{title}, {listed(chosen)}: settings were chosen by the very examples that were scored. These scores are too "
        "high; run with scored_on=test, and report that."
    ]
