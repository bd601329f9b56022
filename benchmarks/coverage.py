"""How often the report's intervals contain the truth, and how often its tests find what is not there.

    OMP_NUM_THREADS=1 nice -n 19 python benchmarks/coverage.py

For each kind of score, and each number of documents and seeds, simulates studies of four methods that are equally good
(`simulated.py`), and asks of each study what a report asks. Prints a Markdown table with the machine that it came from,
and writes it to benchmarks/results/coverage.txt. Exits with 1 if a limit is not kept.
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
from itertools import combinations, product
from pathlib import Path

import numpy as np
from simulated import KINDS, MEAN_EXAMPLES, MOST_EXAMPLES, Design, Kind, latent

from bench.report.statistics.intervals import (
    Interval,
    difference_interval,
    difference_p,
    holm,
    score_interval,
    uniform_interval,
)
from bench.report.statistics.jackknife import Spread

COVERS_PERCENT = (93.0, 97.0)
FALSE_PERCENT = 5.5
SIGNIFICANCE = 0.05
N_METHODS = 4
DOCUMENTS, SEEDS, SEED_SDS = (20, 50, 150), (1, 2, 3, 5), (0.0, 0.1, 0.3)
NEAR_A_BOUND = "exact match 0.97"
ENOUGH_FOR_CLASSES = 50
"""Fewer documents lack some of the rarer answers."""
NOT_KEPT = "NOT KEPT"


@dataclass(frozen=True)
class Row:
    """One kind of score in one design, and in how many percent of its studies something holds."""

    kind: str
    design: Design
    score: float
    """The interval of a method's score contains the truth."""
    difference: float
    """The interval of the difference of two methods does."""
    leader: float
    """The interval of the score of the method that happened to be best does."""
    reference: float
    """A difference from the reference is found."""
    pairs: float
    """A difference between any two methods is found."""
    not_bold: float
    """A method is not bold, although none is better."""


def simulated(kind: Kind, design: Design, n_studies: int, rng: np.random.Generator) -> Row:
    """The percentages over this many studies."""
    held = np.zeros(6)
    for _ in range(n_studies):
        study = latent(design, rng)
        spreads, truth = kind.spreads(study, rng), kind.truth(design, study)
        leader = int(np.argmax([kind.sign * spread.mean for spread in spreads]))
        scores = {at: score_of(kind, spreads[at]) for at in {0, leader}}
        difference = difference_of(kind, *spreads[:2])
        held[:3] += (
            contains(scores[0], truth[0]),
            contains(difference, truth[0] - truth[1]),
            contains(scores[leader], truth[leader]),
        )
        p = {pair: difference_p(*(spreads[at] for at in pair)) for pair in combinations(range(N_METHODS), 2)}
        from_leader = {at: p[min(at, leader), max(at, leader)] for at in range(N_METHODS) if at != leader}
        adjusted = dict(zip(from_leader, holm(list(from_leader.values())), strict=True))
        held[3:] += (
            min(holm([p[0, at] for at in range(1, N_METHODS)])) < SIGNIFICANCE,
            min(holm(list(p.values()))) < SIGNIFICANCE,
            adjusted.get(0, 1.0) < SIGNIFICANCE,
        )
    return Row(kind.name, design, *(100 * held / n_studies))


def score_of(kind: Kind, spread: Spread) -> Interval | None:
    """As a report has it."""
    within = score_interval(spread, kind.lowest, kind.highest)
    if within or not kind.is_mean or kind.lowest is None or kind.highest is None:
        return within
    at_bound = spread.mean in (kind.lowest, kind.highest)
    return uniform_interval(spread.mean, kind.lowest, kind.highest, spread.n_clusters) if at_bound else None


def difference_of(kind: Kind, one: Spread, other: Spread) -> Interval | None:
    """As a report has it."""
    within = difference_interval(one, other)
    if within or not kind.is_mean or kind.lowest is None or kind.highest is None:
        return within
    size = kind.highest - kind.lowest
    return uniform_interval(one.mean - other.mean, -size, size, one.n_clusters)


def contains(within: Interval | None, truth: float) -> bool:
    """Whether an interval contains the truth; without one it does not."""
    return within is not None and within.low <= truth <= within.high


def table(rows: Sequence[Row]) -> str:
    """Markdown; coverage outside the limits is marked."""
    lines = [
        "| score | documents | seeds | sd between seeds | interval of a score | of a difference | of the best of four "
        "| found: from the reference | found: all pairs | wrongly not bold |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        design = row.design
        found = (row.reference, row.pairs, row.not_bold)
        cells = [row.kind, str(design.n_documents), str(design.n_seeds), f"{design.seed_sd:g}"]
        cells += [_marked(row.score), _marked(row.difference), f"{row.leader:.1f}"]
        cells += [f"{each:.1f}" for each in found]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _marked(share: float) -> str:
    low, high = COVERS_PERCENT
    return f"{share:.1f}{' (low)' if share < low else ' (wide)' if share > high else ''}"


def verdicts(rows: Sequence[Row], n_studies: int) -> list[str]:
    """Each claim with what was found and whether it is kept, within two standard errors; and what is not claimed."""
    low, high = COVERS_PERCENT
    relied = [row for row in rows if row.design.n_seeds != 2]
    near = [row for row in relied if row.kind == NEAR_A_BOUND]
    few = [row for row in relied if row.kind == "macro F1" and row.design.n_documents < ENOUGH_FOR_CLASSES]
    usual = [row for row in relied if row not in near and row not in few]
    tested = [row for row in rows if row.design.n_seeds > 2]
    one, two = ([row for row in rows if row.design.n_seeds == n_seeds] for n_seeds in (1, 2))
    span, found = f"contain the truth in {low:g} to {high:g} %", "a difference is found where there is none"

    def claim(words: str, own: Sequence[Row], names: Sequence[str], least: float, most: float) -> str:
        shares = [getattr(row, name) for row in own for name in names]
        floor, ceiling = least - 2 * error(least, n_studies), most + 2 * error(most, n_studies)
        kept = all(floor <= share <= ceiling for share in shares)
        return f"{'ok' if kept else NOT_KEPT}: {words} ({span(shares)})"

    def note(words: str, own: Sequence[Row], names: Sequence[str]) -> str:
        return f"not claimed: {words} ({span([getattr(row, name) for row in own for name in names])})"

    return [
        claim(f"1, 3 and 5 seeds: intervals of scores {span}", usual, ["score"], low, high),
        claim(f"1, 3 and 5 seeds: those of differences in {low:g} % or more", relied, ["difference"], low, 100.0),
        claim(
            f"3 and 5 seeds: {found} in {FALSE_PERCENT:g} % or less", tested, ["reference", "pairs"], 0.0, FALSE_PERCENT
        ),
        claim(
            f"3 and 5 seeds: what may be the best is not bold in {FALSE_PERCENT:g} % or less",
            tested,
            ["not_bold"],
            0.0,
            FALSE_PERCENT,
        ),
        note("near a bound: intervals of scores contain the truth", near, ["score"]),
        note(f"macro F1 of {min(DOCUMENTS)} documents: intervals contain the truth", few, ["score"]),
        note("2 seeds: intervals of scores contain the truth", two, ["score"]),
        note(f"1 seed, which a report does not test: {found}", one, ["reference", "pairs"]),
        note(f"2 seeds, which a report does not test: {found}", two, ["reference", "pairs"]),
        note("3 and 5 seeds, the best of four equal methods: its interval contains the truth", tested, ["leader"]),
    ]


def span(shares: Sequence[float]) -> str:
    """The smallest, the largest and the mean of some percentages."""
    return f"{min(shares):.1f} to {max(shares):.1f} %, on average {np.mean(shares):.1f} %"


def error(percent: float, n_studies: int) -> float:
    """Standard error of a simulated share."""
    return math.sqrt(percent * (100 - percent) / n_studies)


def machine() -> str:
    """The machine, the versions and the commit that the figures come from."""
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.partition(":")[2].strip() for line in cpuinfo if line.startswith("model name")), "unknown CPU")
    described = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True)
    return (
        f"{cpu}, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')}; Python {platform.python_version()}, "
        f"numpy {version('numpy')}, scipy {version('scipy')}; commit {described.stdout.strip() or 'unknown'}"
    )


def designs() -> list[Design]:
    """Every number of documents and seeds, and how much seeds differ."""
    return [
        Design(n_seeds, n_documents, seed_sd, N_METHODS)
        for n_documents, n_seeds, seed_sd in product(DOCUMENTS, SEEDS, SEED_SDS)
    ]


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=800, help="of each kind of score in each design")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "coverage.txt")
    options = parser.parse_args()
    begun_s = time.monotonic()
    rows = [
        simulated(kind, design, options.studies, np.random.default_rng([options.seed, at]))
        for at, (kind, design) in enumerate(product(KINDS, designs()))
    ]
    judged = verdicts(rows, options.studies)
    errors = [error(percent, options.studies) for percent in (95, 5.5)]
    lines = [
        f"{options.studies} studies of each row; documents of 1 to {MOST_EXAMPLES} examples, {MEAN_EXAMPLES} on "
        f"average; {N_METHODS} methods that are equally good; seed {options.seed}; {time.monotonic() - begun_s:.0f} s.",
        f"Machine: {machine()}.",
        "",
        "In percent of studies. Intervals of 95 % that contain the truth (standard error "
        f"{errors[0]:.1f}; outside {COVERS_PERCENT[0]:g} to {COVERS_PERCENT[1]:g}: low, wide), and families in which a "
        f"difference is found, although there is none (Holm, {SIGNIFICANCE:g}; standard error {errors[1]:.1f}).",
        "",
        table(rows),
        "",
        *(f"- {verdict}" for verdict in judged),
    ]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text)
    sys.exit(any(verdict.startswith(NOT_KEPT) for verdict in judged))


if __name__ == "__main__":
    main()
