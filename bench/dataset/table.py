"""Data sets that are tables: one record becomes one example. A subclass says how; this class does everything else."""

import hashlib
import json
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, ClassVar, get_args

from pydantic import Field

from bench.dataset import Dataset
from bench.dataset.files import Numbered, Record, files_of, place, read_records
from bench.dataset.hub_data import Commit, read_hub_data
from bench.dataset.quality import Placed, Quality
from bench.dataset.split import hold_out
from bench.errors import InputError
from bench.example import SAMPLES, Example, SplitName, Splits, Step

Name = Annotated[str, Field(min_length=1)]


class Table(Dataset):
    """Records of local files (`bench.dataset.files` lists the formats), or of a data set on the hub.

    If there is no validation split, one is held out of training, by document.
    """

    unusable: ClassVar[str] = "not usable"
    """What is said of records for which `_example` returns None."""

    path: Name | None
    """The data set's name on the hub; not used if `train` names a local file."""
    revision: Commit | None
    """None for the newest one."""
    config: Name | None
    """The data set's configuration on the hub, often a language or a subset; None if it has only one."""
    train_split: Name
    """The hub's split to train on."""
    validation_split: Name | None
    """The hub's split to score on; None to hold out a part of training even if there is one."""
    id_column: Name | None
    """The column with the examples' ids; None for a hash of each example's content."""
    validation_fraction: Annotated[float, Field(gt=0, lt=1)]
    """The share of documents held out for validation if there is no validation split."""
    split_seed: int
    """Another seed holds out other documents."""
    quality: Quality
    """Which examples are left out."""

    @abstractmethod
    def _example(self, record: Record, at: str) -> Example | None:
        """The example that a record holds, or None to leave it out, which is counted and shown as `unusable`.

        `_text` and `_filled` read its columns, `content_id` gives an id where there is no id column, and
        `bench.dataset.files.validated` makes the example. Equal ids are numbered if `id_column` is None.

        Args:
            record: column name to value.
            at: where the record is, such as `faq.csv:7`. Sentences about what is wrong start with it.

        Raises:
            InputError: a column is missing, or holds something else than it should.
        """

    def from_hub(self) -> tuple[str, str | None] | None:
        return None if self.train is not None or self.path is None else (self.path, self.revision)

    def load(self) -> Splits:
        if self.train is None and self.path is None:
            raise InputError(
                f"{self.name} has no source; name a local file with dataset.train=PATH, or a data set on the hub with "
                "dataset.path=NAME"
            )
        source = self.from_hub()
        hub = {} if source is None else read_hub_data(*source)
        train, steps = self._split("train", self.train, self.train_split, hub)
        validation, validation_steps = self._split("validation", self.validation, self.validation_split, hub)
        steps += validation_steps
        if train is None:
            raise InputError(f"{self.path} has no split {self.train_split!r}, only {', '.join(map(repr, hub))}")
        if validation is None:
            splits = hold_out(_examples(train), self.validation_fraction, self.split_seed)
        else:
            train, overlapping = self.quality.disjoint(train, _examples(validation))
            steps += overlapping
            splits = Splits(train=_examples(train), validation=_examples(validation))
        return self.limited(splits.model_copy(update={"steps": tuple(steps)}))

    def _split(
        self, name: SplitName, file: str | None, hub_split: str | None, hub: dict[str, Numbered]
    ) -> tuple[list[Placed] | None, list[Step]]:
        """The split's examples that are kept, None if there is no such split, and what was left out."""
        if file is not None:
            return self._read(name, _of_files(file))
        if hub_split not in hub:
            return None, []
        source = f"{self.path} {hub_split}"
        return self._read(name, ((place(source, number), record) for number, record in hub[hub_split]))

    def _read(self, name: SplitName, records: Iterable[tuple[str, Record]]) -> tuple[list[Placed], list[Step]]:
        """Examples of records, each given with where it is."""
        placed, unusable = [], []
        for at, record in records:
            example = self._example(record, at)
            if example is None:
                unusable.append(at)
            else:
                placed.append(Placed(at, example))
        kept, steps = self.quality.kept(name, placed if self.id_column else numbered(placed), self.language)
        if unusable:
            samples = tuple(unusable[:SAMPLES])
            steps.insert(0, Step(name=self.unusable, split=name, n_dropped=len(unusable), samples=samples))
        return kept, steps

    def _text(self, record: Record, setting: str, at: str) -> str:
        """The text in the column that `setting` names: empty for None, and digits for a whole number."""
        name = self._column(record, setting, at)
        value = None if name is None else record[name]
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise InputError(f"{at}: column {name!r} must hold text, got {type(value).__name__}")
        return str(value)

    def _filled(self, record: Record, setting: str, at: str) -> str:
        """As `_text`, but never blank."""
        value = self._text(record, setting, at)
        if not value.strip():
            raise InputError(f"{at}: column {self._column(record, setting, at)!r} is empty; every record needs it")
        return value

    def _column(self, record: Record, setting: str, at: str) -> str | None:
        """The column that `setting` names, or the first one that the record has if it names several."""
        given = getattr(self, setting)
        if given is None:
            return None
        names = (given,) if isinstance(given, str) else given
        for name in names:
            if name in record:
                return str(name)
        columns = ", ".join(map(repr, record))
        none = ", or set it to null" if type(None) in get_args(type(self).model_fields[setting].annotation) else ""
        raise InputError(
            f"{at}: no column {' or '.join(map(repr, names))}; "
            f"name one of the columns {columns} with dataset.{setting}{none}"
        )


def _of_files(path: str) -> Iterator[tuple[str, Record]]:
    for file in files_of(path):
        for number, record in read_records(file):
            yield place(file, number), record


def content_id(*texts: str) -> str:
    """A hash of the texts that can serve as an id: 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]


def numbered(placed: Sequence[Placed]) -> list[Placed]:
    """The examples with `-2`, `-3` after repeated ids.

    The ids are hashes of the content, so these examples are interchangeable, and ids do not depend on the order.
    """
    copies: Counter[str] = Counter()
    renamed = []
    for at, example in placed:
        copies[example.id] += 1
        count = copies[example.id]
        own = example if count == 1 else example.model_copy(update={"id": f"{example.id}-{count}"})
        renamed.append(Placed(at, own))
    return renamed


def _examples(placed: Sequence[Placed]) -> tuple[Example, ...]:
    return tuple(item.example for item in placed)
