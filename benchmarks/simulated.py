"""Simulated studies whose truth is known: what each setup would score, at all seeds, on all documents.

A latent number is the sum of what the document, the example, the method on the document, the seed, the seed on the
document, and chance add. Each kind of score makes its own of it: a mean, right or wrong, F1 with many zeros, answer
classes, n-grams, likelihoods. Documents have 1 to 12 examples, 3 on average.

All methods of a study are equally good. A seed adds to all of its own latent numbers. With one seed the truth is what
that seed would score on all documents, since of other seeds one says nothing.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.sparse import csr_array
from scipy.special import ndtr, ndtri

from bench.report.statistics.formulas import corpus_bleu, exp_ratio, macro_f1
from bench.report.statistics.jackknife import Floats, Formula, Parts, Spread, mean_formula, spread

DOCUMENT_SD, EXAMPLE_SD, METHOD_SD, SEED_ON_DOCUMENT_SD, CHANCE_SD = 0.5, 0.5, 0.3, 0.2, 0.6
"""What a latent number varies with: the document, the example, the method on it, the seed on it, and nothing known."""
TOTAL_SD = math.hypot(DOCUMENT_SD, EXAMPLE_SD, METHOD_SD, SEED_ON_DOCUMENT_SD, CHANCE_SD)
MOST_EXAMPLES, MEAN_EXAMPLES = 12, 3
"""Of a document."""
GRID = ndtri((np.arange(2_000) + 0.5) / 2_000)
"""Quantiles of the standard normal, to average over."""


@dataclass(frozen=True)
class Design:
    """How many of what a study has."""

    n_seeds: int
    n_documents: int
    seed_sd: float
    n_methods: int


@dataclass(frozen=True)
class Latent:
    """The latent numbers of one study."""

    values: Floats
    """(methods, seeds, examples)."""
    seeds: Floats
    """(methods, seeds): what each seed adds."""
    documents: csr_array
    """(documents, examples): 1 where an example is from a document."""


def latent(design: Design, rng: np.random.Generator) -> Latent:
    """One study."""
    sizes = np.minimum(rng.geometric(1 / MEAN_EXAMPLES, design.n_documents), MOST_EXAMPLES)
    own = np.repeat(np.arange(design.n_documents), sizes)
    shape = (design.n_methods, design.n_seeds)
    seeds = design.seed_sd * rng.standard_normal(shape)
    values = DOCUMENT_SD * rng.standard_normal(design.n_documents)
    values = values + METHOD_SD * rng.standard_normal((design.n_methods, 1, design.n_documents))
    values = values + SEED_ON_DOCUMENT_SD * rng.standard_normal((*shape, design.n_documents))
    values = values[..., own] + EXAMPLE_SD * rng.standard_normal(len(own))
    values = values + CHANCE_SD * rng.standard_normal((*shape, len(own))) + seeds[..., np.newaxis]
    return Latent(values, seeds, csr_array((np.ones(len(own)), (own, np.arange(len(own))))))


class Kind(ABC):
    """A kind of score."""

    name: str
    lowest: float | None = 0.0
    highest: float | None = 1.0
    is_mean = True
    sign = 1
    """-1 if lower is better."""

    @abstractmethod
    def parts(self, study: Latent, rng: np.random.Generator) -> list[list[tuple[Parts, Formula]]]:
        """For each method and seed, the parts of each example and the formula of their sums."""

    @abstractmethod
    def scored(self, shift: float) -> float:
        """The score on all documents at a seed that adds `shift`."""

    def spreads(self, study: Latent, rng: np.random.Generator) -> list[Spread]:
        """Of each method."""
        return [
            spread([(study.documents @ parts, formula) for parts, formula in by_seed])
            for by_seed in self.parts(study, rng)
        ]

    def truth(self, design: Design, study: Latent) -> Floats:
        """Of each method, which the intervals should contain."""
        if design.n_seeds == 1:
            return np.array([self.scored(shift) for shift in study.seeds[:, 0]])
        return np.full(design.n_methods, self.over_seeds(design.seed_sd))

    @cache  # noqa: B019 - there are a handful of kinds, as long as the process lives
    def over_seeds(self, seed_sd: float) -> float:
        """The mean score of all seeds."""
        return float(np.mean([self.scored(seed_sd * each) for each in GRID])) if seed_sd else self.scored(0.0)


@dataclass(frozen=True)
class Values(Kind):
    """The mean of a number per example: the latent one, made into a score."""

    name: str
    of: Callable[[Floats], Floats]
    lowest: float | None = 0.0
    highest: float | None = 1.0

    def parts(self, study: Latent, rng: np.random.Generator) -> list[list[tuple[Parts, Formula]]]:
        scores = self.of(study.values)
        return [[(np.column_stack([own, np.ones(len(own))]), mean_formula) for own in by_seed] for by_seed in scores]

    def scored(self, shift: float) -> float:
        return float(np.mean(self.of(shift + TOTAL_SD * GRID)))


def right(share: float) -> Callable[[Floats], Floats]:
    """1 for this share of examples, otherwise 0."""
    least = -TOTAL_SD * ndtri(share)
    return lambda values: (values > least).astype(float)


def skewed(values: Floats) -> Floats:
    """0 for half of the examples, 1 for a tenth, and something between for the others."""
    return np.clip((ndtr(values / TOTAL_SD) - 0.5) / 0.4, 0, 1)


class MacroF1(Kind):
    """Answer classes, the eighth one eight times as rare as the first; 60 % of answers are right."""

    name, is_mean = "macro F1", False
    shares = (1 / np.arange(1, 9)) / (1 / np.arange(1, 9)).sum()

    def parts(self, study: Latent, rng: np.random.Generator) -> list[list[tuple[Parts, Formula]]]:
        n = study.values.shape[-1]
        # Most questions about a document have the same answer
        usual = study.documents.T @ rng.choice(8, study.documents.shape[0], p=self.shares)
        true = np.where(rng.random(n) < 0.5, usual.astype(int), rng.choice(8, n, p=self.shares))
        wrong = (true + rng.integers(1, 8, study.values.shape)) % 8
        own = np.where(right(0.6)(study.values) > 0, true, wrong)
        return [
            [macro_f1(list(zip(map(str, each), map(str, true), strict=True))) for each in by_seed] for by_seed in own
        ]

    def scored(self, shift: float) -> float:
        p = float(ndtr(ndtri(0.6) + shift / TOTAL_SD))
        predicted = self.shares * p + (1 - self.shares) * (1 - p) / 7
        return float(np.mean(2 * self.shares * p / (self.shares + predicted)))


class Bleu(Kind):
    """Corpus BLEU: longer n-grams match more rarely."""

    name, is_mean = "corpus BLEU", False

    def parts(self, study: Latent, rng: np.random.Generator) -> list[list[tuple[Parts, Formula]]]:
        n = study.values.shape[-1]
        references = np.broadcast_to(rng.integers(5, 15, n), study.values.shape)
        lengths = rng.integers(5, 15, study.values.shape)
        totals = lengths[..., np.newaxis] - np.arange(4)
        hit = ndtr(study.values / TOTAL_SD)[..., np.newaxis] ** np.arange(1, 5)
        counts = np.concatenate(
            [lengths[..., np.newaxis], references[..., np.newaxis], rng.binomial(totals, hit), totals], axis=-1
        ).astype(float)
        _, formula = corpus_bleu([[0] * 10])
        return [[(own, formula) for own in by_seed] for by_seed in counts]

    def scored(self, shift: float) -> float:
        length = 9.5
        hit = ndtr(shift / TOTAL_SD + GRID)
        totals = length - np.arange(4)
        matches = totals * np.array([np.mean(hit**order) for order in range(1, 5)])
        _, formula = corpus_bleu([[0] * 10])
        return float(formula(np.array([length, length, *matches, *totals])[:, np.newaxis])[0])


class Perplexity(Kind):
    """The exponential of nats per token; a few examples have many nats."""

    name, is_mean, lowest, highest, sign = "perplexity", False, 1.0, None, -1

    def parts(self, study: Latent, rng: np.random.Generator) -> list[list[tuple[Parts, Formula]]]:
        tokens = rng.integers(3, 13, study.values.shape[-1])
        nats = tokens * np.exp(0.3 - 0.35 * study.values)
        return [
            [exp_ratio(list(zip(own.tolist(), tokens.tolist(), strict=True))) for own in by_seed] for by_seed in nats
        ]

    def scored(self, shift: float) -> float:
        return math.exp(math.exp(0.3 - 0.35 * shift + (0.35 * TOTAL_SD) ** 2 / 2))


KINDS: Sequence[Kind] = (
    Values("mean", lambda values: values, None, None),
    Values("exact match 0.6", right(0.6)),
    Values("exact match 0.97", right(0.97)),
    Values("skewed F1", skewed),
    MacroF1(),
    Bleu(),
    Perplexity(),
)
