"""Data sets: one module for each source, a frozen model of its settings with one verb, `load`."""

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field, PositiveInt

from bench.content import digest, digests
from bench.example import SplitName, Splits
from bench.hub import local_folder
from bench.settings import Part


class HubData(NamedTuple):
    """What is read of a data set on the hub."""

    path: str
    revision: str | None
    config: str | None


class Dataset(Part):
    """Where the examples come from, and how many are used. `bench.dataset.files` lists the formats of local files."""

    asks: ClassVar[bool] = True
    """Whether the examples are questions with answers. If not, they are texts, and their likelihood is scored."""

    language: Literal["en", "zh"]
    """How metrics split answers into words."""
    train: str | None
    """A local file with the training examples (for tables, also a folder of them), or None for the source's own."""
    tune: str | None
    """A local file with the tune examples, or None for the source's own, or for a part of training."""
    test: str | None
    """A local file with the test examples, or None for the source's own."""
    train_limit: PositiveInt | None
    """Use at most this many training examples: those of whole documents in random order, except for `events`,
    which takes the first ones; None for all."""
    tune_limit: PositiveInt | None
    """Use at most this many tune examples, chosen in the same way; None for all."""
    test_limit: PositiveInt | None
    """Use at most this many test examples, chosen in the same way; None for all."""

    def from_hub(self) -> HubData | None:
        """The data set on the hub that `load` reads; None if it reads nothing from there."""
        return None

    def quality_steps(self) -> tuple[str, ...]:
        """The steps that the settings ask for, in their order, whether or not they leave out anything."""
        return ()

    def identity(self) -> dict[str, Any]:
        """The settings, with local files by their content."""
        files = {"train": self.train, "tune": self.tune, "test": self.test}
        return super().identity() | {name: path if path is None else _content(path) for name, path in files.items()}

    @abstractmethod
    def load(self) -> Splits:
        """The three splits, in a fixed order that does not depend on the cell's seed. The tune split may be empty.

        Raises:
            InputError: a file is missing, empty, broken (with its line number) or lacks a column.
        """

    def limited(self, splits: Splits) -> Splits:
        """The first examples of each split, as many as the limits allow. `bench.dataset.split.sampled` chooses."""
        return splits.replaced({name: examples[: self.limits[name]] for name, examples in splits.parts().items()})

    @property
    def limits(self) -> dict[SplitName, int | None]:
        """The most examples of each split that may be used; None for all."""
        return {"train": self.train_limit, "tune": self.tune_limit, "test": self.test_limit}


class HeldOut(Dataset):
    """A data set whose tune split is a part of training, unless it is given."""

    tune_fraction: Annotated[float, Field(ge=0, lt=1)]
    """The share of the training file's documents held out for the tune split if none is given; 0 for no tune split."""
    split_seed: int
    """Another seed holds out other documents, and chooses others where a limit leaves out some."""


def _content(path: str) -> Any:
    folder = local_folder(path)
    return digest(path) if folder is None else digests(folder, ["[!.]*"])
