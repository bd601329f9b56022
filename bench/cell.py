"""What a cell is: its parts, the key that its result is known by, and the name of its folder."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from bench import tiny
from bench.dataset import Dataset
from bench.dataset.files import digest
from bench.method import Method
from bench.metric import Metric
from bench.model import EMBEDDED, Model
from bench.prompt import Prompt
from bench.recipe import Recipe
from bench.settings import Settings, Strings


class Generation(Settings):
    """How validation examples are answered: one greedy pass, batched by length."""

    batch: PositiveInt
    """Prompts that are answered at once."""
    max_new_tokens: PositiveInt
    stop: Strings
    """An answer ends before the first of these strings, end of sequence aside."""


class LatencyRuns(Settings):
    """How inference latency is measured: at batch 1 and at the batch of the generation."""

    warmup_runs: NonNegativeInt
    runs: PositiveInt
    output_tokens: int = Field(ge=2)
    """Tokens generated in every run, whatever the model would have said."""


class Cell(Settings):
    """One point of the grid: everything that determines its result, and nothing of where it runs."""

    model: Model
    method: Method
    dataset: Dataset
    prompt: Prompt
    train: Recipe
    generation: Generation
    latency: LatencyRuns
    metric: dict[str, Metric]
    seed: int = Field(ge=0, lt=2**32)

    @model_validator(mode="after")
    def _room_for_an_answer(self) -> Self:
        if self.generation.max_new_tokens >= self.prompt.max_length:
            raise ValueError(
                f"generation.max_new_tokens: must be less than prompt.max_length ({self.prompt.max_length}), "
                f"got {self.generation.max_new_tokens}"
            )
        return self

    def key(self) -> str:
        """Hash (12 hex digits) of what determines the result; local files count by content, not by path.

        Raises:
            InputError: a local file that the cell names is missing.
        """
        content = self.model_dump(mode="json")
        for part, field in (("dataset", "train"), ("dataset", "validation")):
            if content[part][field] is not None:
                content[part][field] = digest(content[part][field])
        for field in ("path", "tokenizer"):
            content["model"][field] = _identity(content["model"][field])
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]

    def folder_name(self) -> str:
        """Such as `tiny-lora-events-s0-1f3a5c7e9b2d`."""
        return f"{self.model.name}-{self.method.name}-{self.dataset.name}-s{self.seed}-{self.key()}"


def _identity(path: str | None) -> Any:
    """A local checkpoint by its files' content, whatever its folder is called; a hub name by itself."""
    folder = tiny.FOLDER if path == EMBEDDED else Path(path or "").expanduser()
    if path is None or not folder.is_dir():
        return path
    kinds = {".json", ".safetensors", ".model", ".jinja", ".txt"}
    files = sorted(file for file in folder.iterdir() if file.suffix in kinds)
    return [[file.name, _content(file, file.stat().st_size, file.stat().st_mtime_ns)] for file in files]


@cache
def _content(file: Path, _bytes: int, _changed_ns: int) -> str:
    """Digest of a file, computed once per sweep as long as its size and time of change stay."""
    return digest(str(file))
