"""The example that every data set gives, every prompt renders and every metric scores."""

import hashlib
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field


class Example(BaseModel):
    """A question that a model is asked, and the answers that are accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    """Stable: the same example has it in every run, so that runs can be compared example by example."""
    cluster: str = Field(min_length=1)
    """The document or article it came from; examples of one cluster are not independent."""
    question: str = Field(min_length=1)
    """The question or instruction."""
    context: str = ""
    """The text that the answer is to be taken from, or empty."""
    references: tuple[str, ...] = Field(min_length=1)
    """All accepted answers; the first is the one that is trained on. An empty string means: abstain."""


class Splits(BaseModel):
    """The two disjoint parts of a data set, in a fixed order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: tuple[Example, ...]
    validation: tuple[Example, ...]


def fingerprint(examples: Iterable[Example]) -> str:
    """SHA-256 (hex) over the examples' content in order: equal exactly when two runs saw the same examples."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(example.model_dump_json().encode())
        digest.update(b"\n")
    return digest.hexdigest()
