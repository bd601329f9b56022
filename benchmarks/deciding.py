"""How often looking at the scores while seeds are added errs, what it costs, and how often it finds the best method.

    OMP_NUM_THREADS=1 nice -n 19 python benchmarks/deciding.py

Simulates studies of four methods (`simulated.py`) whose scores are looked at after 3, 5 and 10 seeds, as `bench.decide`
does. Beside it, the same studies with 5 seeds for all and one look, and with a look at p = 0.05 after every seed from
the third to the tenth. Prints a Markdown table with the machine that it came from, and writes it to
benchmarks/results/deciding.txt. Exits with 1 if a limit is not kept.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise, product
from pathlib import Path

import numpy as np
from coverage import COVERS_PERCENT, FALSE_PERCENT, NOT_KEPT, SIGNIFICANCE, contains, error, machine, span
from simulated import GRID, KINDS, MEAN_EXAMPLES, MOST_EXAMPLES, Design, Kind, latent

from bench.report.statistics.intervals import difference_p, holm
from bench.report.statistics.jackknife import Spread
from bench.report.statistics.stopping import Look, Pair, looks_at

SEEDS = (3, 5, 10)
"""At each look."""
FIXED = 5
"""Seeds of every method in the design with one look."""
NAMES = ("best", "second", "third", "fourth")
SCENARIOS: Mapping[str, tuple[float, ...]] = {
    "all equal": (0.0, 0.0, 0.0, 0.0),
    "one is better by 0.08": (0.08, 0.0, 0.0, 0.0),
    "one is better by 0.2": (0.2, 0.0, 0.0, 0.0),
    "one is better by 0.6": (0.6, 0.0, 0.0, 0.0),
    "two are better by 0.6": (0.6, 0.6, 0.0, 0.0),
}
"""What each method adds to its latent numbers, of which single ones differ by about 1."""
SCORES = ("mean", "exact match 0.6", "skewed F1")
DOCUMENTS, SEED_SDS = (20, 100), (0.05, 0.2)


@dataclass(frozen=True)
class Row:
    """One scenario, and in how many percent of its studies something holds."""

    kind: str
    scenario: str
    design: Design
    n_studies: int
    errs: float
    """A difference is found between methods that are equally good, or in the wrong direction."""
    covers: float
    """The interval of a difference, as it is when everything is decided, contains the truth."""
    singles_out: float
    """The methods that are found worse than none are the best ones."""
    leads: float
    """The method with the highest score is one of the best."""
    n_cells: float
    """Cells of a study, on average."""
    fixed_errs: float
    fixed_singles_out: float
    fixed_leads: float
    naive_errs: float


def simulated(kind: Kind, scenario: str, design: Design, n_studies: int, rng: np.random.Generator) -> Row:
    """The percentages over this many studies."""
    adds = SCENARIOS[scenario]
    truth = {name: over_seeds(kind, design.seed_sd, add) for name, add in zip(NAMES, adds, strict=True)}
    held = np.zeros(9)
    for _ in range(n_studies):
        spreads = _spreads(kind, design, adds, rng)
        looks = looks_at(spreads, SEEDS, len(NAMES), kind.sign)
        found = {(pair.one, pair.other): pair.repeated.difference for pair in looks[-1].pairs if pair.worse}
        last = {name: spreads[name] for name in looks[-1].may_be_best}
        fixed = _first(spreads, FIXED)
        at_once = _told_apart(fixed)
        naively = [_told_apart(_first(spreads, n)) for n in range(SEEDS[0], SEEDS[-1] + 1)]
        held += (
            _errs(found, truth),
            np.mean([_covers(pair, truth) for pair in looks[-1].pairs]),
            _singles_out(found, truth, kind.sign),
            _leads(_first(last, looks[-1].n_seeds), truth, kind.sign),
            _n_cells(looks) / 100,
            _errs(at_once, truth),
            _singles_out(at_once, truth, kind.sign),
            _leads(fixed, truth, kind.sign),
            any(_errs(each, truth) for each in naively),
        )
    return Row(kind.name, scenario, design, n_studies, *map(float, 100 * held / n_studies))


def over_seeds(kind: Kind, seed_sd: float, add: float) -> float:
    """The mean score, over all seeds, of a method that adds so much to its latent numbers."""
    return float(np.mean([kind.scored(seed_sd * each + add) for each in GRID[::20]]))


def _spreads(kind: Kind, design: Design, adds: Sequence[float], rng: np.random.Generator) -> dict[str, Spread]:
    study = latent(design, rng)
    study = replace(study, values=study.values + np.array(adds)[:, np.newaxis, np.newaxis])
    return dict(zip(NAMES, kind.spreads(study, rng), strict=True))


def _first(spreads: Mapping[str, Spread], n_seeds: int) -> dict[str, Spread]:
    return {name: each.first(n_seeds) for name, each in spreads.items()}


def _told_apart(spreads: Mapping[str, Spread]) -> dict[tuple[str, str], float]:
    """The differences that Holm's adjustment finds at one look, by pair."""
    pairs = list(combinations(spreads, 2))
    adjusted = holm([difference_p(spreads[one], spreads[other]) for one, other in pairs])
    return {
        (one, other): spreads[one].mean - spreads[other].mean
        for (one, other), p in zip(pairs, adjusted, strict=True)
        if p < SIGNIFICANCE
    }


def _errs(found: Mapping[tuple[str, str], float], truth: Mapping[str, float]) -> bool:
    return any(difference * (truth[one] - truth[other]) <= 0 for (one, other), difference in found.items())


def _singles_out(found: Mapping[tuple[str, str], float], truth: Mapping[str, float], sign: int) -> bool:
    """Whether those that are worse than none are the best ones."""
    worse = {other if sign * difference > 0 else one for (one, other), difference in found.items()}
    return {name for name in NAMES if name not in worse} == {name for name in NAMES if truth[name] == truth["best"]}


def _leads(spreads: Mapping[str, Spread], truth: Mapping[str, float], sign: int) -> bool:
    return truth[max(spreads, key=lambda name: sign * spreads[name].mean)] == truth["best"]


def _covers(pair: Pair, truth: Mapping[str, float]) -> bool:
    return contains(pair.repeated.interval, truth[pair.one] - truth[pair.other])


def _n_cells(looks: Sequence[Look]) -> int:
    """Every method has the seeds of the last look that it was asked for."""
    asked = dict.fromkeys(NAMES, looks[0].n_seeds)
    for before, now in pairwise(looks):
        asked |= dict.fromkeys(before.going_on, now.n_seeds)
    return sum(asked.values())


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = [
        "| score | documents | sd between seeds | methods | studies | errs | interval of a difference | singles out "
        "the best | a best one leads | cells | one look at 5 seeds: errs | singles out | leads "
        "| p < 0.05 at every seed: errs |",
        f"|{14 * '---|'}",
    ]
    for row in rows:
        cells = [row.kind, str(row.design.n_documents), f"{row.design.seed_sd:g}", row.scenario, str(row.n_studies)]
        shares = [row.errs, row.covers, row.singles_out, row.leads, row.n_cells]
        shares += [row.fixed_errs, row.fixed_singles_out, row.fixed_leads, row.naive_errs]
        lines.append(f"| {' | '.join([*cells, *(f'{share:.1f}' for share in shares)])} |")
    return "\n".join(lines)


def verdicts(rows: Sequence[Row]) -> list[str]:
    """Each claim with what was found, and whether it is kept within two standard errors; and what is not claimed."""
    errs_kept = all(row.errs <= FALSE_PERCENT + 2 * error(FALSE_PERCENT, row.n_studies) for row in rows)
    low = COVERS_PERCENT[0]
    covers_kept = all(row.covers >= low - 2 * error(low, row.n_studies) for row in rows)
    equal = [row for row in rows if row.scenario == "all equal"]
    return [
        f"{_kept(errs_kept)}: a difference is found that is not there in {FALSE_PERCENT:g} % of studies or less "
        f"({span([row.errs for row in rows])})",
        f"{_kept(covers_kept)}: intervals of differences contain the truth in {low:g} % or more "
        f"({span([row.covers for row in rows])})",
        f"not claimed: with p < {SIGNIFICANCE:g} after each seed, such a difference is found, where all are equal "
        f"({span([row.naive_errs for row in equal])})",
        *(
            f"not claimed: {scenario}: {np.mean([row.n_cells for row in own]):.1f} cells instead of "
            f"{FIXED * len(NAMES)}; a best one leads in {np.mean([row.leads for row in own]):.0f} instead of "
            f"{np.mean([row.fixed_leads for row in own]):.0f} %, and the best are singled out in "
            f"{np.mean([row.singles_out for row in own]):.0f} instead of "
            f"{np.mean([row.fixed_singles_out for row in own]):.0f} %"
            for scenario in SCENARIOS
            if (own := [row for row in rows if row.scenario == scenario])
        ),
    ]


def _kept(kept: bool) -> str:
    return "ok" if kept else NOT_KEPT


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--studies", type=int, default=800, help="where all methods are equal; elsewhere a quarter of it"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "deciding.txt")
    options = parser.parse_args()
    begun_s = time.monotonic()
    designs = [Design(SEEDS[-1], n, sd, len(NAMES)) for n, sd in product(DOCUMENTS, SEED_SDS)]
    rows = []
    for at, (kind, design, scenario) in enumerate(product(KINDS, designs, SCENARIOS)):
        n_studies = options.studies if scenario == "all equal" else options.studies // 4
        if kind.name in SCORES:
            rows.append(simulated(kind, scenario, design, n_studies, np.random.default_rng([options.seed, at])))
    judged = verdicts(rows)
    lines = [
        f"Looks at {', '.join(map(str, SEEDS))} seeds; documents of 1 to {MOST_EXAMPLES} examples, {MEAN_EXAMPLES} on "
        f"average; {len(NAMES)} methods; seed {options.seed}; {time.monotonic() - begun_s:.0f} s.",
        f"Machine: {machine()}.",
        "",
        "In percent of studies, and cells of a study on average.",
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
