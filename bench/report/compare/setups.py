"""Setups: cells that differ in nothing but their seed. They are the rows of tables and figures."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING

from bench.report.compare.quantities import MEMORIES, Quantity
from bench.report.read.cells import StoredCell
from bench.report.read.predictions import Predictions
from bench.report.statistics.formulas import NoSpread
from bench.report.statistics.intervals import ALPHA, Interval, over_seeds, score_interval, uniform_interval
from bench.report.statistics.jackknife import Spread
from bench.report.statistics.spreads import spread_of
from bench.report.wording import listed, mid_sentence

if TYPE_CHECKING:
    from bench.report.compare.decision import Decision

FEW_DOCUMENTS = 10
"""With fewer, nothing is tested."""
ENOUGH_SEEDS = 3
"""With two, tests find what is not there in up to 10 % of simulated studies (docs/statistics.md)."""


@dataclass(frozen=True)
class Estimate:
    """One quantity of a setup, over the seeds that ended ok."""

    mean: float | None
    """None unless every such seed has a finite number: a mean over fewer would be another quantity."""
    by_seed: tuple[float, ...]
    """The numbers behind the mean, in the order of the seeds; empty where there is no mean."""
    reason: str | None
    """In words, why there is no mean."""
    interval: Interval | None = None
    """Of a score over documents and seeds, of any other quantity over seeds."""
    interval_reason: str | None = None
    """In words, why a mean has no interval."""


@dataclass(frozen=True)
class Setup:
    """One method with one configuration on one model and data set, at every seed that was run."""

    method: str
    label: str
    """The method's name, and the settings that distinguish this setup from others of the same method."""
    cells: tuple[StoredCell, ...]
    """One per seed, at least one, in the order of the seeds."""
    predictions: Mapping[str, Predictions] = field(default_factory=dict, repr=False)
    """Answers by the cell's `folder`."""
    decision: "Decision | None" = field(default=None, repr=False, compare=False)
    """What is known of it and others of its comparison, if seeds were added until they differed."""
    _estimates: dict[Quantity, Estimate] = field(default_factory=dict, init=False, repr=False, compare=False)
    _spreads: dict[str, Spread | NoSpread] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def ok(self) -> tuple[StoredCell, ...]:
        """The cells that ended ok: every estimate is over these."""
        return tuple(cell for cell in self.cells if cell.ok)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the cells that ended ok."""
        return tuple(cell.seed for cell in self.ok)

    @cached_property
    def ending(self) -> str:
        """In words, how the cells that did not end ok ended; empty if all did."""
        alike: dict[str, list[StoredCell]] = {}
        for cell in self.cells:
            if not cell.ok:
                alike.setdefault(cell.ending, []).append(cell)
        texts = {cell.seed: _ending_with_peak(cells) for cells in alike.values() for cell in cells}
        return _by_seed(texts, len(self.cells))

    def measure(self, quantity: Quantity) -> Estimate:
        """The quantity's mean over the seeds that ended ok."""
        if quantity not in self._estimates:
            self._estimates[quantity] = self._estimate(quantity)
        return self._estimates[quantity]

    def cost(self, quantity: Quantity) -> Estimate:
        """As `measure`, but without a mean if a cell was resumed: what it cost before that is not known."""
        return Estimate(None, (), self.resumed) if self.resumed else self.measure(quantity)

    def _estimate(self, quantity: Quantity) -> Estimate:
        values: list[float] = []
        reasons: dict[int, str] = {}
        for cell in self.ok:
            number = quantity.get(cell)
            if number is None:
                reasons[cell.seed] = cell.reason(quantity.key)
            elif not math.isfinite(number):
                reasons[cell.seed] = "not a finite number"
            else:
                values.append(number)
        if reasons:
            return Estimate(None, (), _by_seed(reasons, len(self.ok)))
        if not values:
            return Estimate(None, (), self.ending)
        # The mean of equal numbers is that number, which rounding would not always give
        mean = values[0] if len(set(values)) == 1 else fmean(values)
        if quantity.score:
            return self._estimate_of_score(quantity, mean, tuple(values))
        bounds = over_seeds(values)
        return Estimate(mean, tuple(values), None, bounds, None if bounds else "one seed")

    def _estimate_of_score(self, score: Quantity, mean: float, by_seed: tuple[float, ...]) -> Estimate:
        try:
            spread = self.spread(score)
        except NoSpread as error:
            return Estimate(mean, by_seed, None, None, str(error))
        low, high = (score.score.lowest, score.score.highest) if score.score else (None, None)
        alpha = self.decision.alpha if self.decision else ALPHA
        if bounds := score_interval(spread, low, high, alpha):
            return Estimate(mean, by_seed, None, bounds)
        if score.span is None or mean not in (low, high):
            return Estimate(mean, by_seed, None, None, "it is the same for all documents")
        assert low is not None
        return Estimate(mean, by_seed, None, uniform_interval(mean, low, low + score.span, spread.n_clusters, alpha))

    def spread(self, score: Quantity) -> Spread:
        """A score without each document in turn, for the seeds that ended ok.

        Raises:
            NoSpread: why it has none.
        """
        if score.name not in self._spreads:
            try:
                self._spreads[score.name] = self._spread(score)
            except NoSpread as error:
                self._spreads[score.name] = error
        spread = self._spreads[score.name]
        if isinstance(spread, NoSpread):
            raise spread
        return spread

    def _spread(self, score: Quantity) -> Spread:
        answers = [self.predictions[cell.folder] for cell in self.ok if cell.folder in self.predictions]
        if not answers or len(answers) < len(self.ok):
            raise NoSpread("its answers cannot be read")
        spread = spread_of(score.name, score.score and score.score.pooling, answers)
        values = [score.get(cell) for cell in self.ok]
        recorded = fmean(math.nan if value is None else value for value in values)
        if not math.isclose(spread.mean, recorded, rel_tol=1e-6, abs_tol=1e-9):
            raise NoSpread(f"the answers give {spread.mean:.6g}, and the record says {recorded:.6g}")
        return spread

    @property
    def n_documents(self) -> int | None:
        """How many documents the scored examples are from."""
        return next((cell.record.data.n_clusters_scored for cell in self.ok if cell.record.data), None)

    @property
    def trains(self) -> bool:
        """Whether any cell that ended ok trained something."""
        return any(cell.trains for cell in self.ok)

    @property
    def depends_on_seed(self) -> bool:
        """Whether another seed could give another score: something is trained, or examples are drawn for prompts."""
        return self.trains or any(cell.record.data.n_shots_mean > 0 for cell in self.ok if cell.record.data)

    @property
    def too_few_seeds(self) -> str:
        """In words, why it is not known how other seeds would differ; empty if it is, or if no seed would."""
        if not self.depends_on_seed or len(self.ok) >= ENOUGH_SEEDS:
            return ""
        return f"{('one seed', 'two seeds')[len(self.ok) - 1]}: run seed=0,1,2"

    def describe(self, get: Callable[[StoredCell], str | None]) -> str:
        """The texts that `get` gives for the cells that ended ok, by seed unless all are the same; empty if none."""
        texts = {cell.seed: text for cell in self.ok if (text := get(cell))}
        return _by_seed(texts, len(self.ok))

    @cached_property
    def resumed(self) -> str:
        """Which seeds went on from a checkpoint, so that their cost is of the last run alone; empty if none."""
        return self.describe(_resumed)

    @cached_property
    def refitted(self) -> str:
        """Which seeds ran out of memory at larger micro batches first, which their cost includes; empty if none."""
        return self.describe(_refitted)


def _resumed(cell: StoredCell) -> str | None:
    step = cell.record.training and cell.record.training.resumed_from_step
    return f"resumed from step {step}: costs are those of the run since then" if step else None


def _refitted(cell: StoredCell) -> str | None:
    failed = cell.record.training.micro_batches_tried[:-1] if cell.record.training else ()
    if not failed:
        return None
    return (
        f"ran out of memory at micro batch {listed(map(str, failed))} first: its time, energy and peaks include that, "
        "its step times and throughput do not"
    )


def _ending_with_peak(cells: list[StoredCell]) -> str:
    """How cells that ended alike ended, and the most memory that one of them reached."""
    for memory in MEMORIES:
        reached = [peak for cell in cells if (peak := memory.get(cell)) is not None]
        if reached:
            return f"{cells[0].ending} ({mid_sentence(memory.title)} {max(reached) / 1e9:.2f} GB)"
    return cells[0].ending


def _by_seed(texts: Mapping[int, str], n_seeds: int) -> str:
    """One text if it holds for all seeds, otherwise each with its seeds."""
    if len(set(texts.values())) == 1 and len(texts) == n_seeds:
        return next(iter(texts.values()))
    seeds: dict[str, list[str]] = {}
    for seed, text in texts.items():
        seeds.setdefault(text, []).append(str(seed))
    return "; ".join(f"seed {', '.join(numbers)}: {text}" for text, numbers in seeds.items())
