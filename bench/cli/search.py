"""The search of `python -m bench.tune`: which trials there are."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from bench.cli.compose import Composed, as_typed, composition
from bench.cli.points import Point, composed, grid
from bench.cli.sweeper_settings import settings_of
from bench.cli.tuned import covered
from bench.errors import InputError
from bench.report.wording import listed
from bench.tuning.result import SUFFIX, path_of, read
from bench.tuning.settings import Tune
from bench.tuning.space import Space, spelled

OWN = {
    "seed": "every trial is trained with tune.train_seed",
    "scored_on": "a search scores the tune split",
    "tuned": "a search starts from what is configured",
}
"""Settings that cannot be typed for a search, and why."""


@dataclass(frozen=True)
class Search:
    """The search for one method on one model and data set."""

    composed: Composed
    tune: Tune
    space: Space
    points: tuple[Point, ...]
    """The overrides of each trial; two that drew the same settings have the same."""

    def drawn(self, trial: int) -> dict[str, Any]:
        """The settings of one trial, by dotted path."""
        return self.space.draw(self.tune.seed, self.composed.names["method"], trial)


def searches(config: DictConfig) -> list[Search]:
    """One search for each model, method and data set of a multirun, leaving out methods that have nothing to search.

    Raises:
        InputError: what was typed is no search.
    """
    typed = {override.lstrip("+~").partition("=")[0] for override in as_typed(config)}
    if refused := [f"{key}: cannot be given here, since {why}" for key, why in OWN.items() if key in typed]:
        raise InputError("\n".join(refused))
    tune = settings_of(config, Tune)
    # An experiment may sweep seeds, which a search does not.
    setups = list({tuple(_without("seed", point)): None for point in grid(config)})
    found: dict[str, Search] = {}
    for setup, each in zip(setups, composed(config, list(map(list, setups))), strict=True):
        search = _search(list(setup), composition(each), tune)
        if search is None:
            continue
        name = " ".join(f"{part}={name}" for part, name in search.composed.names.items())
        if name in found:
            raise InputError(
                f"{name} would be searched twice; a search tries settings of methods, so sweep only over model, method "
                "and dataset, and fix other settings or give each value a study of its own"
            )
        _require_continued(config, search)
        found[name] = search
    if setups and not found:
        raise InputError("none of these methods trains anything, so there is nothing to search; name one that does")
    return list(found.values())


def about_ranges(config: DictConfig, faults: Iterable[str]) -> Iterator[str]:
    """Faults of a sweep's cells; those of values that a search drew as faults of the ranges that they are from."""
    known: Sequence[Search] | None = None
    for fault in faults:
        if known is None:
            known = searches(config) if config.hydra.runtime.choices.get("hydra/sweeper") == "tune" else ()
        yield _about_range(fault, known)


def _about_range(fault: str, known: Iterable[Search]) -> str:
    key, _, demand = fault.partition(": ")
    path = key.removeprefix("method.")
    drawn_from = [
        search.space.search[path]
        for search in known
        if path in search.space.search and re.search(rf"\b{search.composed.names['method']}\b", demand)
    ]
    if path == key or not drawn_from:
        return fault
    return f"method.search.{path}: {re.sub(r'got .*(?= [(])', lambda _: f'got {drawn_from[0]}', demand)}"


def move_to_study(config: DictConfig) -> None:
    """Let the launcher of this configuration write where the trials are."""
    OmegaConf.set_readonly(config, False)
    config.study = f"{config.study}{SUFFIX}"


def _search(setup: Point, composed: Composed, tune: Tune) -> Search | None:
    space = composed.space.without(covered(composed.space.search, composed.typed))
    if not composed.trains:
        return None
    if composed.space.search and not space.search:
        raise InputError(
            f"method={composed.names['method']} has nothing left to search: a value was typed for "
            f"{listed(composed.space.search)}; leave one out, or the method"
        )
    if not space.search:
        raise InputError(
            f"method={composed.names['method']} has no setting to search; give it ranges, such as "
            "+method.search.learning_rate='log(1e-5, 1e-3)', or leave it out"
        )
    search = Search(composed, tune, space, ())
    points = [[*_without("study", setup), *_trial(search, trial)] for trial in range(search.tune.trials)]
    return replace(search, points=tuple(points))


def _require_continued(config: DictConfig, search: Search) -> None:
    """Raise InputError if an earlier search of this study was another, or longer: what it tried would be hidden."""
    try:
        before = read(path_of(Path(str(config.runs)), str(config.study), search.composed.names))
    except FileNotFoundError:
        return
    tune = search.tune
    if before.n_trials > tune.trials:
        raise InputError(
            f"tune.trials: {before.title} had {before.n_trials} trials already, which fewer would hide; give at least "
            "as many, or another study"
        )
    settings = (before.search, before.seed, before.train_seed, before.train_limit, before.epochs)
    if settings != (search.space.written(), tune.seed, tune.train_seed, tune.train_limit, tune.epochs):
        raise InputError(
            f"study={before.study} has a search of {before.title} with other ranges or tune settings; give those "
            "again, or another study"
        )


def _trial(search: Search, trial: int) -> Iterator[str]:
    tune = search.tune
    yield f"study={search.composed.others['study']}{SUFFIX}"
    yield "scored_on=tune"
    yield f"seed={tune.train_seed}"
    if tune.epochs is not None:
        yield f"train.epochs={tune.epochs}"
    if tune.train_limit is not None:
        yield f"dataset.train_limit={tune.train_limit}"
    yield from (f"method.{path}={spelled(value)}" for path, value in search.drawn(trial).items())


def _without(key: str, point: Point) -> Iterator[str]:
    return (override for override in point if override.partition("=")[0] != key)
