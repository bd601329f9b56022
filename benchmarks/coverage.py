"""Whether the report's 95 % intervals cover the truth, and how often its family of tests finds what is not there.

    OMP_NUM_THREADS=1 python benchmarks/coverage.py

Simulates studies whose truth is known: documents of three examples, answered at each seed. A score is the sum of what
the document, the example, the seed, the seed on that document, and chance add; or 1 where that sum is positive and
else 0, so that by symmetry the truth is a half. With one seed the truth is what that seed would score on all
documents: of other seeds, one says nothing, and neither interval nor test claims to. What the tests then do to a
difference between methods that is only one between seeds is printed, and bound by nothing.

With two seeds, a difference's interval is wider than it need be (so few degrees of freedom say little), and where seeds
vary far more than documents do, a mean's covers 90 to 94 %: Student's t does not hold for a variance that is known only
after what documents explain has been taken off. Three seeds are the fewest to rely on.

Beside ours stands the plain nested bootstrap, which resamples seeds, then documents, then examples inside documents.

Prints Markdown tables with the machine that they came from, and writes them to benchmarks/results/coverage.txt. Exits
with 1 if a limit is not kept.
"""

import argparse
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy import stats

from bench.report.statistics.formulas import corpus_bleu
from bench.report.statistics.intervals import (
    N_RESAMPLES,
    Floats,
    Spread,
    difference_interval,
    difference_p,
    holm,
    interval,
    mcnemar_p,
    mean_formula,
    permutation_p,
    resample,
    spread,
)

COVERS_PERCENT = (93.0, 97.0)
FALSE_POSITIVES_PERCENT = 5.5
SIGNIFICANCE = 0.05
EXAMPLES = 3
"""Of a document."""
SEEDS, CLUSTERS, SEED_SDS = (1, 2, 3, 5), (20, 150), (0.0, 0.1, 0.3)
DOCUMENT_SD, EXAMPLE_SD, METHOD_SD, SEED_ON_DOCUMENT_SD, CHANCE_SD = 0.5, 0.5, 0.3, 0.2, 0.6
"""What a score varies with: the document, the example, the method on it, the seed on it, and nothing known."""
TOTAL_SD = math.hypot(DOCUMENT_SD, EXAMPLE_SD, METHOD_SD, SEED_ON_DOCUMENT_SD, CHANCE_SD)
N_METHODS = 3
"""That are compared with the reference."""


def scores(
    n: int, n_methods: int, n_seeds: int, n_clusters: int, seed_sd: float, rng: np.random.Generator, examples: int
) -> tuple[Floats, Floats]:
    """Of n studies: scores with mean 0, (n, methods, seeds, documents, examples), and what each seed adds to them."""

    def normal(sd: float, *shape: int) -> Floats:
        return sd * rng.standard_normal((n, *shape))

    seeds = normal(seed_sd, n_methods, n_seeds, 1, 1)
    found = normal(DOCUMENT_SD, 1, 1, n_clusters, 1) + normal(EXAMPLE_SD, 1, 1, n_clusters, examples)
    found = found + normal(METHOD_SD, n_methods, 1, n_clusters, 1) + seeds
    found = found + normal(SEED_ON_DOCUMENT_SD, n_methods, n_seeds, n_clusters, 1)
    return found + normal(CHANCE_SD, n_methods, n_seeds, n_clusters, examples), seeds[..., 0, 0]


def spread_over(values: Floats, counts: Floats) -> Spread:
    """Of one method's scores, (seeds, documents, examples)."""
    size = np.full(values.shape[1], float(values.shape[2]))
    return spread([(np.column_stack([own.sum(axis=1), size]), mean_formula) for own in values], counts)


@dataclass(frozen=True)
class Covered:
    """One design, and in how many percent of its studies the truth was covered."""

    kind: str
    n_seeds: int
    n_clusters: int
    seed_sd: float
    mean: float
    difference: float
    nested_mean: float
    nested_difference: float


def coverage(
    kind: str, n_seeds: int, n_clusters: int, seed_sd: float, n_studies: int, rng: np.random.Generator
) -> Covered:
    """How often the truth is covered: of the first method's mean, and of the difference of two methods."""
    found, seeds = scores(n_studies, 2, n_seeds, n_clusters, seed_sd, rng, EXAMPLES)
    truth = seeds[..., 0] if n_seeds == 1 else np.zeros((n_studies, 2))
    if kind == "0 or 1":
        found, truth = (found > 0).astype(float), stats.norm.cdf(truth / TOTAL_SD)
    apart = truth[:, 0] - truth[:, 1]
    counts = resample(n_clusters, N_RESAMPLES, rng)
    hits = np.zeros(2)
    for study in range(n_studies):
        one, other = (spread_over(values, counts) for values in found[study])
        told = (interval(one, rng), difference_interval(one, other, rng))
        for at, (within, true) in enumerate(zip(told, (truth[study, 0], apart[study]), strict=True)):
            hits[at] += within is not None and within.low <= true <= within.high
    weights = nested_weights(n_seeds, n_clusters, rng)
    drawn = [found[:, method].reshape(n_studies, -1) @ weights for method in range(2)]
    nested = [_covered(drawn[0], truth[:, 0]), _covered(drawn[0] - drawn[1], apart)]
    mean, difference = 100 * hits / n_studies
    return Covered(kind, n_seeds, n_clusters, seed_sd, mean, difference, *nested)


def nested_weights(n_seeds: int, n_clusters: int, rng: np.random.Generator, n_draws: int = 1000) -> Floats:
    """What each example weighs in each draw's mean, (seeds x documents x examples, draws)."""
    seeds = rng.integers(n_seeds, size=(n_draws, n_seeds, 1, 1))
    clusters = rng.integers(n_clusters, size=(n_draws, n_seeds, n_clusters, 1))
    examples = rng.integers(EXAMPLES, size=(n_draws, n_seeds, n_clusters, EXAMPLES))
    size = n_seeds * n_clusters * EXAMPLES
    flat = ((seeds * n_clusters + clusters) * EXAMPLES + examples).reshape(n_draws, size)
    counted = np.bincount((flat + size * np.arange(n_draws)[:, np.newaxis]).ravel(), minlength=n_draws * size)
    return counted.reshape(n_draws, size).T / size


def _covered(drawn: Floats, truth: Floats) -> float:
    low, high = np.percentile(drawn, [2.5, 97.5], axis=1)
    return 100 * float(((low <= truth) & (truth <= high)).mean())


@dataclass(frozen=True)
class Found:
    """One design without any difference, and in how many percent of its studies one was found."""

    family: str
    n_seeds: int
    n_clusters: int
    examples: int
    seed_sd: float
    percent: float
    bound: bool
    """Whether the tests claim anything of such studies."""


def false_positives(
    n_seeds: int, n_clusters: int, examples: int, seed_sd: float, n_studies: int, rng: np.random.Generator
) -> Found:
    """Of a family of a continuous and a 0 or 1 score of three methods and a reference, that differ in nothing."""
    counts = resample(n_clusters, N_RESAMPLES, rng)
    plain = n_seeds == 1 and examples == 1
    n_found = 0
    for _ in range(n_studies):
        continuous, _ = scores(1, N_METHODS + 1, n_seeds, n_clusters, seed_sd, rng, examples)
        p_values: list[float] = []
        for values in (continuous[0], (continuous[0] > 0).astype(float)):
            spreads = [spread_over(own, counts) for own in values]
            documents = values.mean(axis=(1, 3)) / n_clusters
            right = values[:, 0, :, 0] > 0
            for method in range(1, N_METHODS + 1):
                if plain and values is not continuous[0]:
                    discordant = (right[method] & ~right[0], right[0] & ~right[method])
                    p_values.append(mcnemar_p(*(int(each.sum()) for each in discordant)))
                else:
                    apart = documents[method] - documents[0]
                    p_values.append(permutation_p(apart, spreads[method], spreads[0], rng))
        n_found += min(holm(p_values)) < SIGNIFICANCE
    family = "permutation and McNemar" if plain else "permutation"
    return Found(family, n_seeds, n_clusters, examples, seed_sd, 100 * n_found / n_studies, n_seeds > 1 or not seed_sd)


def false_positives_of_bleu(n_seeds: int, n_clusters: int, n_studies: int, rng: np.random.Generator) -> Found:
    """Of a family of the corpus BLEU of three methods and a reference, by resampling."""
    counts = resample(n_clusters, N_RESAMPLES, rng)
    seed_sd = 0.1 if n_seeds > 1 else 0.0
    n_found = 0
    for _ in range(n_studies):
        quality, _ = scores(1, N_METHODS + 1, n_seeds, n_clusters, seed_sd, rng, EXAMPLES)
        lengths = rng.integers(5, 15, size=quality[0].shape)
        references = rng.integers(5, 15, size=(n_clusters, EXAMPLES)) + 0 * lengths
        totals = np.maximum(0, lengths[..., np.newaxis] - np.arange(4))
        hit = stats.norm.cdf(quality[0] / TOTAL_SD)[..., np.newaxis] ** np.arange(1, 5)
        matches = rng.binomial(totals, hit)
        kept = np.concatenate([lengths[..., np.newaxis], references[..., np.newaxis], matches, totals], axis=-1)
        summed = kept.sum(axis=3).astype(float)
        _, formula = corpus_bleu([[0] * 10])
        spreads = [spread([(own, formula) for own in method], counts) for method in summed]
        p_values = [difference_p(each, spreads[0], rng) for each in spreads[1:]]
        n_found += min(holm(p_values)) < SIGNIFICANCE
    return Found("corpus BLEU by resampling", n_seeds, n_clusters, EXAMPLES, seed_sd, 100 * n_found / n_studies, True)


def covered_table(designs: Sequence[Covered]) -> str:
    """Markdown; what is outside the limits is marked."""
    lines = [
        "| score | seeds | documents | sd between seeds | mean | difference | nested: mean | nested: difference |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in designs:
        shares = (one.mean, one.difference)
        ours = " | ".join(f"{share:.1f}{'' if _within(share) else ' (!)'}" for share in shares)
        lines.append(
            f"| {one.kind} | {one.n_seeds} | {one.n_clusters} | {one.seed_sd:g} | {ours} "
            f"| {one.nested_mean:.1f} | {one.nested_difference:.1f} |"
        )
    return "\n".join(lines)


def _within(share: float, leeway: float = 0.0) -> bool:
    return COVERS_PERCENT[0] - leeway <= share <= COVERS_PERCENT[1] + leeway


def _error(percent: float, n_studies: int) -> float:
    """Standard error of a simulated share."""
    return math.sqrt(percent * (100 - percent) / n_studies)


def found_table(designs: Sequence[Found]) -> str:
    """Markdown."""
    lines = [
        "| tests | seeds | documents | examples of each | sd between seeds | false positives |",
        "|---|---|---|---|---|---|",
    ]
    for one in designs:
        note = "" if one.bound else " (not claimed: one seed, and seeds vary)"
        lines.append(
            f"| {one.family} | {one.n_seeds} | {one.n_clusters} | {one.examples} | {one.seed_sd:g} "
            f"| {one.percent:.1f}{note} |"
        )
    return "\n".join(lines)


def verdicts(covered: Sequence[Covered], found: Sequence[Found], n_studies: int) -> list[tuple[str, bool]]:
    """Each limit in words, and whether it is kept."""
    low, high = COVERS_PERCENT
    claims = []
    for words, relied in (("1, 3 and 5 seeds", (1, 3, 5)), ("2 seeds", (2,))):
        shares = [share for one in covered if one.n_seeds in relied for share in (one.mean, one.difference)]
        span = f"{min(shares):.1f} to {max(shares):.1f} %, on average {np.mean(shares):.1f} %"
        kept = all(_within(share, 2 * _error(share, n_studies)) for share in shares)
        claims.append((f"{words}: intervals cover {low:g} to {high:g} % or are two standard errors off ({span})", kept))
    worst = max(one.percent for one in found if one.bound)
    claim = f"false positives of a family are at most {FALSE_POSITIVES_PERCENT:g} % (at most {worst:.1f} %)"
    return [*claims, (claim, worst <= FALSE_POSITIVES_PERCENT)]


def machine() -> str:
    """The machine, the versions and the commit that the figures come from."""
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.partition(":")[2].strip() for line in cpuinfo if line.startswith("model name")), "unknown CPU")
    told = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True)
    return (
        f"{cpu}, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')}; Python {platform.python_version()}, "
        f"numpy {version('numpy')}, scipy {version('scipy')}; commit {told.stdout.strip() or 'unknown'}"
    )


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000, help="of each design whose coverage is looked at")
    parser.add_argument("--families", type=int, default=1000, help="of each design without any difference")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "coverage.txt")
    options = parser.parse_args()
    begun_s = time.monotonic()
    rng = np.random.default_rng(options.seed)
    covered = [
        coverage(kind, n_seeds, n_clusters, seed_sd, options.studies, rng)
        for kind in ("gaussian", "0 or 1")
        for n_clusters in CLUSTERS
        for n_seeds in SEEDS
        for seed_sd in (SEED_SDS if n_seeds > 1 else SEED_SDS[1:2])
    ]
    designs = [
        *((1, 20, EXAMPLES, 0.0), (1, 150, EXAMPLES, 0.0), (1, 150, 1, 0.0)),
        *((3, 20, EXAMPLES, 0.0), (3, 20, EXAMPLES, 0.1), (3, 20, EXAMPLES, 0.3), (3, 150, EXAMPLES, 0.1)),
        *((2, 20, EXAMPLES, 0.1), (1, 150, EXAMPLES, 0.1)),
    ]
    found = [false_positives(*design, options.families, rng) for design in designs]
    found += [false_positives_of_bleu(*design, options.families, rng) for design in ((1, 20), (1, 150), (3, 20))]
    judged = verdicts(covered, found, options.studies)
    error = _error(95, options.studies)
    lines = [
        f"{options.studies} studies of each design, {options.families} families, {EXAMPLES} examples of each document; "
        f"{N_RESAMPLES} draws; seed {options.seed}; {time.monotonic() - begun_s:.0f} s.",
        f"Machine: {machine()}.",
        "",
        "Percent of studies whose 95 % interval covers the truth, beside the plain nested bootstrap's; standard error "
        f"{error:.1f}. (!): outside {COVERS_PERCENT[0]:g} to {COVERS_PERCENT[1]:g}.",
        "",
        covered_table(covered),
        "",
        f"Percent of families, of {N_METHODS} methods and a reference that are the same, in which a difference is "
        "found (Holm, 0.05).",
        "",
        found_table(found),
        "",
        *(f"- {'ok' if kept else 'NOT KEPT'}: {claim}" for claim, kept in judged),
    ]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text)
    sys.exit(0 if all(kept for _, kept in judged) else 1)


if __name__ == "__main__":
    main()
