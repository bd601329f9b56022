"""The rows that tables and figures are about: setups, which are cells that differ in nothing but their seed."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import pandas as pd

from bench.report.load import leaves
from bench.report.words import MEMORIES, ending, ending_with_peak, listed, printable, reason

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


@dataclass(frozen=True)
class Setup:
    """One method with one configuration on one model and data set, at every seed that was run."""

    method: str
    label: str
    """The method's name, and the settings that tell this setup from others of the same method."""
    cells: tuple[Cell, ...]
    """One per seed, at least one, in the order of the seeds."""

    @property
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
        return Measured(values[0] if len(set(values)) == 1 else fmean(values), tuple(values), None)

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
    def ok(self) -> list[Cell]:
        """The cells of all setups that ended ok."""
        return [cell for setup in self.setups for cell in setup.ok]

    @property
    def memory(self) -> str:
        """The one figure that this group's peak memory is: the first of `MEMORIES` that any of its cells has."""
        return next((path for path in MEMORIES if any(path in cell for cell in self.ok)), next(iter(MEMORIES)))

    def disagreements(self) -> list[str]:
        """One sentence for each thing that must be the same before the cells' numbers may be compared, and is not."""
        asked = {path: "not set" for cell in self.ok for path in _asked(cell)}
        told: dict[str, dict[str, dict[str, list[int]]]] = {}
        for setup in self.setups:
            for cell in setup.ok:
                for what, value in (asked | _asked(cell) | _conditions(cell)).items():
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


def groups(frame: pd.DataFrame) -> list[Group]:
    """The cells of a study by model and data set, in the order of the frame."""
    together: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells_of(frame):
        together.setdefault((cell["cell.model.name"], cell["cell.dataset.name"]), []).append(cell)
    several = len({dataset for _, dataset in together}) > 1
    return [
        Group(model, dataset, printable(f"{model} on {dataset}" if several else model), _setups(cells))
        for (model, dataset), cells in together.items()
    ]


def _setups(cells: list[Cell]) -> tuple[Setup, ...]:
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
        found.append(Setup(method, printable(label), tuple(same)))
    return tuple(found)


def _settings(cell: Mapping[str, Any]) -> dict[str, str]:
    """Every setting of a cell but its seed, as the user would type it."""
    settings = leaves({part: value for part, value in cell.items() if part != "seed"})
    return {path: value if isinstance(value, str) else json.dumps(value) for path, value in settings}


def _asked(cell: Cell) -> dict[str, str]:
    """The settings that say what is asked of every model, and how."""
    parts = ("dataset", "prompt", "generation")
    asked = _settings({part: cell["cell"][part] for part in parts if part in cell["cell"]})
    # Which files those were, the fingerprints say better
    return {path: value for path, value in asked.items() if path not in ("dataset.train", "dataset.validation")}


def _conditions(cell: Cell) -> dict[str, str]:
    """What came of the settings and must be shared too, where the cell has it."""
    sets = {f"the fingerprint of their {split} set": f"data.{split}_fingerprint" for split in ("validation", "train")}
    prints = {what: cell[path][:8] for what, path in sets.items() if path in cell}
    batches = ("training.effective_batch", "training.micro_batch")
    sizes = {path: str(int(cell[path])) for path in batches if path in cell}
    machines: dict[str, str] = {path: cell[path] for path in ("base.precision", "base.device") if path in cell}
    machines["their CPU"] = f"{cell['environment.cpu']}, {int(cell['environment.cpu_count'])} cores"
    machines["their GPU"] = listed([gpu["name"] for gpu in cell.get("environment.gpu", ())] or ["none"])
    scoring = {path: value for path, value in cell.items() if path.startswith("score_settings.")}
    return prints | sizes | machines | scoring


def _by_seed(texts: Mapping[int, str], n_seeds: int) -> str:
    """One text if it holds for all seeds, otherwise each with its seeds."""
    if len(set(texts.values())) == 1 and len(texts) == n_seeds:
        return next(iter(texts.values()))
    seeds: dict[str, list[str]] = {}
    for seed, text in texts.items():
        seeds.setdefault(text, []).append(str(seed))
    return "; ".join(f"seed {', '.join(numbers)}: {text}" for text, numbers in seeds.items())
