"""The settings of tunebench's own sweepers, typed as `tune.trials=12` or `decide.metric=token_f1`."""

from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf
from pydantic import ValidationError

from bench.cell import Cell
from bench.cli.mistakes import demand
from bench.errors import InputError
from bench.settings import Settings

S = TypeVar("S", bound=Settings)


def settings_of(config: DictConfig, kind: type[S]) -> S:
    """The settings of the sweeper that a composed configuration chooses.

    Raises:
        InputError: one is wrong.
    """
    content: Any = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
    try:
        return kind.model_validate({name: content[name] for name in kind.model_fields})
    except ValidationError as error:
        faults = [(".".join(map(str, fault["loc"])), demand(fault)) for fault in error.errors()]
        raise InputError("\n".join(f"{_sweeper(config)}.{key}: {demand}" for key, demand in faults)) from error


def require_score(config: DictConfig, cell: Cell) -> None:
    """Raise InputError if a sweeper of tunebench's is to decide by a score that `cell` cannot have.

    Some metrics only tell their scores' names when they score; then the sweeper itself looks, after its first cells.
    """
    asked, infos = config.hydra.sweeper.get("metric"), cell.score_info
    if asked is None or infos is None:
        return
    ranking = [name for name, info in infos.items() if info.better]
    if asked not in ranking:
        raise InputError(
            f"{_sweeper(config)}.metric: must be a score that the metrics give for dataset={cell.dataset.name} "
            f"({', '.join(ranking) or 'none'}), got {asked!r}"
        )


def _sweeper(config: DictConfig) -> str:
    return str(config.hydra.runtime.choices["hydra/sweeper"])
