"""Instruction data with the columns of Stanford Alpaca (Taori et al. 2023): instruction, optional input, output.

The columns can have any names, so this reads most tables of questions and answers.
"""

import hashlib
import json
from collections import Counter
from typing import Annotated, Self

from pydantic import Field, model_validator

from bench.dataset import Dataset
from bench.dataset.files import Numbered, Record, place, read_records, validated
from bench.dataset.hub_data import Commit, read_hub_data
from bench.dataset.overlap import normalised
from bench.dataset.split import hold_out
from bench.errors import InputError
from bench.example import Example, Splits


class Alpaca(Dataset):
    """Records from local files (`bench.dataset.files` lists the formats), or from a data set on the hub.

    If there is no validation split, one is held out of training, by document.
    """

    path: str | None
    """The data set's name on the hub; not used if `train` names a local file."""
    revision: Commit | None
    """None for the newest one."""
    instruction_column: str
    input_column: str | None
    """The column with the text that the instruction is about, which may be empty; None if there is no such column."""
    output_column: str
    id_column: str | None
    """The column with the examples' ids; None for a hash of each example's content."""
    cluster_column: str | None
    """The column that names the document an example comes from. None if examples with equal inputs, or without an input
    with equal instructions, come from one document."""
    validation_fraction: Annotated[float, Field(gt=0, lt=1)]
    """The share of documents held out for validation if there is no validation split."""
    split_seed: int
    """Another seed holds out other documents."""

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if self.train is None and self.path is None:
            raise ValueError("no source: set train to a local file, or path to the name of a data set on the hub")
        return self

    def from_hub(self) -> tuple[str, str | None] | None:
        return None if self.train is not None or self.path is None else (self.path, self.revision)

    def load(self) -> Splits:
        source = self.from_hub()
        hub = {} if source is None else read_hub_data(*source)
        train = self._split("train", self.train, hub)
        validation = self._split("validation", self.validation, hub)
        if train is None:
            raise InputError(f"{self.path} has no split 'train', only {', '.join(map(repr, hub))}")
        if validation is None:
            return self.limited(hold_out(train, self.validation_fraction, self.split_seed))
        return self.limited(Splits(train=train, validation=validation))

    def _split(self, name: str, file: str | None, hub: dict[str, Numbered]) -> tuple[Example, ...] | None:
        if file is not None:
            return self._examples(read_records(file), file)
        return self._examples(hub[name], f"{self.path} {name}") if name in hub else None

    def _examples(self, records: Numbered, source: str) -> tuple[Example, ...]:
        examples = []
        copies: Counter[str] = Counter()
        for number, record in records:
            example = self._example(record, place(source, number))
            copies[example.id] += 1
            if self.id_column is None and copies[example.id] > 1:
                # Identical rows are interchangeable, so numbering them keeps ids stable under reordering.
                example = example.model_copy(update={"id": f"{example.id}-{copies[example.id]}"})
            examples.append(example)
        return tuple(examples)

    def _example(self, record: Record, at: str) -> Example:
        instruction = self._filled(record, "instruction_column", at)
        context = self._text(record, "input_column", at)
        output = self._text(record, "output_column", at)
        if self.cluster_column is None:
            cluster = _hash(normalised(context) or normalised(instruction))
        else:
            cluster = self._filled(record, "cluster_column", at)
        if self.id_column is None:
            id = _hash(cluster, instruction, context, output)
        else:
            id = self._filled(record, "id_column", at)
        # This can fail: JSON can spell half a surrogate pair, which is no character.
        texts = {"id": id, "cluster": cluster, "question": instruction, "context": context, "references": (output,)}
        return validated(Example, texts, at)

    def _text(self, record: Record, setting: str, at: str) -> str:
        """The text in the column that `setting` names: empty for None, and digits for a whole number."""
        name = getattr(self, setting)
        if name is None:
            return ""
        if name not in record:
            columns = ", ".join(map(repr, record))
            none = ", or set it to null" if setting == "input_column" else ""
            raise InputError(
                f"{at}: no column {name!r}; name one of the columns {columns} with dataset.{setting}{none}"
            )
        value = record[name]
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise InputError(f"{at}: column {name!r} must hold text, got {type(value).__name__}")
        return str(value)

    def _filled(self, record: Record, setting: str, at: str) -> str:
        value = self._text(record, setting, at)
        if not value.strip():
            raise InputError(f"{at}: column {getattr(self, setting)!r} is empty; every record needs it")
        return value


def _hash(*texts: str) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]
