"""How much better a method looks because it was tuned, and how often intervals of the best of k trials are right.

    OMP_NUM_THREADS=1 python benchmarks/tuning.py

A toy model of two equally good methods: the true scores of settings that a search may draw are normally distributed,
and so are the errors of tune scores. Each search takes the trial with the best tune score. A method that was not tuned
has one setting of the same distribution. Takes 30 seconds. Prints the result, and writes it to
benchmarks/results/tuning.txt.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.report.statistics.expected_best import chance_worse, expected_best

SETTINGS_SD = NOISE_SD = 0.02
N_SEARCHES = 200_000
N_CHECKED = 4_000
RESULT = Path(__file__).parent / "results" / "tuning.txt"


def found(trials: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """True and tune scores of the trials that searches choose, both of shape (N_SEARCHES,)."""
    true = generator.normal(0.0, SETTINGS_SD, (N_SEARCHES, trials))
    tune = true + generator.normal(0.0, NOISE_SD, true.shape)
    best = tune.argmax(axis=1)[:, None]
    return np.take_along_axis(true, best, 1)[:, 0], np.take_along_axis(tune, best, 1)[:, 0]


def advantages(generator: np.random.Generator) -> Iterator[str]:
    """Lines of a table: how much better the true score of the first method is on average."""
    yield "| trials of one method | of its equal twin | false advantage | standard error |"
    yield "|---|---|---|---|"
    for one, other in ((12, 1), (12, 3), (12, 12)):
        difference = found(one, generator)[0] - found(other, generator)[0]
        error = difference.std() / math.sqrt(N_SEARCHES)
        yield f"| {one} | {'not tuned' if other == 1 else other} | {difference.mean():+.4f} | {error:.4f} |"


def optimism(generator: np.random.Generator) -> str:
    """How much too good the tune score of the chosen trial is."""
    true, tune = found(12, generator)
    return f"Tune score of the best of 12 trials, less its true score: {(tune - true).mean():+.4f}"


def coverage(generator: np.random.Generator) -> Iterator[str]:
    """Lines of a table: how often the best of k new trials lies within the interval that n trials give."""
    yield "| trials | new trials | interval contains their best | new best beats all trials, exactly |"
    yield "|---|---|---|---|"
    for n, k in ((12, 2), (12, 6), (12, 12), (80, 2)):
        hits = 0
        for scores in generator.normal(size=(N_CHECKED, n)):
            best = generator.normal(size=k).max()
            of_k = expected_best(scores.tolist(), "higher", None)[k - 1]
            low = -math.inf if of_k.at_least is None else of_k.at_least
            hits += low <= best <= (math.inf if of_k.at_most is None else of_k.at_most)
        yield f"| {n} | {k} | {100 * hits / N_CHECKED:.1f} % | {100 * (1 - chance_worse(n - 1, n, k)):.0f} % |"


def main() -> None:
    generator = np.random.default_rng(0)
    lines = [*advantages(generator), "", optimism(generator), "", *coverage(generator)]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    RESULT.write_text(text)


if __name__ == "__main__":
    main()
