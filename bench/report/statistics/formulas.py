"""The parts of each example in a score, and the formulas that compute scores from sums of parts."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from scipy.sparse import coo_array

from bench.report.read.predictions import Predictions
from bench.report.statistics.jackknife import Floats, Formula, Parts, mean_formula

Pooling = Literal["mean", "macro_f1", "corpus_bleu", "corpus_chrf", "exp_ratio"]
"""As `ScoreInfo.pooling`."""

BLEU_ORDERS = 4
CHRF_BETA = 2
"""Recall counts this many times as much as precision."""


class NoSpread(Exception):
    """Why it is not known how a score varies: one sentence without its full stop."""


def parts_of(score: str, pooling: Pooling | None, answers: Predictions) -> tuple[Parts, Formula]:
    """The parts of each example in a score, and the formula that computes the score from their sums.

    Raises:
        NoSpread: it is not a mean, and its parts were not kept; or an example has no number.
    """
    if score in answers.scores:
        values = answers.scores[score]
        if np.isnan(values).any():
            raise NoSpread("not every example has a number")
        return np.column_stack([values, np.ones(len(values))]), mean_formula
    # Likelihoods of the references are kept for every cell, and by no score's name
    parts = answers.parts.get(score, answers.likelihoods if pooling == "exp_ratio" else ())
    if pooling is None or pooling not in POOLS or not parts:
        raise NoSpread("it is computed over all examples at once, and what each contributes was not kept")
    return POOLS[pooling](parts)


def macro_f1(classes: Sequence[tuple[str, ...]]) -> tuple[Parts, Formula]:
    """F1 by answer class, averaged over the classes that occur: of pairs of predicted and true class.

    An answer that has no class comes with the true one alone, and counts as a miss of that class.

    The parts are, for each class that is ever hit, how often it is hit, and how often it is predicted or true. Further
    parts count how often the other classes are predicted or true; those that occur in the same examples share one.
    """
    hit = {name: at for at, name in enumerate(dict.fromkeys(pair[0] for pair in classes if _is_hit(pair)))}
    rows, columns = [], []
    missed: dict[str, list[int]] = {}
    for row, pair in enumerate(classes):
        for name in pair:
            if name in hit:
                rows.append(row)
                columns.append(len(hit) + hit[name])
            else:
                missed.setdefault(name, []).append(row)
        if _is_hit(pair):
            rows.append(row)
            columns.append(hit[pair[0]])
    together = Counter(map(tuple, missed.values()))
    for column, examples in enumerate(together, start=2 * len(hit)):
        rows += examples
        columns += [column] * len(examples)
    parts = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(classes), 2 * len(hit) + len(together))).tocsr()
    alike = np.array(list(together.values()), dtype=float)

    def formula(sums: Floats) -> Floats:
        hits, either, others = np.split(sums, [len(hit), 2 * len(hit)])
        # A class that does not occur has no hits, so F1 0, and is not counted
        n_classes = np.count_nonzero(either, axis=0) + alike @ (others > 0)
        return 2 * (hits / np.maximum(either, 1)).sum(axis=0) / n_classes

    return parts, formula


def _is_hit(classes: tuple[str, ...]) -> bool:
    return len(classes) == 2 and classes[0] == classes[1]


def corpus_bleu(counts: Sequence[Sequence[int]]) -> tuple[Parts, Formula]:
    """BLEU (Papineni et al. 2002) as sacrebleu computes it, exponential smoothing included, as a fraction.

    The counts are of each answer: tokens, tokens of its reference, matching n-grams by order, n-grams by order.
    """

    def formula(sums: Floats) -> Floats:
        length, reference = sums[0], sums[1]
        matches, totals = sums[2 : 2 + BLEU_ORDERS], sums[2 + BLEU_ORDERS :]
        # The first order without a match counts 1/2 for one, the next 1/4, ... (Chen and Cherry 2014, method 3)
        smoothed = np.where(matches > 0, matches, 0.5 ** np.cumsum(matches == 0, axis=0))
        with np.errstate(divide="ignore", invalid="ignore"):
            precisions = np.where(totals > 0, np.log(smoothed / totals), -math.inf)
            penalty = np.minimum(0.0, 1 - reference / length)
            bleu = np.exp(penalty + precisions.mean(axis=0))
        return np.where((matches[0] > 0) & (length > 0), bleu, 0.0)

    return np.array(counts, dtype=float), formula


def corpus_chrf(counts: Sequence[Sequence[int]]) -> tuple[Parts, Formula]:
    """chrF2 (Popović 2015) as sacrebleu computes it, as a fraction: F2 of the mean precision and recall over orders.

    The counts are of each answer, and for each order in turn: its n-grams, its reference's, and those in both. An order
    that no answer or no reference is long enough for is left out.
    """

    def formula(sums: Floats) -> Floats:
        given, accepted, shared = sums[0::3], sums[1::3], sums[2::3]
        counted = (given > 0) & (accepted > 0)
        n_orders = np.maximum(counted.sum(axis=0), 1)
        precision = np.where(counted, shared / np.maximum(given, 1), 0.0).sum(axis=0) / n_orders
        recall = np.where(counted, shared / np.maximum(accepted, 1), 0.0).sum(axis=0) / n_orders
        weighted = CHRF_BETA**2 * precision + recall
        return np.where(
            weighted > 0, (1 + CHRF_BETA**2) * precision * recall / np.where(weighted > 0, weighted, 1), 0.0
        )

    return np.array(counts, dtype=float), formula


def exp_ratio(pairs: Sequence[tuple[float | None, int]]) -> tuple[Parts, Formula]:
    """The exponential of a ratio of sums, as perplexity is: of pairs of negative log-likelihood in nats and tokens."""
    if any(nats is None for nats, _ in pairs):
        raise NoSpread("not every example has a number")
    return np.array(pairs, dtype=float), lambda sums: np.exp(sums[0] / sums[1])


POOLS: Mapping[str, Callable[[Sequence[Any]], tuple[Parts, Formula]]] = {
    "macro_f1": macro_f1,
    "corpus_bleu": corpus_bleu,
    "corpus_chrf": corpus_chrf,
    "exp_ratio": exp_ratio,
}
"""Kind of pooling, as the record declares it, to its function; means need none."""
