"""What is known of the setups of a comparison to which seeds were added until a difference was found."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.report.compare.quantities import Quantity
from bench.report.compare.setups import FEW_DOCUMENTS, Setup
from bench.report.numbers import significant
from bench.report.read.plan import Plan
from bench.report.statistics.formulas import NoSpread
from bench.report.statistics.intervals import ALPHA
from bench.report.statistics.jackknife import Spread
from bench.report.statistics.sequential import documents_needed, nominal_p
from bench.report.statistics.stopping import Look, Pair, looks_at
from bench.report.wording import counted, listed


@dataclass(frozen=True)
class Decision:
    """The looks at one comparison so far."""

    score: Quantity | None
    """The score that decides; None if no cell has it."""
    planned: tuple[int, ...]
    """The number of seeds at each look."""
    looks: tuple[Look, ...]
    left_out: Mapping[str, str]
    """Labels of setups that cannot be compared, and in words, why."""
    n_documents: int
    lost: Collection[str] = ()
    """Labels of setups that get no more seeds, because a cell of theirs did not end ok."""

    @property
    def alpha(self) -> float:
        """The share of studies in which an interval at one look misses the truth; at all looks together, it is 5 %."""
        return nominal_p(ALPHA, self.planned)

    def pair(self, one: str, other: str) -> Pair | None:
        """What is known of two setups, in either order; None if they were not compared."""
        pairs = self.looks[-1].pairs if self.looks else ()
        return next((pair for pair in pairs if {pair.one, pair.other} == {one, other}), None)

    @property
    def going_on(self) -> tuple[str, ...]:
        """The setups that need more seeds."""
        return self.looks[-1].going_on if self.looks else ()

    def sentences(self) -> list[str]:
        """What was looked at, what was found, what was not and why: each with its full stop."""
        title = self.score.title if self.score else "no score"
        out = [f"{label} was not compared ({why})" for label, why in self.left_out.items()]
        begun = "Nothing could be compared"
        if self.looks:
            made = listed(str(look.n_seeds) for look in self.looks)
            begun = f"{title} was looked at after {made} of at most {self.planned[-1]} seeds"
        return [f"{text}." for text in (begun, *self.told_apart(), *self.not_told_apart(), *out)]

    def why_stopped(self) -> str:
        """Why no setup gets more seeds, in a sentence."""
        last = self.looks[-1] if self.looks else None
        if last is None or not last.pairs:
            return "Stopped because nothing can be compared."
        if last.n_seeds == self.planned[-1]:
            return f"Stopped because {last.n_seeds} seeds are the most (max_seeds)."
        if len(last.may_be_best) == 1:
            compared = " that were compared" if self.left_out else ""
            return f"Stopped because {last.may_be_best[0]} is better than all others{compared}."
        pairs = ({pair.one, pair.other} for pair in last.pairs if pair.state == "open")
        undecided = set[str]().union(*(pair for pair in pairs if pair <= {*last.may_be_best}))
        if lost := [label for label in last.may_be_best if label in undecided and label in self.lost]:
            return f"Stopped because not all cells of {listed(lost)} ended ok."
        return "Stopped because more seeds would hardly tell apart those that may be the best."

    def n_better(self, label: str, among: Collection[str]) -> int:
        """How many of these setups the one with this label is worse than."""
        pairs = self.looks[-1].pairs if self.looks else ()
        return sum(pair.worse == label and {pair.one, pair.other} <= {label, *among} for pair in pairs)

    def told_apart(self) -> list[str]:
        """A sentence for each look that decided something, without its full stop."""
        by_look: dict[int, list[str]] = {}
        known: set[tuple[str, str]] = set()
        for look in self.looks:
            for pair in look.pairs:
                if pair.worse and (pair.one, pair.other) not in known:
                    known.add((pair.one, pair.other))
                    better = pair.other if pair.worse == pair.one else pair.one
                    by_look.setdefault(look.n_seeds, []).append(f"{better} is better than {pair.worse}")
        return [f"After {counted(n_seeds, 'seed')}: {listed(found)}" for n_seeds, found in by_look.items()]

    def not_told_apart(self) -> list[str]:
        """A sentence for each pair of setups that may both be the best, without its full stop."""
        last = self.looks[-1] if self.looks else None
        pairs = [] if last is None else [pair for pair in last.pairs if {pair.one, pair.other} <= {*last.may_be_best}]
        return [f"{pair.one} and {pair.other} cannot be told apart{self._why(pair)}" for pair in pairs]

    def _why(self, pair: Pair) -> str:
        needed = documents_needed(pair.repeated, self.n_documents, self.planned[-1], self.alpha)
        if needed is None:
            seeds = f"{self.planned[-1]} seeds differ too much to show such a difference, whatever the documents"
            return f": {seeds if pair.repeated.difference else 'they score alike'}"
        if needed <= self.n_documents:
            return ""
        seen = significant(2)(abs(pair.repeated.difference))
        return (
            f": if their difference is {seen}, as it was seen, about {needed:,} documents would show it in four of "
            f"five studies (there are {self.n_documents:,})"
        )


def decision_of(plan: Plan, setups: Sequence[Setup], scores: Mapping[str, Quantity]) -> Decision | None:
    """What the plan's looks say about these setups; None if none of them is in the plan."""
    planned = [setup for setup in setups if any(cell.record.key in plan.cells for cell in setup.cells)]
    score = scores.get(plan.score or "")
    if not planned:
        return None
    if score is None:
        why = f"no cell has {plan.score or 'a score that can decide'}"
        return _undecided(plan, planned, why)
    if score.better is None:
        return _undecided(plan, planned, f"whether higher or lower {score.title} is better is not known")
    spreads: dict[str, Spread] = {}
    left_out: dict[str, str] = {}
    lost: set[str] = set()
    for setup in planned:
        if setup.ending:
            lost.add(setup.label)
        try:
            spreads[setup.label] = _spread(setup, score, plan.looks[0])
            _require_same_examples(setup, planned)
        except NoSpread as error:
            spreads.pop(setup.label, None)
            left_out[setup.label] = str(error)
    sign = -1 if score.better == "lower" else 1
    n_planned = (plan.n_setups.get(cell.record.key, 0) for setup in planned for cell in setup.cells)
    looks = looks_at(spreads, plan.looks, max(len(planned), *n_planned), sign, lost=lost)
    n_documents = next((spread.n_clusters for spread in spreads.values()), 0)
    return Decision(score, plan.looks, tuple(looks), left_out, n_documents, lost)


def _undecided(plan: Plan, setups: Sequence[Setup], why: str) -> Decision:
    return Decision(None, plan.looks, (), {setup.label: why for setup in setups}, 0)


def _require_same_examples(setup: Setup, setups: Sequence[Setup]) -> None:
    """Raise NoSpread if the setup answered other examples than the first one did."""
    asked = [cell.record.data.scored_fingerprint for each in (*setups, setup) for cell in each.ok if cell.record.data]
    own = {cell.record.data.scored_fingerprint for cell in setup.ok if cell.record.data}
    if own != {asked[0]}:
        raise NoSpread("it was asked other examples than the first method")


def _spread(setup: Setup, score: Quantity, fewest: int) -> Spread:
    """The spread over the seeds from 0 on, without a gap; over one seed where none changes anything.

    Raises:
        NoSpread: there are fewer than `fewest` seeds, or it has none.
    """
    by_seed = {cell.seed: cell for cell in setup.ok}
    n_seeds = next(n for n in range(len(by_seed) + 1) if n not in by_seed)
    if not setup.ok or (setup.depends_on_seed and n_seeds < fewest):
        raise NoSpread(setup.ending or f"fewer than {fewest} seeds have run")
    cells = [by_seed[n] for n in range(n_seeds)] if setup.depends_on_seed else [setup.ok[0]]
    spread = replace(setup, cells=tuple(cells)).spread(score)
    if spread.n_clusters < FEW_DOCUMENTS:
        raise NoSpread(f"{spread.n_clusters} documents: with fewer than {FEW_DOCUMENTS}, no test can separate methods")
    return spread
