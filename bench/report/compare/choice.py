"""Which method, then? What the numbers of each comparison say about what a user may want, and how surely."""

from collections.abc import Sequence

from bench.report.compare.comparisons import Comparison
from bench.report.compare.effects import best, difference, ranked
from bench.report.compare.picks import Pick, Picks
from bench.report.compare.quantities import ENERGY, PHASES_SECONDS, Quantity
from bench.report.compare.setups import Setup
from bench.report.numbers import fixed, significant, with_interval
from bench.report.request import Request
from bench.report.statistics.intervals import Interval
from bench.report.statistics.pareto import front
from bench.report.wording import listed, mid_sentence

CLOSE = 0.95
"""Share of the best score that is good enough for those who prefer a cheaper method."""
CARDS_GB = (8.0, 12.0, 16.0, 24.0, 48.0, 80.0)
"""Memory of common cards; those are considered that some setups fit into and others do not."""
SCORE = fixed(4)


def choices(found: Sequence[Comparison], request: Request) -> list[Picks]:
    """For each comparison with at least two setups that have the deciding score, what to choose."""
    picks = []
    for comparison in found:
        score = comparison.scores.get(request.family[0])
        if score and len(scored := ranked(comparison, score)) > 1:
            picks.append(Picks(comparison.title, comparison.model, _picks(comparison, scored, score, request)))
    return picks


def _picks(comparison: Comparison, scored: list[Setup], score: Quantity, request: Request) -> tuple[Pick, ...]:
    sizes = request.fits_gb or tuple(size for size in CARDS_GB if _divides(comparison, scored, size))
    picks = [
        _best(comparison, scored, score),
        _cheapest_close(scored, score),
        *(_fitting(comparison, scored, score, size) for size in sizes),
        _undominated(comparison, scored, score),
    ]
    # Refused unless the user insisted
    refusals = comparison.refusals
    return (Pick("Beware", "these cells cannot be compared", " ".join(refusals)), *picks) if refusals else tuple(picks)


def _best(comparison: Comparison, scored: list[Setup], score: Quantity) -> Pick:
    leader, following = scored[:2]
    together = best(comparison, score)
    tied = [setup for setup in scored if setup.label in together] or scored
    told = f"{_told(leader, score)}. {_next(leader, following, score)}"
    if any(difference(leader, setup, score) is None for setup in scored[1:]):
        return Pick(f"Best {score.name}", f"{leader.label}, but not every difference from it can be tested", told)
    if len(tied) > 1:
        alike = listed(setup.label for setup in tied)
        return Pick(f"Best {score.name}", f"{leader.label}, but not separable: {alike}", told)
    return Pick(f"Best {score.name}", leader.label, told)


def _next(leader: Setup, following: Setup, score: Quantity) -> str:
    return f"Next is {_told(following, score)}: {_apart(leader, following, score)}"


def _apart(leader: Setup, following: Setup, score: Quantity) -> str:
    """By how much one setup leads another, and whether that is chance."""
    ahead = difference(leader, following, score)
    if ahead is None:
        return "whether their difference is chance cannot be told."
    once = any(len(setup.seeds) == 1 for setup in (leader, following))
    caveat = " With one seed this is of the models at hand; another seed may turn it round." if once else ""
    amounts = with_interval(SCORE, ahead.mean, _bounds(ahead.interval))
    return f"a difference of {amounts}, p {_p(ahead.p)} before adjustment.{caveat}"


def _bounds(interval: Interval | None) -> tuple[float, float] | None:
    return (interval.low, interval.high) if interval else None


def _cheapest_close(scored: list[Setup], score: Quantity) -> Pick:
    """The least energy among the setups whose score is close to the best; time where energy was not measured."""
    measured = all(setup.cost(ENERGY).mean is not None for setup in scored)
    quantity = ENERGY if measured else PHASES_SECONDS
    wanted = f"Within {100 * (1 - CLOSE):.0f} % of the best {score.name}, least {mid_sentence(quantity.title)}"
    top = scored[0].measure(score).mean or 0.0
    close = [setup for setup in scored if _is_close(setup.measure(score).mean or 0.0, top, score)]
    known = [(cost, setup) for setup in close if (cost := setup.cost(quantity).mean) is not None]
    if not known:
        return Pick(wanted, "cannot be said", f"No such setup's {mid_sentence(quantity.title)} was measured.")
    cost, cheapest = min(known, key=lambda pair: pair[0])
    dearest_cost, dearest = max(known, key=lambda pair: pair[0])
    others = (
        f"Only {cheapest.label} comes so close."
        if len(known) == 1
        else f"The dearest of those as close, {dearest.label}, takes {_amount(dearest_cost, quantity)}."
    )
    instead = "" if measured else f" Energy was not measured ({_unmeasured(scored)}): time in its place."
    leader = scored[0]
    short = f" The best is {_told(leader, score)}: {_apart(leader, cheapest, score)}" if cheapest is not leader else ""
    told = f"{_told(cheapest, score)}, with {_amount(cost, quantity)} for all phases. {others}{instead}{short}"
    return Pick(wanted, cheapest.label, told)


def _fitting(comparison: Comparison, scored: list[Setup], score: Quantity, size_gb: float) -> Pick:
    title = mid_sentence(comparison.memory.title)
    wanted = f"Fits in {size_gb:g} GB"
    peaks = {setup.label: _peak(setup, comparison.memory) for setup in scored}
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


def _divides(comparison: Comparison, scored: list[Setup], size_gb: float) -> bool:
    """Whether some setups fit and others do not."""
    peaks = [peak for setup in scored if (peak := _peak(setup, comparison.memory)) is not None]
    return bool(peaks) and min(peaks) <= size_gb * 1e9 < max(peaks)


def _undominated(comparison: Comparison, scored: list[Setup], score: Quantity) -> Pick:
    """The Pareto fronts of the score over each cost that was measured."""
    sign = -1 if score.better == "lower" else 1
    means = [sign * (setup.measure(score).mean or 0.0) for setup in scored]
    told = []
    for quantity in (ENERGY, PHASES_SECONDS, comparison.memory):
        costs = [cost for setup in scored if (cost := setup.cost(quantity).mean) is not None]
        if len(costs) == len(scored):
            kept = listed(scored[index].label for index in front(means, costs))
            told.append(f"over {mid_sentence(quantity.title)}: {kept}")
    answer = "; ".join(told) or "cannot be said"
    return Pick(
        "Pareto-optimal", answer, "No other method is at once as good and as cheap; by means, whatever their intervals."
    )


def _told(setup: Setup, score: Quantity) -> str:
    """`lora 0.58 [0.54, 0.62]`."""
    estimate = setup.measure(score)
    assert estimate.mean is not None
    return f"{setup.label} {with_interval(SCORE, estimate.mean, _bounds(estimate.interval))}"


def _unmeasured(scored: list[Setup]) -> str:
    return next(reason for setup in scored if (reason := setup.cost(ENERGY).reason) is not None)


def _amount(cost: float, quantity: Quantity) -> str:
    return f"{significant(3)(cost * quantity.scale)} {quantity.unit}"


def _p(p: float) -> str:
    return "below 0.001" if p < 0.001 else significant(2)(p)


def _is_close(mean: float, top: float, score: Quantity) -> bool:
    margin = (1 - CLOSE) * abs(top)
    return mean <= top + margin if score.better == "lower" else mean >= top - margin


def _peak(setup: Setup, memory: Quantity) -> float | None:
    """The largest of the seeds in bytes; None if it is not known, or if a seed ran out of memory."""
    out = any(cell.record.status == "oom" for cell in setup.cells)
    return None if out else max(setup.cost(memory).by_seed, default=None)
