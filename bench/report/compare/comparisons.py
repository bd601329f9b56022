"""Comparisons: the setups of one model on one data set, which are compared with each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

from bench.report.compare.comparability import differences, refused, shared_boards, warned
from bench.report.compare.decision import Decision, decision_of
from bench.report.compare.labels import labels
from bench.report.compare.left_out import left_out
from bench.report.compare.quantities import MEMORIES, Quantity, score_quantity
from bench.report.compare.selection import selection
from bench.report.compare.setups import Setup
from bench.report.compare.tuning import unequal_chances
from bench.report.read.cells import StoredCell
from bench.report.read.plan import Plan
from bench.report.read.predictions import Predictions
from bench.report.wording import printable


@dataclass(frozen=True)
class Comparison:
    """The setups of one model on one data set."""

    model: str
    dataset: str
    title: str
    """The model, and the data set too where the study has several."""
    setups: tuple[Setup, ...]
    ordered_by: str | None = None
    """Title of the score that the setups are sorted by, the best first; None if they are sorted by name."""

    @property
    def names(self) -> tuple[str, ...]:
        """The parts of its files' names that distinguish them from those of other comparisons."""
        return (self.model,) if self.title == self.model else (self.model, self.dataset)

    @property
    def decision(self) -> Decision | None:
        """What the looks of `bench.decide` say; None if seeds were not added by looking at scores."""
        return self.setups[0].decision

    @property
    def ok(self) -> list[StoredCell]:
        """The cells of all setups that ended ok."""
        return [cell for setup in self.setups for cell in setup.ok]

    @cached_property
    def scores(self) -> dict[str, Quantity]:
        """Every score that a cell has, by its name, in the order in which the metrics were configured."""
        infos = {name: info for cell in reversed(self.ok) for name, info in (cell.record.score_info or {}).items()}
        names = dict.fromkeys(name for cell in self.ok for name in cell.record.scores or ())
        return {name: score_quantity(name, infos[name]) for name in names}

    @cached_property
    def memory(self) -> Quantity:
        """The one figure that is this comparison's peak memory: the first of `MEMORIES` that any of its cells has."""
        cells = self.ok
        return next((each for each in MEMORIES if any(each.get(cell) is not None for cell in cells)), MEMORIES[0])

    @cached_property
    def refusals(self) -> list[str]:
        """A sentence for each difference between cells that forbids comparing their scores."""
        return differences(self.title, self.setups, refused(self.ok))

    @cached_property
    def left_out(self) -> list[str]:
        """A sentence about examples that were dropped or shortened, and about references that are too long."""
        return left_out(self.title, self.setups)

    @cached_property
    def unequal_chances(self) -> list[str]:
        """A sentence for each reason why a difference may be one of how settings were tuned."""
        return unequal_chances(self.title, self.setups)

    @cached_property
    def warnings(self) -> list[str]:
        """A sentence for each other difference between cells that may explain a difference in numbers, for each choice
        by the examples that were scored, for unequal tuning, and for GPUs that were not a cell's alone.
        """
        return [
            *differences(self.title, self.setups, warned),
            *selection(self.title, self.setups),
            *self.unequal_chances,
            *shared_boards(self.title, self.setups),
        ]


def comparisons_of(
    cells: Sequence[StoredCell],
    predictions: Mapping[str, Predictions] = MappingProxyType({}),
    plan: Plan | None = None,
) -> list[Comparison]:
    """The cells of a study by model and data set, in their order.

    Args:
        cells: as in `Study.cells`.
        predictions: as in `Study.predictions`; scores of cells without answers have no intervals.
        plan: as in `Study.plan`.
    """
    together: dict[tuple[str, str], list[StoredCell]] = {}
    for cell in cells:
        together.setdefault((cell.model, cell.dataset), []).append(cell)
    several = len({dataset for _, dataset in together}) > 1
    comparisons = [
        Comparison(
            model,
            dataset,
            printable(f"{model} on {dataset}" if several else model),
            tuple(Setup(seeds[0].method, label, tuple(seeds), predictions) for label, seeds in labels(same)),
        )
        for (model, dataset), same in together.items()
    ]
    return comparisons if plan is None else [_decided(comparison, plan) for comparison in comparisons]


def _decided(comparison: Comparison, plan: Plan) -> Comparison:
    decision = decision_of(plan, comparison.setups, comparison.scores)
    return replace(comparison, setups=tuple(replace(setup, decision=decision) for setup in comparison.setups))
