"""Whether something was chosen by the very examples that were scored: such scores are too high."""

from collections import Counter
from collections.abc import Iterable, Sequence

from bench.report.compare.setups import Setup
from bench.report.read.cells import StoredCell
from bench.report.wording import listed


def selection(title: str, setups: Sequence[Setup]) -> list[str]:
    """A sentence for each choice that these setups' scores were or may be used for."""
    splits = {cell.record.data.scored_on for setup in setups for cell in setup.ok if cell.record.data}
    sentences = []
    if "tune" in splits:
        sentences.append(
            f"{title}: these scores are of the tune split, by which settings and checkpoints are chosen. They are for "
            "choosing only; run what was chosen with scored_on=test, and report that."
        )
    if weights := [setup.label for setup in setups if any(map(_by_scored_examples, setup.ok))]:
        sentences.append(
            f"{title}, {listed(weights)}: the epoch whose weights were kept was chosen by the examples that were "
            "scored, since these records are from before there was a tune split. These scores are too high."
        )
    if "tune" not in splits and (swept := _swept(setups)):
        sentences.append(
            f"{title}: several settings of {listed(swept)} were scored on the same test examples, and the best of "
            "several looks better than it is. Choose with scored_on=tune, and report the score of the choice on test."
        )
    return sentences


def _by_scored_examples(cell: StoredCell) -> bool:
    """Whether the epoch whose weights were kept was chosen by the examples that were scored."""
    data, training = cell.record.data, cell.record.training
    if data is None or training is None or data.scored_on != "validation":
        return False
    return training.best_step is not None


def _swept(setups: Iterable[Setup]) -> list[str]:
    """The trained methods that several of the setups have, with different settings that no search chose."""
    counts = Counter(setup.method for setup in setups if any(_trained_untuned(cell) for cell in setup.ok))
    return [method for method, count in counts.items() if count > 1]


def _trained_untuned(cell: StoredCell) -> bool:
    return cell.trains and (cell.record.tuning is None or bool(cell.record.tuning.overridden))
