"""Data sets that are tables: one record becomes one example. A subclass says how; this class does everything else."""

import hashlib
import json
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Annotated, ClassVar, get_args

from pydantic import Field

from bench.dataset import HeldOut, HubData
from bench.dataset.files import Record, files_of, place, read_records
from bench.dataset.hub_data import Commit, Rows, read_hub_data
from bench.dataset.quality import LeftOut, Placed, Quality, also_in
from bench.dataset.split import Fractions, Mask, chosen, divided, origin, shared
from bench.dataset.survey import Survey, first
from bench.errors import InputError
from bench.example import SAMPLES, Example, SplitName, Splits, Step

Name = Annotated[str, Field(min_length=1)]
Source = Callable[[], Iterator[tuple[str, Record]]]
"""Gives the records of a split from the first one on, each with where it is, such as `faq.csv:7`."""
USUAL = ("validation", "test")
"""The hub's split to score on, if none is named: the first of these that there is. The answers of test splits are often
secret."""


class Table(HeldOut):
    """Records of local files (`bench.dataset.files` lists the formats), or of a data set on the hub.

    What is not given, tune or test, is held out of training, by document.
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
    tune_split: Name | None
    """The hub's split to choose by; None for a part of training."""
    test_split: Name | None
    """The hub's split to score on; None for `validation`, or else `test`, and with neither a part of training."""
    id_column: Name | None
    """The column with the examples' ids; None for a hash of each example's content."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)]
    """The share of the training file's documents held out for test if there is no test split."""
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

    def from_hub(self) -> HubData | None:
        return None if self.train is not None or self.path is None else HubData(self.path, self.revision, self.config)

    def quality_steps(self) -> tuple[str, ...]:
        return self.quality.asked_for

    def load(self) -> Splits:
        read = {name: self._survey(name, source) for name, source in self._sources().items()}
        fractions = Fractions(
            tune=0 if "tune" in read else self.tune_fraction,
            test=0 if "test" in read else self.test_fraction,
        )
        kept: dict[SplitName, list[Placed]] = {}
        overlaps: list[Step] = []
        for name, survey in read.items():
            # Training gives way to tune and to test, and tune to test.
            others = [*read][[*read].index(name) + 1 :]
            inside = self._inside(survey, [read[other] for other in others])
            sides = divided(survey.hashed, fractions) if name == "train" else {name: survey.all}
            used = {
                side: chosen(survey.hashed, mask & ~inside, self.limits[side])
                for side, mask in sides.items()
                if side not in others
            }
            *picked, samples = survey.pick(*used.values(), first(inside, SAMPLES))
            kept |= zip(used, picked, strict=True)
            overlaps += also_in(others, name, int(inside.sum()), samples)
        kept, similar = self.quality.distinct(kept, self.language)
        return Splits(
            **{name: self._named(examples) for name, examples in kept.items()},
            origin=origin(fractions, self.split_seed),
            steps=(*(step for survey in read.values() for step in survey.steps), *overlaps, *similar),
        )

    def _inside(self, survey: Survey, others: Iterable[Survey]) -> Mask:
        """Which examples are left out because the others have their document or their text, too."""
        return survey.none if self.quality.overlap == "refuse" else shared(survey.hashed, [it.hashed for it in others])

    def _named(self, placed: Iterable[Placed]) -> tuple[Example, ...]:
        examples = (item.example for item in placed)
        return tuple(examples if self.id_column else numbered(examples))

    def _sources(self) -> dict[SplitName, Source]:
        """What gives the records of training, tune and test, in this order, without those held out of training."""
        if self.train is None and self.path is None:
            raise InputError(
                f"{self.name} has no source; name a local file with dataset.train=PATH, or a data set on the hub with "
                "dataset.path=NAME"
            )
        hub = self.from_hub()
        splits = {} if hub is None else read_hub_data(*hub)
        on_hub = {
            "train": self.train_split,
            "tune": self.tune_split,
            "test": self.test_split or usual_test_split(splits, self.tune_split),
        }
        sources: dict[SplitName, Source] = {}
        for split in get_args(SplitName):
            if (path := getattr(self, split)) is not None:
                sources[split] = partial(_of_files, path)
            elif hub is not None and (name := on_hub[split]) is not None:
                sources[split] = self._hub_split(split, name, splits)
        return sources

    def _hub_split(self, split: SplitName, name: str, splits: dict[str, Rows]) -> Source:
        if name not in splits:
            choices = ", ".join(map(repr, splits))
            raise InputError(f"{self.path} has no split {name!r}; name one of {choices} with dataset.{split}_split")
        return partial(_of_hub, f"{self.path} {name}", splits[name])

    def _survey(self, split: SplitName, source: Source) -> Survey:
        left_out = LeftOut(split, [self.unusable, *self.quality.names])
        return Survey(partial(self._placed, source), left_out, self.split_seed, self.limits[split])

    def _placed(self, source: Source, left_out: LeftOut) -> Iterator[Placed]:
        fault = self.quality.fault()
        for at, record in source():
            example = self._example(record, at)
            if example is None:
                left_out.add(self.unusable, at)
            elif (step := fault(example)) is not None:
                left_out.add(step, at, example)
            else:
                yield Placed(at, example)

    def _text(self, record: Record, setting: str, at: str) -> str:
        """The text in the column that `setting` names: empty for None, and digits for a whole number."""
        name = self._column(record, setting, at)
        value = None if name is None else record[name]
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise InputError(f"{at}: column {name!r} must hold text, got {type(value).__name__}; write it as a string")
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


def usual_test_split(splits: Collection[str], tune_split: str | None) -> str | None:
    """Which of the hub's splits is scored if none is named; None if there is none that is not for tune."""
    return next((name for name in USUAL if name in splits and name != tune_split), None)


def _of_files(path: str) -> Iterator[tuple[str, Record]]:
    for file in files_of(path):
        for number, record in read_records(file):
            yield place(file, number), record


def _of_hub(name: str, rows: Rows) -> Iterator[tuple[str, Record]]:
    return ((place(name, number), record) for number, record in rows())


def content_id(*texts: str) -> str:
    """A hash of the texts that can serve as an id: 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]


def numbered(examples: Iterable[Example]) -> Iterator[Example]:
    """The examples with `-2`, `-3` after repeated ids.

    The ids are hashes of the content, so these examples are interchangeable, and ids do not depend on the order.
    """
    copies: Counter[str] = Counter()
    for example in examples:
        copies[example.id] += 1
        count = copies[example.id]
        yield example if count == 1 else example.model_copy(update={"id": f"{example.id}-{count}"})
