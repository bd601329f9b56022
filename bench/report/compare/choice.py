"""Answers to "which method?": what the numbers of each comparison say, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.report.compare.comparisons import Comparison
from bench.report.compare.effects import Difference, difference, p_from_first, ranked, ties, untested
from bench.report.compare.quantities import TRAINING_ENERGY, TRAINING_SECONDS, Quantity
from bench.report.compare.setups import Setup
from bench.report.numbers import fixed, significant, with_interval
from bench.report.statistics.intervals import Interval
from bench.report.statistics.pareto import front
from bench.report.wording import counted, listed, mid_sentence

CLOSE = 0.95
"""Share of the best score that is good enough for those who prefer a cheaper method."""
CARDS_GB = (8.0, 12.0, 16.0, 24.0, 48.0, 80.0)
"""Memory of common cards. Those that only some of the setups fit into are considered."""
MOST_NAMED = 4
"""Setups that may be the best; more are counted."""
SCORE = fixed(4)


@dataclass(frozen=True)
class Pick:
    """One answer."""

    preference: str
    """What is wanted: `Best Token F1`, `Fits in 24 GB`."""
    answer: str
    """The method, or the methods that cannot be told apart; a sentence if there is none."""
    reason: str
    """The figures behind the answer, and how sure it is: one sentence or several."""


@dataclass(frozen=True)
class Picks:
    """The answers for one comparison."""

    title: str
    """The model, and the data set where the study has several."""
    model: str
    """The model's name, which the page filters by."""
    basis: str
    """How many documents and seeds the answers are from."""
    picks: tuple[Pick, ...]


def choices(comparisons: Sequence[Comparison], decides: str | None, fits_gb: Sequence[float] = ()) -> list[Picks]:
    """For each comparison with at least two setups that have the deciding score, what to choose.

    Args:
        comparisons: the study's comparisons.
        decides: name of the deciding score, if there is one.
        fits_gb: sizes of memory to name the best method for; if none, `CARDS_GB` that only some setups fit into.
    """
    picks = []
    for comparison in comparisons:
        score = comparison.scores.get(decides or "")
        if score and len(scored := ranked(comparison, score)) > 1:
            picks.append(
                Picks(comparison.title, comparison.model, _basis(scored), _picks(comparison, scored, score, fits_gb))
            )
    return picks


def _picks(comparison: Comparison, scored: list[Setup], score: Quantity, fits_gb: Sequence[float]) -> tuple[Pick, ...]:
    sizes = fits_gb or tuple(size for size in CARDS_GB if _divides(comparison, scored, size))
    picks = [
        _best(scored, score),
        _cheapest_close(scored, score),
        *(_fitting(comparison, scored, score, size) for size in sizes),
        _undominated(comparison, scored, score),
    ]
    # Refused unless the user insisted
    refusals = comparison.refusals
    return (Pick("Warning", "these cells cannot be compared", " ".join(refusals)), *picks) if refusals else tuple(picks)


def _basis(scored: Sequence[Setup]) -> str:
    """`150 documents, 3 seeds`."""
    seeds = sorted({len(setup.seeds) for setup in scored})
    n_seeds = counted(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    documents = next((n for setup in scored if (n := setup.n_documents)), None)
    return n_seeds if documents is None else f"{counted(documents, 'document')}, {n_seeds}"


def _best(scored: Sequence[Setup], score: Quantity) -> Pick:
    where = "" if untested(scored, score) else _where(len(ties(scored, score)) + 1, len(scored))
    reason = f"{_with_score(scored[0], score)}. {_next(scored, score)}{where}"
    return Pick(f"Best {score.title}", _answer(scored, score), reason)


def _where(n_tied: int, n_scored: int) -> str:
    """Where to find those that may be the best, if they are too many to be named."""
    return " The table of quality and cost has them in bold." if MOST_NAMED < n_tied < n_scored else ""


def _answer(scored: Sequence[Setup], score: Quantity) -> str:
    """Which setups may be the best of these, the one with the best mean first."""
    if why := untested(scored, score):
        return f"cannot be said ({listed(why)})"
    labels = [setup.label for setup in (scored[0], *ties(scored, score))]
    if len(labels) == 1:
        return labels[0]
    if len(labels) > MOST_NAMED:
        others = "any" if len(labels) == len(scored) else "one"
        return f"{labels[0]} or {others} of {len(labels) - 1} others: no significant difference"
    return f"{listed(labels, 'or')}: no significant difference"


def _next(scored: Sequence[Setup], score: Quantity) -> str:
    return f"Next is {_with_score(scored[1], score)}: {_apart(scored, scored[1], score)}"


def _apart(scored: Sequence[Setup], following: Setup, score: Quantity) -> str:
    """How far the first of these setups leads another of them, and how sure that is."""
    leader = scored[0]
    ahead = difference(leader, following, score)
    if ahead is None:
        return "their difference is not known."
    amounts = with_interval(SCORE, ahead.mean, _bounds(ahead.interval))
    if ahead.p is None:
        return f"a difference of {amounts}, not tested."
    adjusted = p_from_first(scored, score)
    p = adjusted[following.label] if ahead.p_adjusted is None else ahead.p_adjusted
    words = "below 0.001" if p < 0.001 else significant(2)(p)
    return f"a difference of {amounts}, p {words}{_adjustment(ahead, len(adjusted))}."


def _adjustment(ahead: Difference, n_tests: int) -> str:
    if ahead.p_adjusted is not None:
        return ", adjusted for all pairs and looks"
    return f", adjusted for {n_tests} comparisons with the best" if n_tests > 1 else ""


def _bounds(interval: Interval | None) -> tuple[float, float] | None:
    return (interval.low, interval.high) if interval else None


def _cheapest_close(scored: list[Setup], score: Quantity) -> Pick:
    """The least training energy among setups close to the best; training time where energy was not measured.

    Close is what the whole interval of the difference is, or by its mean alone what nothing more is known of.
    """
    measured = all(setup.cost(TRAINING_ENERGY).mean is not None for setup in scored)
    cost = TRAINING_ENERGY if measured else TRAINING_SECONDS
    name = mid_sentence(cost.title)
    wanted = f"Within {100 * (1 - CLOSE):.0f} % of the best {score.title}, least {name}"
    leader, why = scored[0], untested(scored, score)
    by_mean = [setup for setup in scored if _is_close(setup, leader, score)]
    close = [setup for setup in by_mean if why or setup is leader or _is_surely_close(setup, leader, score)]
    known = [(amount, setup) for setup in close if (amount := setup.cost(cost).mean) is not None]
    if not known:
        return Pick(wanted, "cannot be said", f"The {name} of {listed(setup.label for setup in close)} is not known.")
    least, cheapest = min(known, key=lambda pair: pair[0])
    reason = [f"{_with_score(cheapest, score)}, with {_amount(least, cost)}.", _dearest(known, cost)]
    if unsure := [setup.label for setup in by_mean if setup not in close]:
        reason.append(f"{listed(unsure)}: close by the mean, but not by the whole interval of the difference.")
    if not measured:
        reason.append(f"Energy was not measured ({_unmeasured(scored)}), so time decides.")
    if cheapest is not leader:
        reason.append(f"The best is {_with_score(leader, score)}: {_apart(scored, cheapest, score)}")
    if why:
        return Pick(wanted, f"cannot be said ({listed(why)})", f"By means alone: {' '.join(reason)}")
    return Pick(wanted, cheapest.label, " ".join(reason))


def _dearest(known: Sequence[tuple[float, Setup]], cost: Quantity) -> str:
    """What the others cost that come so close to the best."""
    (least, cheapest), (most, dearest) = (pick(known, key=lambda pair: pair[0]) for pick in (min, max))
    if len(known) == 1:
        return f"Only {cheapest.label} comes this close."
    if least == most:
        return "All others that come this close take as much."
    return f"The most expensive one that comes this close, {dearest.label}, takes {_amount(most, cost)}."


def _fitting(comparison: Comparison, scored: list[Setup], score: Quantity, size_gb: float) -> Pick:
    title = mid_sentence(comparison.memory.title)
    wanted = f"Fits in {size_gb:g} GB"
    peaks = {setup.label: _peak(setup, comparison.memory) for setup in scored}
    fitting = [setup for setup in scored if (peak := peaks[setup.label]) is not None and peak <= size_gb * 1e9]
    if not fitting:
        known = [peak for peak in peaks.values() if peak is not None]
        reason = f"The smallest {title} is {min(known) / 1e9:.2f} GB." if known else f"No {title} was measured."
        return Pick(wanted, "none", reason)
    chosen = fitting[0]
    peak_gb = (peaks[chosen.label] or 0.0) / 1e9
    larger = [setup.label for setup in scored if (peaks[setup.label] or 0.0) > size_gb * 1e9]
    unknown = [setup.label for setup in scored if peaks[setup.label] is None]
    why = f" {listed(larger)} {'takes' if len(larger) == 1 else 'take'} more." if larger else ""
    why += f" For {listed(unknown)}, it is not known." if unknown else ""
    following = f" {_next(fitting, score)}" if len(fitting) > 1 else ""
    return Pick(
        wanted,
        _answer(fitting, score),
        f"{_with_score(chosen, score)}, with a {title} of {peak_gb:.2f} GB in its largest seed.{why}{following} "
        "Other batch sizes and text lengths need other amounts.",
    )


def _divides(comparison: Comparison, scored: list[Setup], size_gb: float) -> bool:
    """Whether some setups fit and others do not."""
    peaks = [peak for setup in scored if (peak := _peak(setup, comparison.memory)) is not None]
    return bool(peaks) and min(peaks) <= size_gb * 1e9 < max(peaks)


def _undominated(comparison: Comparison, scored: list[Setup], score: Quantity) -> Pick:
    """The Pareto fronts of the score over each cost that was measured."""
    sign = -1 if score.better == "lower" else 1
    means = [sign * (setup.measure(score).mean or 0.0) for setup in scored]
    fronts = []
    for cost in (TRAINING_ENERGY, TRAINING_SECONDS, comparison.memory):
        amounts = [amount for setup in scored if (amount := setup.cost(cost).mean) is not None]
        if len(amounts) == len(scored):
            kept = listed(scored[index].label for index in front(means, amounts))
            fronts.append(f"over {mid_sentence(cost.title)}: {kept}")
    answer = "; ".join(fronts) or "cannot be said"
    reason = "No other method is at least as good and as cheap. Only means are compared, not intervals."
    return Pick("Pareto-optimal", answer, reason)


def _with_score(setup: Setup, score: Quantity) -> str:
    """`lora 0.58 [0.54, 0.62]`."""
    estimate = setup.measure(score)
    assert estimate.mean is not None
    return f"{setup.label} {with_interval(SCORE, estimate.mean, _bounds(estimate.interval))}"


def _unmeasured(scored: list[Setup]) -> str:
    reasons = [(setup, reason) for setup in scored if (reason := setup.cost(TRAINING_ENERGY).reason)]
    return next((reason for setup, reason in reasons if setup.ok[0].trains), reasons[0][1])


def _amount(amount: float, cost: Quantity) -> str:
    """`12.3 kJ of training energy`, or `no training energy` where nothing is trained."""
    title = mid_sentence(cost.title)
    return f"{significant(3)(amount * cost.scale)} {cost.unit} of {title}" if amount else f"no {title}"


def _is_surely_close(setup: Setup, leader: Setup, score: Quantity) -> bool:
    """Whether no value in the interval of the difference is farther from the best."""
    less, top = difference(setup, leader, score), leader.measure(score).mean
    if less is None or top is None:
        return False
    within = less.interval or Interval(less.mean, less.mean)
    worst = within.high if score.better == "lower" else -within.low
    return worst <= (1 - CLOSE) * abs(top)


def _is_close(setup: Setup, leader: Setup, score: Quantity) -> bool:
    mean, top = setup.measure(score).mean, leader.measure(score).mean
    assert mean is not None
    assert top is not None
    return abs(mean - top) <= (1 - CLOSE) * abs(top)


def _peak(setup: Setup, memory: Quantity) -> float | None:
    """The largest of the seeds in bytes; None if it is not known, or if a seed ran out of memory."""
    out = any(cell.record.status == "oom" for cell in setup.cells)
    return None if out else max(setup.cost(memory).by_seed, default=None)
