"""Adds seeds until methods differ: which cells run next, and what each look at the scores decided."""

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

from omegaconf import DictConfig, flag_override
from pydantic import Field, Strict, field_validator

from bench import store
from bench.cli.compose import as_typed, job_of
from bench.cli.points import Point, composed, grid
from bench.cli.sweep import PlannedCell
from bench.cli.sweeper_settings import settings_of
from bench.errors import InputError
from bench.record import Record
from bench.report.compare.comparisons import Comparison, comparisons_of
from bench.report.compare.family import decisive
from bench.report.compare.setups import ENOUGH_SEEDS
from bench.report.read.plan import PLAN, Plan, read_plan
from bench.report.read.problem import Problem
from bench.report.read.study import read_study
from bench.report.statistics.stopping import Pair
from bench.report.wording import counted, listed
from bench.settings import Settings
from bench.supervisor.progress import console, duration


class Deciding(Settings):
    """The settings of `tunebench decide`. They do not change a cell's result."""

    looks: Annotated[tuple[int, ...], Strict(False)]
    """The numbers of seeds after which the scores are looked at."""
    max_seeds: int = Field(ge=ENOUGH_SEEDS)
    """The most seeds of a setup, and the last look; later looks are left out."""
    metric: str | None
    """The score that decides, such as `token_f1`; None for the first one whose direction is known."""

    @field_validator("looks")
    @classmethod
    def _rising(cls, looks: tuple[int, ...]) -> tuple[int, ...]:
        if list(looks) != sorted(set(looks)) or min(looks, default=ENOUGH_SEEDS) < ENOUGH_SEEDS:
            raise ValueError(f"must rise, and begin with at least {ENOUGH_SEEDS} seeds, got {list(looks)}")
        return looks

    @property
    def seeds(self) -> tuple[int, ...]:
        """The number of seeds at each look."""
        return (*(look for look in self.looks if look < self.max_seeds), self.max_seeds)


def points(config: DictConfig) -> Iterator[Point]:
    """Every cell that may run: each combination of what was typed, with as many seeds as may be.

    What no seed changes has one.

    Raises:
        InputError: a setting is wrong, seeds were typed, or the study was begun with other settings or cells.
    """
    if typed := [override for override in as_typed(config) if override.lstrip("+").startswith("seed=")]:
        raise InputError(
            f"{typed[0]}: `tunebench decide` chooses the seeds itself; leave this out, and limit them with max_seeds=10"
        )
    settings = settings_of(config, Deciding)
    if params := config.hydra.sweeper.params:
        # An experiment may sweep seeds, too.
        with flag_override(config, ["struct", "readonly"], False):
            params.pop("seed", None)
    studies: dict[Path, set[str]] = {}
    n_setups: Counter[tuple[str, str]] = Counter()
    for point in grid(config):
        (own,) = composed(config, [point])
        try:
            job = job_of(own)
        except InputError:
            # It is reported when the cells are checked.
            yield point
            continue
        n_setups[job.cell.model.name, job.cell.dataset.name] += 1
        for seed in range(settings.max_seeds if job.cell.method.depends_on_seed else 1):
            keys = studies.setdefault(job.folder().parent, set())
            keys.add(job.cell.model_copy(update={"seed": seed}).key())
            yield [*point, f"seed={seed}"]
    if len(studies) > 1:
        raise InputError(f"study: must be one for all cells, got {listed(sorted(map(str, studies)))}")
    if set(n_setups.values()) == {1}:
        raise InputError("method: there is nothing to compare; name at least two, such as method=baseline,lora")
    for study, keys in studies.items():
        _require_same(read_plan(study), settings, keys, study / PLAN)


def _require_same(plan: Plan | Problem | None, settings: Deciding, keys: Collection[str], path: Path) -> None:
    """Raise InputError if the study's earlier looks were others: no test allows for changing them on the way."""
    if plan is None:
        return
    if isinstance(plan, Problem):
        raise InputError(f"{path}: cannot be read as the looks of this study; restore it, or choose another study")
    if plan.looks != settings.seeds or (settings.metric and plan.score not in (None, settings.metric)):
        looked = f"{plan.score or 'scores'} after {listed(map(str, plan.looks))} seeds"
        raise InputError(
            f"{path}: this study looks at {looked}; go on with these settings (max_seeds, decide.looks, "
            "decide.metric), or choose another study"
        )
    if set(plan.cells) != set(keys):
        raise InputError(
            f"{path}: this study decides between other cells; go on with the methods, models and settings that it was "
            "begun with, or choose another study"
        )


class Looks:
    """The looks at one study: asked for cells again and again, until it knows enough."""

    def __init__(self, cells: Sequence[PlannedCell], settings: Deciding) -> None:
        self.settings = settings
        self.study = cells[0].folder.parent
        self.by_setup: dict[str, dict[int, PlannedCell]] = {}
        for cell in cells:
            self.by_setup.setdefault(_without_seed(cell), {})[cell.job.cell.seed] = cell

    def batches(self) -> Iterator[list[PlannedCell]]:
        """The cells to run before each look."""
        going_on = list(self.by_setup)
        before = 0
        for number, n_seeds in enumerate(self.settings.seeds):
            batch = [
                cell for setup in going_on for seed, cell in self.by_setup[setup].items() if before <= seed < n_seeds
            ]
            yield batch
            if n_missing := sum(not _has_ended(cell) for cell in batch):
                console.print(
                    f"\nThe look after {n_seeds} seeds needs {counted(n_missing, 'cell')} more: type the same command "
                    "again, and it goes on."
                )
                return
            comparisons = self._looked(n_seeds)
            labels = {setup: label for setup in going_on if (label := self._goes_on(setup, comparisons))}
            going_on = [*labels]
            for comparison in comparisons:
                self._say(comparison, n_seeds)
            if n_seeds == self.settings.max_seeds or not going_on:
                self._conclude(comparisons)
                return
            self._say_what_next(labels, n_seeds, self.settings.seeds[number + 1])
            before = n_seeds

    def _looked(self, n_seeds: int) -> list[Comparison]:
        """The comparisons with what is decided so far, which is written down, too.

        Seeds that this look does not ask for are left out: of a command that was stopped, some may not have ended well,
        and would keep their setup from going on.
        """
        study = read_study(self.study, n_traces=0)
        later = {cell.key for own in self.by_setup.values() for seed, cell in own.items() if seed >= n_seeds}
        cells = [cell for cell in study.cells if cell.record.key not in later]
        comparisons = comparisons_of(cells, study.predictions)
        score = (study.plan and study.plan.score) or decisive(comparisons, self.settings.metric)
        n_setups = self._n_setups()
        plan = Plan(score=score, looks=self.settings.seeds, cells=tuple(sorted(n_setups)), n_setups=n_setups)
        comparisons = comparisons_of(cells, study.predictions, plan)
        noted = [_noted(comparison) for comparison in comparisons if comparison.decision]
        text = plan.model_copy(update={"decided": noted}).model_dump_json(indent=1)
        store.write_atomically(self.study / PLAN, f"{text}\n")
        return comparisons

    def _n_setups(self) -> dict[str, int]:
        """By the key of each cell, how many setups have its model and data set."""
        compared = [next(iter(own.values())).job.cell for own in self.by_setup.values()]
        counts = Counter((cell.model.name, cell.dataset.name) for cell in compared)
        cells = (cell for own in self.by_setup.values() for cell in own.values())
        return {cell.key: counts[cell.job.cell.model.name, cell.job.cell.dataset.name] for cell in cells}

    def _goes_on(self, setup: str, comparisons: Iterable[Comparison]) -> str | None:
        """What the setup is called if it needs more seeds; None if not."""
        keys = {cell.key for cell in self.by_setup[setup].values()}
        return next(
            (
                own.label
                for comparison in comparisons
                for own in comparison.setups
                if own.decision and own.label in own.decision.going_on
                if keys & {cell.record.key for cell in own.cells}
            ),
            None,
        )

    def _say(self, comparison: Comparison, n_seeds: int) -> None:
        decision = comparison.decision
        if decision is None or not decision.looks or decision.looks[-1].n_seeds != n_seeds:
            return
        look = decision.looks[-1]
        console.print(f"\n{comparison.title}, after {counted(n_seeds, 'seed')}:", style="bold")
        for pair in look.pairs:
            console.print(f"  {_said(pair, self.settings.max_seeds)}")
        for label, why in decision.left_out.items():
            console.print(f"  {label} was not compared ({why})")

    def _say_what_next(self, labels: Mapping[str, str], n_seeds: int, following: int) -> None:
        costs = []
        n_cells = 0
        for setup in labels:
            own = self.by_setup[setup]
            n_more = sum(n_seeds <= seed < following for seed in own)
            records = (store.read_record(cell.folder) for seed, cell in own.items() if seed < n_seeds)
            costs.append(_cost([record for record in records if record is not None], n_more))
            n_cells += n_more
        names = listed(dict.fromkeys(labels.values()))
        console.print(f"\nNext look: {following} seeds of {names}, {counted(n_cells, 'cell')}{_spent(costs)}")

    def _conclude(self, comparisons: Sequence[Comparison]) -> None:
        for comparison in comparisons:
            if comparison.decision:
                console.print(f"\n{comparison.title}: {' '.join(comparison.decision.sentences())}")
                console.print(comparison.decision.why_stopped())


def _has_ended(cell: PlannedCell) -> bool:
    """Whether it has spent its part of the budget, well or not; another machine may run it at this moment."""
    record = store.read_record(cell.folder)
    return record is not None and record.has_ended


def _without_seed(cell: PlannedCell) -> str:
    return json.dumps(cell.job.cell.model_dump(mode="json", exclude={"seed"}), sort_keys=True)


def _said(pair: Pair, most: int) -> str:
    found = pair.repeated
    within = f" [{found.interval.low:.4f}, {found.interval.high:.4f}]" if found.interval else ""
    verdict = {
        "decided": f"{pair.worse} is worse",
        "open": "open",
        "futile": f"too close for these documents and {most} seeds",
    }[pair.state]
    return f"{pair.one} less {pair.other}: {found.difference:.4f}{within}, p {pair.p_adjusted:.3g}: {verdict}"


def _cost(ended: Sequence[Record], n_cells: int) -> tuple[float, float | None]:
    """Seconds and joules of as many more cells, by the mean of those of the setup that ran; None if not measured."""
    if not n_cells:
        return 0.0, 0.0
    energies = [record.power.energy_j for record in ended if record.power and record.power.energy_j is not None]
    seconds = n_cells * fmean(record.seconds for record in ended)
    return seconds, n_cells * fmean(energies) if len(energies) == len(ended) else None


def _spent(costs: Sequence[tuple[float, float | None]]) -> str:
    """Such as `, about 12 min 30 s and 3.4 kJ`; without energy where that was not measured."""
    energies = [joules for _, joules in costs if joules is not None]
    energy = f" and {math.fsum(energies) / 1000:.3g} kJ" if len(energies) == len(costs) else ""
    return f", about {duration(math.fsum(seconds for seconds, _ in costs))}{energy}"


def _noted(comparison: Comparison) -> dict[str, Any]:
    """A comparison's looks, for readers of the file."""
    decision = comparison.decision
    assert decision is not None
    return {
        "comparison": comparison.title,
        "not_compared": dict(decision.left_out),
        "looks": [
            {
                "n_seeds": look.n_seeds,
                "may_be_best": look.may_be_best,
                "going_on": look.going_on,
                "pairs": [
                    {
                        "one": pair.one,
                        "other": pair.other,
                        "n_seeds": pair.repeated.n_seeds,
                        "difference": pair.repeated.difference,
                        "interval": pair.repeated.interval
                        and [pair.repeated.interval.low, pair.repeated.interval.high],
                        "p_adjusted": pair.p_adjusted,
                        "state": pair.state,
                        "worse": pair.worse,
                    }
                    for pair in look.pairs
                ],
            }
            for look in decision.looks
        ],
    }
