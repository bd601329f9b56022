"""Gathers everything that is said about a data set. Nothing here prints."""

from dataclasses import dataclass

from bench import context
from bench.cell import Cell
from bench.data.composition import Composition, composition
from bench.data.lengths import SplitLengths, measure
from bench.data.prompts import Rendered, rendered
from bench.dataset import overlap
from bench.encode import Room
from bench.errors import InputError
from bench.example import SPLIT_WORDS, SplitName, Splits
from bench.tokenizer import reading_side


@dataclass(frozen=True)
class Reading:
    """What only the model's tokenizer can say."""

    has_chat_template: bool
    prompt_warning: str | None
    """One sentence if models may not begin with their answer where the prompt ends; None otherwise."""
    context_length: int | None
    """The longest sequence that model and tokenizer take, in tokens; None without a limit."""
    longest: int
    """The most tokens that prompt and answer may have together."""
    splits: dict[SplitName, SplitLengths]
    prompts: tuple[Rendered, ...]

    @property
    def train(self) -> SplitLengths:
        """Those of training."""
        return self.splits["train"]

    @property
    def test(self) -> SplitLengths:
        """Those of test."""
        return self.splits["test"]


@dataclass(frozen=True)
class Inspection:
    """A data set as a cell would use it."""

    cell: Cell
    splits: Splits
    parts: dict[SplitName, Composition]
    """Of each split that is not empty."""
    reading: Reading | None
    """None if the examples could not be turned into tokens; `refusals` then has the reason."""
    refusals: tuple[str, ...]
    """Why the cell would not start with this data: one sentence each."""

    @property
    def train(self) -> Composition:
        """That of training."""
        return self.parts["train"]

    @property
    def test(self) -> Composition:
        """That of test."""
        return self.parts["test"]


def inspect(cell: Cell) -> Inspection:
    """Load the data set and look at it.

    Raises:
        InputError: it cannot be loaded, or a split is empty.
    """
    splits = cell.dataset.load()
    refusals = []
    overlap.require_examples(splits)
    try:
        overlap.require_disjoint(splits)
        if cell.needs_tune:
            overlap.require_tune(splits)
    except InputError as error:
        refusals.append(str(error))
    reading = None
    try:
        reading = _read(cell, splits)
        for split, lengths in reading.splits.items():
            n_left = lengths.n_measured - lengths.n_dropped
            context.require_examples(cell, reading.context_length, SPLIT_WORDS[split], n_left)
    except InputError as error:
        refusals.append(str(error))
    return Inspection(
        cell=cell,
        splits=splits,
        parts={name: composition(examples) for name, examples in splits.parts().items() if examples},
        reading=reading,
        refusals=tuple(refusals),
    )


def _read(cell: Cell, splits: Splits) -> Reading:
    tokenizer, context_length = reading_side(cell.model)
    longest, max_new_tokens = context.room(cell, context_length), cell.generation.max_new_tokens
    in_training, answering = Room(longest, 0), Room(longest, max_new_tokens)
    shown = cell.method.demonstrations(splits.train, cell.seed)
    asked = dict.fromkeys(splits.parts(), (answering, max_new_tokens, shown))
    asked["train"] = (in_training, max_new_tokens, ())
    return Reading(
        has_chat_template=tokenizer.chat_template is not None,
        prompt_warning=cell.prompt.warning(tokenizer),
        context_length=context_length,
        longest=longest,
        splits={
            name: measure(examples, cell.prompt, tokenizer, *asked[name])
            for name, examples in splits.parts().items()
            if examples
        },
        prompts=(
            *rendered("train", splits.train, 2, cell.prompt, tokenizer, in_training),
            *rendered("test", splits.test, 1, cell.prompt, tokenizer, answering, shown),
        ),
    )
