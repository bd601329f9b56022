"""The rows that tables and figures are about: setups, which are cells that differ in nothing but their seed."""

import json
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from bench.report.read.load import leaves
from bench.report.read.predictions import Predictions
from bench.report.statistics.formulas import NotResampled
from bench.report.statistics.intervals import Interval, Spread, interval, over_seeds
from bench.report.statistics.resampling import spread_of
from bench.report.words import MEMORIES, ending, ending_with_peak, listed, printable, reason

FRACTIONS = frozenset(
    ("token_f1", "exact_match", "answer_macro_f1", "bleu", "corpus_bleu", "rouge1", "rouge2", "rougeL")
)
"""The scores that lie between 0 and 1; BERTScore can leave that range where it is rescaled."""
ASKED_PARTS = ("prompt.", "generation.")
ASKED = frozenset(("dataset.language", "model.path", "model.tokenizer", "model.weights", "model.architecture"))
"""Parts of a cell's settings, and settings, without which its scores are of something else."""
OWN_PARTS = ("method.", "metric.", *ASKED_PARTS)
OWN = frozenset(("seed", "dataset.train", "dataset.validation", *ASKED))
"""Those that a warning need not name: a setup's own, what is refused, and files, which have fingerprints."""
SCORES_OF = "scores."
"""Where a record has its scores."""

Cell = dict[str, Any]
"""One row of a study's frame by column, without what is null in it."""


@dataclass(frozen=True)
class Measured:
    """One figure of a setup, over the seeds that ended ok."""

    mean: float | None
    """Null unless every such seed has a finite number: a mean over fewer would be another quantity."""
    by_seed: tuple[float, ...]
    """What `mean` is over, in the order of the seeds; empty where it is null."""
    reason: str | None
    """In words, why there is no mean."""
    interval: Interval | None = None
    """Of scores over documents and seeds, of everything else over seeds."""
    interval_reason: str | None = None
    """In words, why there is no interval where there is a mean."""


@dataclass(frozen=True)
class Setup:
    """One method with one configuration on one model and data set, at every seed that was run."""

    method: str
    label: str
    """The method's name, and the settings that tell this setup from others of the same method."""
    cells: tuple[Cell, ...]
    """One per seed, at least one, in the order of the seeds."""
    predictions: Mapping[str, Predictions] = field(default_factory=dict, repr=False)
    """What was answered by the cell's `folder`."""
    report_seed: int = 0
    """Of all resampling."""
    _measured: dict[str, Measured] = field(default_factory=dict, init=False, repr=False, compare=False)
    _spreads: dict[str, Spread | NotResampled] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def ok(self) -> tuple[Cell, ...]:
        """The cells that ended ok: those that every figure of the setup is over."""
        return tuple(cell for cell in self.cells if cell["status"] == "ok")

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the cells that ended ok."""
        return tuple(cell["cell.seed"] for cell in self.ok)

    def ending(self) -> str:
        """How the cells that did not end ok ended, in words; empty if all did."""
        alike: dict[str, list[Cell]] = {}
        for cell in self.cells:
            if cell["status"] != "ok":
                alike.setdefault(ending(cell), []).append(cell)
        told = {cell["cell.seed"]: ending_with_peak(cells) for cells in alike.values() for cell in cells}
        return _by_seed(told, len(self.cells))

    def measure(self, path: str) -> Measured:
        """The record's number at the dotted `path`, averaged over the seeds that ended ok."""
        if path not in self._measured:
            self._measured[path] = self._measure(path)
        return self._measured[path]

    def _measure(self, path: str) -> Measured:
        values: list[float] = []
        reasons: dict[int, str] = {}
        for cell in self.ok:
            number = cell.get(path)
            if number is None:
                reasons[cell["cell.seed"]] = reason(cell["missing"], path)
            elif math.isinf(number):
                reasons[cell["cell.seed"]] = "not a finite number"
            else:
                values.append(number)
        if reasons:
            return Measured(None, (), _by_seed(reasons, len(self.ok)))
        if not values:
            return Measured(None, (), self.ending())
        # The mean of equal numbers is that number, which rounding would not always give
        mean = values[0] if len(set(values)) == 1 else fmean(values)
        if path.startswith(SCORES_OF):
            return self._score(path.removeprefix(SCORES_OF), mean, tuple(values))
        within = over_seeds(values)
        return Measured(mean, tuple(values), None, within, None if within else "one seed")

    def _score(self, score: str, mean: float, by_seed: tuple[float, ...]) -> Measured:
        try:
            found = self.spread(score)
        except NotResampled as error:
            return Measured(mean, by_seed, None, None, str(error))
        within = interval(found, self.rng(score))
        if within is None:
            return Measured(mean, by_seed, None, None, "all examples have the same score")
        low, high = bounds(score)
        within = Interval(max(low, within.low), min(high, within.high))
        return Measured(mean, by_seed, None, within, None)

    def cost(self, path: str) -> Measured:
        """As `measure`, for what setups are weighed by; null where a cell was resumed: the rest of its cost is lost."""
        resumed = self.resumed()
        return Measured(None, (), resumed) if resumed else self.measure(path)

    def spread(self, score: str) -> Spread:
        """A score on resampled documents, for the seeds that ended ok.

        Raises:
            NotResampled: why it has none.
        """
        if score not in self._spreads:
            answers = [self.predictions[cell["folder"]] for cell in self.ok if cell["folder"] in self.predictions]
            try:
                if not answers or len(answers) < len(self.ok):
                    raise NotResampled("its answers cannot be read")
                found = spread_of(score, answers, self.report_seed)
                told = fmean(cell.get(f"{SCORES_OF}{score}", math.nan) for cell in self.ok)
                if not math.isclose(found.mean, told, rel_tol=1e-6, abs_tol=1e-9):
                    raise NotResampled(f"the answers give {found.mean:.6g}, and the record says {told:.6g}")
                self._spreads[score] = found
            except NotResampled as error:
                self._spreads[score] = error
        kept = self._spreads[score]
        if isinstance(kept, NotResampled):
            raise kept
        return kept

    def rng(self, score: str) -> np.random.Generator:
        """For what is drawn beside documents: the same for the same setup and score in every report."""
        own = f"{self.cells[0]['setup']} {score}".encode()
        return np.random.default_rng([self.report_seed, zlib.crc32(own)])

    def told(self, path: str, words: Mapping[str, str]) -> str:
        """The record's code at the dotted `path` in `words`, by seed unless all are alike; of cells that ended ok."""
        return _by_seed({cell["cell.seed"]: words[cell[path]] for cell in self.ok if path in cell}, len(self.ok))

    def resumed(self) -> str:
        """Which seeds went on from a checkpoint, so that what they cost is of their last run alone; empty if none."""
        path = "training.resumed_from_step"
        steps = {cell["cell.seed"]: int(cell[path]) for cell in self.ok if cell.get(path)}
        return _by_seed(
            {seed: f"resumed from step {step}: what it cost is of the run since" for seed, step in steps.items()},
            len(self.ok),
        )

    def refitted(self) -> str:
        """Which seeds ran out of memory at larger micro batches first, which their cost includes; empty if none."""
        path = "training.micro_batches_tried"
        failed = {cell["cell.seed"]: list(map(str, cell[path][:-1])) for cell in self.ok if path in cell}
        said = (
            "ran out of memory at micro batch {} first: its time, energy and peaks include that, its step times and "
            "throughput do not"
        )
        return _by_seed({seed: said.format(listed(sizes)) for seed, sizes in failed.items() if sizes}, len(self.ok))


@dataclass(frozen=True)
class Group:
    """The setups that are compared with each other: those of one model on one data set."""

    model: str
    dataset: str
    title: str
    """The model, and the data set too where the study has several."""
    setups: tuple[Setup, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What its files are told from those of other groups by."""
        return (self.model,) if self.title == self.model else (self.model, self.dataset)

    @property
    def ok(self) -> list[Cell]:
        """The cells of all setups that ended ok."""
        return [cell for setup in self.setups for cell in setup.ok]

    @property
    def memory(self) -> str:
        """The one figure that this group's peak memory is: the first of `MEMORIES` that any of its cells has."""
        return next((path for path in MEMORIES if any(path in cell for cell in self.ok)), next(iter(MEMORIES)))

    @cached_property
    def refusals(self) -> list[str]:
        """One sentence for each thing without which no two of the cells' scores may be compared, and which differs."""
        asked = {path: "not set" for cell in self.ok for path in _asked(cell)}
        return self._differing(lambda cell: asked | _asked(cell) | _scored(cell))

    @cached_property
    def warnings(self) -> list[str]:
        """One sentence for each circumstance that differs between cells and may be behind a difference in numbers."""
        return self._differing(_circumstances)

    def _differing(self, told_of: Callable[[Cell], Mapping[str, str]]) -> list[str]:
        told: dict[str, dict[str, dict[str, list[int]]]] = {}
        for setup in self.setups:
            for cell in setup.ok:
                for what, value in told_of(cell).items():
                    seeds = told.setdefault(what, {}).setdefault(value, {}).setdefault(setup.label, [])
                    seeds.append(cell["cell.seed"])
        return [
            f"the cells of {self.title} differ in {what}: "
            + "; ".join(f"{printable(value)} for {self._named(seeds)}" for value, seeds in values.items())
            + "."
            for what, values in told.items()
            if len(values) > 1
        ]

    def _named(self, seeds: Mapping[str, list[int]]) -> str:
        """Setups by their labels, with seeds where those are not all that ended ok."""
        every = {setup.label: list(setup.seeds) for setup in self.setups}
        return ", ".join(
            label if own == every[label] else f"{label} seed {', '.join(map(str, own))}" for label, own in seeds.items()
        )


def cells_of(frame: pd.DataFrame) -> list[Cell]:
    """The rows of a study's frame, in its order."""
    # A column that other rows have is NaN here, and so is null in a column of numbers
    return [
        {str(column): value for column, value in row.items() if value is not None and value == value}
        for row in frame.to_dict("records")
    ]


def bounds(score: str) -> tuple[float, float]:
    """Between which a score lies: those of tunebench are fractions, but for perplexity; of others it is not known."""
    if score in FRACTIONS:
        return 0.0, 1.0
    return (1.0, math.inf) if score == "perplexity" else (-math.inf, math.inf)


def groups(
    frame: pd.DataFrame, predictions: Mapping[str, Predictions] = MappingProxyType({}), report_seed: int = 0
) -> list[Group]:
    """The cells of a study by model and data set, in the order of the frame; scores have no intervals without answers.

    Args:
        frame: `Study.cells`.
        predictions: `Study.predictions`.
        report_seed: of all resampling.
    """
    together: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells_of(frame):
        together.setdefault((cell["cell.model.name"], cell["cell.dataset.name"]), []).append(cell)
    several = len({dataset for _, dataset in together}) > 1
    return [
        Group(
            model,
            dataset,
            printable(f"{model} on {dataset}" if several else model),
            tuple(Setup(*setup, predictions, report_seed) for setup in _setups(cells)),
        )
        for (model, dataset), cells in together.items()
    ]


def _setups(cells: list[Cell]) -> list[tuple[str, str, tuple[Cell, ...]]]:
    """Method, label and cells of each."""
    together: dict[str, list[Cell]] = {}
    for cell in cells:
        together.setdefault(cell["setup"], []).append(cell)
    settings = {setup: _settings(same[0]["cell"]) for setup, same in together.items()}
    found = []
    for setup, same in together.items():
        method, own = same[0]["cell.method.name"], settings[setup]
        rivals = [settings[other] for other, cells in together.items() if cells[0]["cell.method.name"] == method]
        telling = [path for path in own if any(rival.get(path) != own[path] for rival in rivals)]
        label = f"{method} ({', '.join(f'{path}={own[path]}' for path in telling)})" if telling else method
        found.append((method, printable(label), tuple(same)))
    labels = [label for _, label, _ in found]
    # Cut to a length that can be shown, two can be alike
    return [
        (method, label if labels.count(label) == 1 else f"{label} #{labels[: at + 1].count(label)}", same)
        for at, (method, label, same) in enumerate(found)
    ]


def _settings(cell: Mapping[str, Any]) -> dict[str, str]:
    """Every setting of a cell but its seed, as the user would type it."""
    settings = leaves({part: value for part, value in cell.items() if part != "seed"})
    return {path: value if isinstance(value, str) else json.dumps(value) for path, value in settings}


def _asked(cell: Cell) -> dict[str, str]:
    """The settings that say which model is asked, how, and how it answers."""
    settings = _settings(cell["cell"])
    return {path: value for path, value in settings.items() if path in ASKED or path.startswith(ASKED_PARTS)}


def _scored(cell: Cell) -> dict[str, str]:
    """What was asked in the end, and how it was scored, where the cell has it."""
    path = "data.validation_fingerprint"
    prints = {"the fingerprint of their validation set": cell[path][:8]} if path in cell else {}
    # Of a score that could not be had, they say why
    had = (
        path for path in cell if path.startswith("score_settings.") and path.replace("score_settings", "scores") in cell
    )
    return prints | {path: cell[path] for path in had}


def _circumstances(cell: Cell) -> dict[str, str]:
    """What the numbers came about with, where the cell has it."""
    settings = _settings(cell["cell"])
    told = {path: value for path, value in settings.items() if path not in OWN and not path.startswith(OWN_PARTS)}
    if "data.train_fingerprint" in cell:
        told["the fingerprint of their training set"] = cell["data.train_fingerprint"][:8]
    for path in ("training.effective_batch", "training.micro_batch"):
        if path in cell:
            told[path] = str(int(cell[path]))
    told |= {path: cell[path] for path in ("base.precision", "base.device", "base.revision") if path in cell}
    told["their CPU"] = f"{cell['environment.cpu']}, {int(cell['environment.cpu_count'])} cores"
    told["their GPU"] = listed([gpu["name"] for gpu in cell.get("environment.gpu", ())] or ["none"])
    if "environment.git_commit" in cell:
        changed = " with uncommitted changes" if cell.get("environment.git_dirty") else ""
        told["their commit"] = f"{cell['environment.git_commit'][:8]}{changed}"
    told["their Python"] = cell["environment.python"]
    installed = "environment.packages."
    return told | {
        f"their {path.removeprefix(installed)}": value for path, value in cell.items() if path.startswith(installed)
    }


def _by_seed(texts: Mapping[int, str], n_seeds: int) -> str:
    """One text if it holds for all seeds, otherwise each with its seeds."""
    if len(set(texts.values())) == 1 and len(texts) == n_seeds:
        return next(iter(texts.values()))
    seeds: dict[str, list[str]] = {}
    for seed, text in texts.items():
        seeds.setdefault(text, []).append(str(seed))
    return "; ".join(f"seed {', '.join(numbers)}: {text}" for text, numbers in seeds.items())
