"""Which method, then? What the numbers of each group of setups answer, and how sure that is."""

from collections.abc import Sequence

from bench.report.compare.effects import LOWER_IS_BETTER, best, difference
from bench.report.compare.picks import Pick, Picks
from bench.report.compare.setups import SCORES_OF, Group, Setup
from bench.report.numbers import fixed, significant, with_interval
from bench.report.read.load import PHASES_S
from bench.report.request import Request
from bench.report.statistics.pareto import front
from bench.report.words import MEMORIES, listed, mid_sentence

ENERGY, TIME = "power.energy_j", PHASES_S
COSTS = {ENERGY: ("energy", "kJ", 1e-3), TIME: ("time", "s", 1.0)}
"""Path to what it is called, its unit, and the factor from the record's."""
CLOSE = 0.95
"""Share of the best score that is good enough for whom a cheaper method is better."""
CARDS_GB = (8.0, 12.0, 16.0, 24.0, 48.0, 80.0)
"""Sizes of common cards, asked of where no size was."""


def choices(found: Sequence[Group], request: Request) -> list[Picks]:
    """For each group with at least two setups that have the score, the answers to what may be wanted."""
    score = request.family[0]
    return [
        Picks(group.title, group.model, tuple(_picks(group, scored, score, request)))
        for group in found
        if len(scored := _scored(group, score)) > 1
    ]


def _scored(group: Group, score: str) -> list[Setup]:
    """The setups that have the score, the best first."""
    known = [(_mean(setup, SCORES_OF + score), setup) for setup in group.setups if setup.ok]
    with_score = [(mean, setup) for mean, setup in known if mean is not None]
    sign = 1 if score in LOWER_IS_BETTER else -1
    return [setup for _, setup in sorted(with_score, key=lambda one: sign * one[0])]


def _picks(group: Group, scored: list[Setup], score: str, request: Request) -> list[Pick]:
    picks = [_best(group, scored, score), _cheapest_close(scored, score)]
    asked = request.fits_gb or tuple(size for size in CARDS_GB if _divides(group, scored, size))
    picks += [_fitting(group, scored, score, size) for size in asked]
    picks.append(_undominated(group, scored, score))
    # What is refused elsewhere is here because somebody insisted
    mixed = group.refusals
    return [Pick("Beware", "these cells cannot be compared", " ".join(mixed)), *picks] if mixed else picks


def _best(group: Group, scored: list[Setup], score: str) -> Pick:
    leader, following = scored[:2]
    together = best(group, score)
    tied = [setup for setup in scored if setup.label in together] or scored
    told = f"{_told(leader, score)}. {_next(leader, following, score)}"
    if any(difference(leader, setup, score) is None for setup in scored[1:]):
        return Pick(f"Best {score}", f"{leader.label}, but not every difference from it can be tested", told)
    if len(tied) > 1:
        alike = listed(setup.label for setup in tied)
        return Pick(f"Best {score}", f"{leader.label}, but not separable: {alike}", told)
    return Pick(f"Best {score}", leader.label, told)


def _next(leader: Setup, following: Setup, score: str) -> str:
    return f"Next is {_told(following, score)}: {_apart(leader, following, score)}"


def _apart(leader: Setup, following: Setup, score: str) -> str:
    """By how much one setup leads another, and whether that is chance."""
    ahead = difference(leader, following, score)
    if ahead is None:
        return "whether their difference is chance cannot be told."
    once = any(len(setup.seeds) == 1 for setup in (leader, following))
    caveat = " With one seed this is of the models at hand; another seed may turn it round." if once else ""
    amount, within, p = ahead
    amounts = with_interval(fixed(4), amount, (within.low, within.high) if within else None)
    return f"a difference of {amounts}, p {_p(p)} before adjustment.{caveat}"


def _cheapest_close(scored: list[Setup], score: str) -> Pick:
    """The least energy among the setups whose score is close to the best; time where energy was not measured."""
    measured = all(_mean(setup, ENERGY) is not None for setup in scored)
    path = ENERGY if measured else TIME
    name, _, _ = COSTS[path]
    wanted = f"Within {100 * (1 - CLOSE):.0f} % of the best {score}, least {name}"
    top = _mean(scored[0], SCORES_OF + score) or 0.0
    close = [setup for setup in scored if _is_close(_mean(setup, SCORES_OF + score) or 0.0, top, score)]
    costs = {setup.label: _mean(setup, path) for setup in close}
    known = [(cost, setup) for setup in close if (cost := costs[setup.label]) is not None]
    if not known:
        return Pick(wanted, "cannot be said", f"No such setup's {name} was measured.")
    cost, cheapest = min(known, key=lambda one: one[0])
    dearest_cost, dearest = max(known, key=lambda one: one[0])
    others = (
        f"Only {cheapest.label} comes so close."
        if len(known) == 1
        else f"The dearest of those as close, {dearest.label}, takes {_amount(dearest_cost, path)}."
    )
    instead = "" if measured else f" Energy was not measured ({_unmeasured(scored)}): time in its place."
    leader = scored[0]
    short = f" The best is {_told(leader, score)}: {_apart(leader, cheapest, score)}" if cheapest is not leader else ""
    told = f"{_told(cheapest, score)}, with {_amount(cost, path)} for all phases. {others}{instead}{short}"
    return Pick(wanted, cheapest.label, told)


def _fitting(group: Group, scored: list[Setup], score: str, size_gb: float) -> Pick:
    title = mid_sentence(MEMORIES[group.memory][0])
    wanted = f"Fits in {size_gb:g} GB"
    peaks = {setup.label: _peak(setup, group.memory) for setup in scored}
    fitting = [setup for setup in scored if (peak := peaks[setup.label]) is not None and peak <= size_gb * 1e9]
    if not fitting:
        known = [peak for peak in peaks.values() if peak is not None]
        least = f"the least is {min(known) / 1e9:.2f} GB" if known else f"no {title} was measured"
        return Pick(wanted, "none", f"Of {title}, {least}.")
    chosen = fitting[0]
    peak_gb = (peaks[chosen.label] or 0.0) / 1e9
    larger = [setup.label for setup in scored if (peaks[setup.label] or 0.0) > size_gb * 1e9]
    unknown = [setup.label for setup in scored if peaks[setup.label] is None]
    why = f" {listed(larger)} {'takes' if len(larger) == 1 else 'take'} more." if larger else ""
    why += f" Of {listed(unknown)} it is not known." if unknown else ""
    following = f" {_next(chosen, fitting[1], score)}" if len(fitting) > 1 else ""
    return Pick(
        wanted,
        chosen.label,
        f"{_told(chosen, score)}, with a {title} of {peak_gb:.2f} GB in its largest seed.{why}{following} Another "
        "batch or a longer text needs other memory.",
    )


def _divides(group: Group, scored: list[Setup], size_gb: float) -> bool:
    """Whether some setups fit and others do not."""
    peaks = [peak for setup in scored if (peak := _peak(setup, group.memory)) is not None]
    return bool(peaks) and min(peaks) <= size_gb * 1e9 < max(peaks)


def _undominated(group: Group, scored: list[Setup], score: str) -> Pick:
    """The Pareto fronts of the score over each cost that was measured."""
    title = mid_sentence(MEMORIES[group.memory][0])
    named = {ENERGY: "energy", TIME: "time", group.memory: title}
    told = []
    sign = -1 if score in LOWER_IS_BETTER else 1
    for path, name in named.items():
        points = [(setup, _mean(setup, path), _mean(setup, SCORES_OF + score)) for setup in scored]
        known = [(setup, cost, mean) for setup, cost, mean in points if cost is not None and mean is not None]
        if len(known) == len(scored):
            kept = front([sign * mean for *_, mean in known], [cost for _, cost, _ in known])
            told.append(f"over {name}: {listed(known[index][0].label for index in kept)}")
    answer = "; ".join(told) or "cannot be said"
    return Pick(
        "Pareto-optimal", answer, "No other method is at once as good and as cheap; by means, whatever their intervals."
    )


def _told(setup: Setup, score: str) -> str:
    """`lora 0.58 [0.54, 0.62]`."""
    measured = setup.measure(SCORES_OF + score)
    assert measured.mean is not None
    within = (measured.interval.low, measured.interval.high) if measured.interval else None
    return f"{setup.label} {with_interval(fixed(4), measured.mean, within)}"


def _unmeasured(scored: list[Setup]) -> str:
    return next(reason for setup in scored if (reason := setup.cost(ENERGY).reason) is not None)


def _amount(cost: float, path: str) -> str:
    _, unit, factor = COSTS[path]
    return f"{significant(3)(cost * factor)} {unit}"


def _p(p: float) -> str:
    return "below 0.001" if p < 0.001 else significant(2)(p)


def _is_close(mean: float, top: float, score: str) -> bool:
    margin = (1 - CLOSE) * abs(top)
    return mean <= top + margin if score in LOWER_IS_BETTER else mean >= top - margin


def _mean(setup: Setup, path: str) -> float | None:
    return (setup.measure(path) if path.startswith(SCORES_OF) else setup.cost(path)).mean


def _peak(setup: Setup, path: str) -> float | None:
    """The largest of the seeds, of bytes; null where it is not known of one, or one ran out of memory."""
    out = any(cell["status"] == "oom" for cell in setup.cells)
    return None if out else max(setup.cost(path).by_seed, default=None)
