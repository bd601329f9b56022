"""What the searches found that chose the settings of a comparison, at equally many trials of each method."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bench.report.compare.comparisons import Comparison
from bench.report.compare.quantities import ENERGY, Quantity, score_quantity
from bench.report.compare.tuning import tuning_of
from bench.report.read.cells import StoredCell
from bench.report.read.searches import Search, SearchId
from bench.report.read.studies import TRIALS
from bench.report.read.study import Study
from bench.report.statistics.expected_best import Best, expected_best
from bench.report.wording import listed

UNKNOWN = "?"
"""A setting that a trial's record does not have."""


@dataclass(frozen=True)
class Searched:
    """One method of a comparison, and the search for its settings."""

    comparison: Comparison
    method: str
    search: Search

    @cached_property
    def score(self) -> Quantity | None:
        """The score that trials were chosen by; None if no trial has one."""
        infos = (cell.record.score_info or {} for cell in self.search.trials)
        info = next((own[self.search.metric] for own in infos if self.search.metric in own), None)
        return info and score_quantity(self.search.metric, info)

    @property
    def cells(self) -> list[StoredCell]:
        """What was run: trials that drew the same settings are one cell."""
        return list({cell.folder: cell for cell in self.search.trials}.values())

    @cached_property
    def scores(self) -> list[float | None]:
        """The tune score of each trial; None for one that failed."""
        return [self._score(cell) for cell in self.search.trials]

    def _score(self, cell: StoredCell) -> float | None:
        value = self.score.get(cell) if self.score and cell.ok else None
        return value if value is not None and math.isfinite(value) else None

    @property
    def n_failed(self) -> int:
        """Trials that ended without a score."""
        return self.scores.count(None)

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The worst and the best possible score; None where there is none."""
        info = self.score.score if self.score else None
        ends = (info.lowest, info.highest) if info else (None, None)
        return ends if self.search.better == "higher" else ends[::-1]

    @cached_property
    def curve(self) -> list[Best]:
        """The best score of k trials, for k from 1."""
        return expected_best(self.scores, self.search.better, worst=self.bounds[0])

    @property
    def winner(self) -> StoredCell | None:
        """The trial that was chosen."""
        return next((cell for cell in self.search.trials if cell.record.key == self.search.winner), None)

    @property
    def winning_score(self) -> float | None:
        """The tune score of the trial that was chosen."""
        return self._score(self.winner) if self.winner else None

    @property
    def chosen(self) -> str:
        """The settings of the trial that was chosen, as the user would type them."""
        settings = self.winner.settings if self.winner else {}
        return ", ".join(f"{path}={settings.get(f'method.{path}', UNKNOWN)}" for path in self.search.space)

    @property
    def why_no_winner(self) -> str | None:
        """In words, why no trial was chosen; None if one was."""
        if self.winner:
            return None
        if self.search.winner:
            return "the record of the chosen trial cannot be read"
        return "the search has not ended" if self.curve or not self.search.trials else "no trial has a score"

    def interval(self, best: Best) -> tuple[float, float] | None:
        """The best of new trials lies in it with a chance of 95 % or more; None where it would have no end.

        An end that the trials do not give is the score's bound.
        """
        worst, highest = self.bounds
        ends = [
            best.at_least if best.at_least is not None else worst,
            best.at_most if best.at_most is not None else highest,
        ]
        known = sorted(end for end in ends if end is not None)
        return (known[0], known[1]) if len(known) == 2 else None

    @property
    def seconds(self) -> float:
        """The time of all trials together."""
        return math.fsum(cell.record.seconds for cell in self.cells)

    @property
    def energy_j(self) -> float | None:
        """The energy of all trials together; None unless each was measured."""
        energies = [ENERGY.get(cell) for cell in self.cells]
        known = [energy for energy in energies if energy is not None]
        return math.fsum(known) if known and len(known) == len(energies) else None

    @property
    def why_no_energy(self) -> str:
        """In words, why there is no energy."""
        without = [cell for cell in self.cells if ENERGY.get(cell) is None]
        some = f"{len(without)} of {len(self.cells)} trials: " if len(without) < len(self.cells) else ""
        return some + (without[0].reason(ENERGY.key) if without else "no trial has ended")


def searched(study: Study, comparison: Comparison) -> list[Searched]:
    """The searches behind a comparison, in the order of its methods."""
    found = {}
    for setup in comparison.setups:
        tuning = tuning_of(setup)
        names = setup.cells[0].record.cell
        own = SearchId(
            tuning.study if tuning else study.name.removesuffix(TRIALS),
            names["model"]["name"],
            comparison.dataset,
            setup.method,
        )
        if own in study.searches:
            found[own] = Searched(comparison, setup.method, study.searches[own])
    return list(found.values())


def leaders(searches: Sequence[Searched]) -> list[str]:
    """The method with the best expected score after each number of trials that all of them made.

    After an equal score, the method that has led goes on to lead.
    """
    curves = {each.method: each.curve for each in searches if each.curve}
    leading: list[str] = []
    for k in range(min(map(len, curves.values()), default=0)):
        sign = 1 if searches[0].search.better == "higher" else -1
        ranked = sorted(curves, key=lambda method: method not in leading[-1:])
        leading.append(max(ranked, key=lambda method: sign * curves[method][k].expected))
    return leading


def leader_sentence(searches: Sequence[Searched]) -> str:
    """Whether the leader depends on the number of trials; empty if fewer than two methods can be compared."""
    leading = leaders(searches)
    if not leading or len([each for each in searches if each.curve]) < 2:
        return ""
    stretches: list[tuple[str, int, int]] = []
    for k, method in enumerate(leading, start=1):
        first = stretches.pop()[1] if stretches and stretches[-1][0] == method else k
        stretches.append((method, first, k))
    if len(stretches) == 1:
        return f"{leading[0]} has the best expected score at every number of trials up to {len(leading)}."
    parts = listed(f"{method} {_range(first, last)}" for method, first, last in stretches)
    return f"The leader depends on the number of trials: {parts}."


def _range(first: int, last: int) -> str:
    return f"at {first}" if first == last else f"from {first} to {last}"
