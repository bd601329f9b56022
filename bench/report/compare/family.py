"""Which scores are compared and tested together, and which one decides."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.errors import InputError
from bench.report.compare.comparisons import Comparison
from bench.report.compare.quantities import Quantity
from bench.report.wording import listed

DEFAULT_SIZE = 2
"""Every further score makes Holm's adjustment stricter for all of them."""


@dataclass(frozen=True)
class Family:
    """Scores by their names in the record."""

    scores: tuple[str, ...]
    """Compared with the reference; their tests are adjusted together."""
    decides: str | None
    """The score that decides which method is best; None if none can."""
    notes: tuple[str, ...] = ()
    """A sentence for each score that would have decided, but cannot."""


def scores_of(comparisons: Sequence[Comparison]) -> dict[str, Quantity]:
    """The scores of all comparisons by name, in the order in which the metrics were configured."""
    scores: dict[str, Quantity] = {}
    for comparison in comparisons:
        scores = scores | {name: score for name, score in comparison.scores.items() if name not in scores}
    return scores


def family_of(study: str, comparisons: Sequence[Comparison], asked: Sequence[str]) -> Family:
    """The scores that the user asked for; by default the first `DEFAULT_SIZE` that can decide. The first such decides.

    Raises:
        InputError: no cell of the study has a score that was asked for.
    """
    scores = scores_of(comparisons)
    if scores and (unknown := [name for name in asked if name not in scores]):
        raise InputError(
            f"--family: no cell of {study} has the score {listed(unknown)}; there are {', '.join(sorted(scores))}."
        )
    candidates = [name for name in asked or scores if name in scores]
    obstacles = {name: _obstacle(scores[name], comparisons) for name in candidates}
    able = [name for name in candidates if obstacles[name] is None]
    decides = able[0] if able else None
    skipped = candidates[: candidates.index(decides)] if decides else candidates
    notes = [f"{scores[name].title} does not decide which method is best: {obstacles[name]}." for name in skipped]
    return Family(tuple(asked or able[:DEFAULT_SIZE]), decides, tuple(notes))


def decisive(comparisons: Sequence[Comparison], asked: str | None) -> str | None:
    """The score by which `bench.decide` decides: the one asked for, or the first that can; None if no cell has one.

    Raises:
        InputError: the one that was asked for cannot decide, and another could.
    """
    able = [name for name, score in scores_of(comparisons).items() if _obstacle(score, comparisons) is None]
    if asked is None or not able:
        return able[0] if able else None
    if asked not in able:
        raise InputError(
            f"decide.metric: must be a score that cells have and whose direction is known, such as "
            f"{' or '.join(sorted(able))}, got {asked!r}; the same command with one of these goes on with the cells "
            "that have run"
        )
    return asked


def _obstacle(score: Quantity, comparisons: Sequence[Comparison]) -> str | None:
    """Why a score cannot decide, or None if it can."""
    if score.better is None:
        return "whether higher or lower is better is not known"
    cells = [cell for comparison in comparisons for cell in comparison.ok]
    if all(score.get(cell) is None for cell in cells):
        return f"no cell has it ({listed(dict.fromkeys(cell.reason(score.key) for cell in cells))})"
    return None
