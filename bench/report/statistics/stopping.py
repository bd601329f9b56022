"""Which setups get more seeds: the decisions of a study that adds seeds until the best setup is found.

At each look, every pair of setups is tested (`sequential.py`), adjusted for all planned looks and pairs. A setup that
is significantly worse than another gets no more seeds, nor does one of which no difference is left that more seeds
could decide. A setup that has stopped is compared at the last look that it reached, so that no decision is taken back.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from bench.report.statistics.intervals import ALPHA, holm
from bench.report.statistics.jackknife import Spread
from bench.report.statistics.sequential import Repeated, is_futile, repeated

State = Literal["decided", "open", "futile"]


@dataclass(frozen=True)
class Pair:
    """Two setups at one look."""

    one: str
    other: str
    repeated: Repeated
    """`one` less `other`."""
    p_adjusted: float
    """For all planned looks and pairs."""
    state: State
    """Futile: too small a difference for these documents, even with the most seeds."""
    worse: str | None
    """The one that is significantly worse."""


@dataclass(frozen=True)
class Look:
    """What was decided after so many seeds."""

    n_seeds: int
    pairs: tuple[Pair, ...]
    may_be_best: tuple[str, ...]
    """Those that are not significantly worse than another."""
    going_on: tuple[str, ...]
    """Those that get more seeds; none if this look was the last one."""


def looks_at(
    spreads: Mapping[str, Spread],
    looks: Sequence[int],
    n_setups: int,
    sign: int = 1,
    alpha: float = ALPHA,
    lost: Collection[str] = (),
) -> list[Look]:
    """The looks for which there are enough seeds, in order, up to the one that ends the study.

    Args:
        spreads: of each setup that has the score, by its name; a single seed is that of a setup that does not depend
            on it. Seeds beyond those that the decisions ask for are not looked at.
        looks: the planned numbers of seeds, in rising order.
        n_setups: how many setups were planned, with those that have no score. Their pairs count in the adjustment, so
            that no decision changes if they get one.
        sign: -1 if lower scores are better.
        alpha: the chance that any difference is found that is not there.
        lost: setups that get no more seeds than they have, because a cell of theirs has failed.
    """
    made: list[Look] = []
    reached: dict[str, Spread] = {}
    going_on = tuple(spreads)
    for n_seeds in looks:
        if not going_on or any(1 < spreads[name].n_seeds < n_seeds for name in going_on):
            break
        reached |= {name: spreads[name].first(n_seeds) for name in going_on}
        following = next((more for more in looks if more > n_seeds), math.inf)
        able = [name for name in going_on if name not in lost or spreads[name].n_seeds >= following]
        made.append(_look(reached, looks, n_seeds, able, n_setups * (n_setups - 1) // 2, sign, alpha))
        going_on = made[-1].going_on
    return made


def _look(
    reached: Mapping[str, Spread],
    looks: Sequence[int],
    n_seeds: int,
    able: Sequence[str],
    n_pairs: int,
    sign: int,
    alpha: float,
) -> Look:
    """The look after `n_seeds`, given what each setup has `reached`, and which are `able` to go on."""
    tested = {(a, b): repeated(reached[a], reached[b], looks) for a, b in combinations(reached, 2)}
    adjusted = holm([*(each.p for each in tested.values()), *[1.0] * (n_pairs - len(tested))])
    worse = {
        pair: pair[1] if sign * each.difference > 0 else pair[0]
        for (pair, each), p in zip(tested.items(), adjusted, strict=False)
        if p < alpha
    }
    may_be_best = tuple(name for name in reached if name not in worse.values())

    def state(pair: tuple[str, str]) -> State:
        if pair in worse:
            return "decided"
        return "futile" if is_futile(tested[pair], looks[-1]) else "open"

    pairs = tuple(
        Pair(*pair, each, p, state(pair), worse.get(pair))
        for (pair, each), p in zip(tested.items(), adjusted, strict=False)
    )
    left = {name for name in able if name in may_be_best}
    undecided = {
        name
        for each in pairs
        if each.state == "open" and {each.one, each.other} <= left
        # Seeds tell nothing about two setups that no seed changes.
        if max(reached[each.one].n_seeds, reached[each.other].n_seeds) > 1
        for name in (each.one, each.other)
    }
    last = n_seeds == looks[-1]
    return Look(n_seeds, pairs, may_be_best, () if last else tuple(name for name in able if name in undecided))
