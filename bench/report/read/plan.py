"""How a study's seeds were chosen: decide.json, which `bench.decide` keeps beside the cells."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.report.read.problem import Problem

PLAN = "decide.json"


class Plan(BaseModel):
    """When the scores are looked at, and which cells belong to it. The same plan and records decide the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    score: str | None
    """The score that decides, by its name in the record; None until a cell has one."""
    looks: tuple[int, ...] = Field(min_length=1)
    """The number of seeds at each look, in rising order."""
    cells: tuple[str, ...]
    """The keys of all cells that may run."""
    n_setups: dict[str, int] = Field(default_factory=dict)
    """By the key of each cell, how many setups its own is compared with, itself included. Some may have no record."""
    decided: list[dict[str, Any]] = Field(default_factory=list)
    """For readers: what each look decided. Reports compute it again."""


def read_plan(folder: Path) -> Plan | Problem | None:
    """The plan of the study in `folder`; None if its seeds were not chosen by looking at scores."""
    path = folder / PLAN
    try:
        return Plan.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        return Problem(f"{folder.name}/{PLAN}", f"cannot be read ({error.strerror}).", broken=True)
    except ValidationError:
        sentence = "is not a plan of `tunebench decide`, so seeds count as planned, which they were not: restore it."
        return Problem(f"{folder.name}/{PLAN}", sentence, broken=True)
