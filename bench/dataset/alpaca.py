"""Instruction data in the layout of Stanford Alpaca (Taori et al. 2023): instruction, optional input, output."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from bench.dataset import Dataset
from bench.dataset.files import Numbered, Record, column, place, read_records
from bench.dataset.hub import read_hub
from bench.dataset.overlap import normalised, text
from bench.errors import InputError
from bench.example import Example, Splits


class Alpaca(Dataset):
    """Records from local files, whatever their columns are called, or from a data set of the hub.

    Where the source has no validation split, one is held out of training, by document.
    """

    path: str | None
    """The data set's name on the hub; not used if `train` names a local file."""
    revision: str | None
    """The hub's commit; null for the newest one."""
    instruction_column: str
    input_column: str | None
    """The column with the text that the instruction is about, empty where there is none; null for no such column."""
    output_column: str
    id_column: str | None
    """The column with the examples' ids; null for a hash of each example's content."""
    cluster_column: str | None
    """The column that names the document an example comes from; null to take equal inputs for one document, and equal
    instructions where there is no input."""
    validation_fraction: Annotated[float, Field(gt=0, lt=1)]
    """The share of documents held out for validation where the source has no validation split."""
    split_seed: int
    """Another one holds out other documents."""

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if self.train is None and self.path is None:
            raise ValueError("no source: set train to a local file, or path to the name of a data set on the hub")
        return self

    def load(self) -> Splits:
        examples = {split: self._examples(records, source) for split, (source, records) in self._sources().items()}
        if "validation" in examples:
            splits = Splits(train=examples["train"], validation=examples["validation"])
        else:
            splits = held_out(examples["train"], self.validation_fraction, self.split_seed)
        return Splits(
            train=splits.train[: self.train_limit],
            validation=splits.validation[: self.validation_limit],
        )

    def _sources(self) -> dict[str, tuple[str, Numbered]]:
        """Split name to where its records come from, and the records. There is always a `train`."""
        if self.train is not None:
            sources = {"train": (self.train, read_records(self.train))}
        else:
            assert self.path is not None, "_has_a_source"
            hub = read_hub(self.path, self.revision)
            sources = {split: (f"{self.path} {split}", records) for split, records in hub.items()}
            if "train" not in sources:
                raise InputError(f"{self.path} has no split 'train', only {', '.join(map(repr, hub))}")
        if self.validation is not None:
            sources["validation"] = (self.validation, read_records(self.validation))
        return {split: sources[split] for split in ("train", "validation") if split in sources}

    def _examples(self, records: Numbered, source: str) -> tuple[Example, ...]:
        examples = []
        copies: Counter[str] = Counter()
        for number, record in records:
            example = self._example(record, source, number)
            copies[example.id] += 1
            if self.id_column is None and copies[example.id] > 1:
                # Rows that are equal throughout are interchangeable: numbering them keeps ids stable under reordering.
                example = example.model_copy(update={"id": f"{example.id}-{copies[example.id]}"})
            examples.append(example)
        return tuple(examples)

    def _example(self, record: Record, source: str, number: int) -> Example:
        instruction = _filled(record, self.instruction_column, source, number)
        context = "" if self.input_column is None else _string(record, self.input_column, source, number)
        output = _string(record, self.output_column, source, number)
        if self.cluster_column is None:
            cluster = _hash(normalised(context) or normalised(instruction))
        else:
            cluster = _filled(record, self.cluster_column, source, number)
        if self.id_column is None:
            id = _hash(cluster, instruction, context, output)
        else:
            id = _filled(record, self.id_column, source, number)
        try:
            return Example(id=id, cluster=cluster, question=instruction, context=context, references=(output,))
        except ValidationError as error:  # JSON can spell half a surrogate pair, which is no character
            first = error.errors(include_url=False)[0]
            raise InputError(f"{place(source, number)}: {first['loc'][0]}: {first['msg']}") from error


def held_out(examples: Sequence[Example], fraction: float, seed: int) -> Splits:
    """About `fraction` of the documents as validation and the rest as training, each in the order given.

    Documents that share a text (`bench.dataset.overlap.text`) go to the same side, which depends on the first of their
    names and on `seed` alone: reordering moves nothing, nor does adding documents that share no text with these.

    Raises:
        InputError: a side is empty.
    """
    groups = _groups(examples)
    validation = {cluster for cluster, group in groups.items() if _unit_interval(f"{seed}:{group}") < fraction}
    splits = Splits(
        train=tuple(example for example in examples if example.cluster not in validation),
        validation=tuple(example for example in examples if example.cluster in validation),
    )
    if not splits.train or not splits.validation:
        raise InputError(
            f"holding out {fraction} of {len(groups)} documents leaves {'training' if validation else 'validation'} "
            "empty; change dataset.validation_fraction or dataset.split_seed, or name a file: dataset.validation=PATH"
        )
    return splits


def _groups(examples: Sequence[Example]) -> dict[str, str]:
    """Cluster to the first, by name, of all clusters that it is linked to by shared texts."""
    parent = {example.cluster: example.cluster for example in examples}

    def root(cluster: str) -> str:
        while parent[cluster] != cluster:
            parent[cluster] = cluster = parent[parent[cluster]]
        return cluster

    holder: dict[str, str] = {}
    for example in examples:
        one, other = root(example.cluster), root(holder.setdefault(text(example), example.cluster))
        parent[max(one, other)] = min(one, other)
    return {cluster: root(cluster) for cluster in parent}


def _string(record: Record, name: str, source: str, number: int) -> str:
    """The column's text; empty for null, and digits for a whole number."""
    value: Any = column(record, name, source, number)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise InputError(f"{place(source, number)}: column {name!r} must hold text, got {type(value).__name__}")
    return str(value)


def _filled(record: Record, name: str, source: str, number: int) -> str:
    value = _string(record, name, source, number)
    if not value.strip():
        raise InputError(f"{place(source, number)}: column {name!r} is empty; every record needs it")
    return value


def _hash(*texts: str) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]


def _unit_interval(text: str) -> float:
    """Evenly spread over [0, 1), and the same on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
