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
from bench.example import Splits
from bench.tokenizer import reading_side


@dataclass(frozen=True)
class Reading:
    """What only the model's tokenizer can say."""

    has_chat_template: bool
    context_length: int | None
    """The longest sequence that model and tokenizer take, in tokens; None without a limit."""
    longest: int
    """The most tokens that prompt and answer may have together."""
    train: SplitLengths
    validation: SplitLengths
    prompts: tuple[Rendered, ...]


@dataclass(frozen=True)
class Inspection:
    """A data set as a cell would use it."""

    cell: Cell
    splits: Splits
    train: Composition
    validation: Composition
    reading: Reading | None
    """None if the examples could not be turned into tokens; `refusals` then has the reason."""
    refusals: tuple[str, ...]
    """Why the cell would not start with this data: one sentence each."""


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
    except InputError as error:
        refusals.append(str(error))
    reading = None
    try:
        reading = _read(cell, splits)
        for name, lengths in (("training", reading.train), ("validation", reading.validation)):
            context.require_examples(cell, reading.context_length, name, lengths.n_measured - lengths.n_dropped)
    except InputError as error:
        refusals.append(str(error))
    return Inspection(
        cell=cell,
        splits=splits,
        train=composition(splits.train),
        validation=composition(splits.validation),
        reading=reading,
        refusals=tuple(refusals),
    )


def _read(cell: Cell, splits: Splits) -> Reading:
    tokenizer, context_length = reading_side(cell.model)
    longest, max_new_tokens = context.room(cell, context_length), cell.generation.max_new_tokens
    in_training, in_validation = Room(longest, 0), Room(longest, max_new_tokens)
    shown = cell.method.demonstrations(splits.train, cell.seed)
    return Reading(
        has_chat_template=tokenizer.chat_template is not None,
        context_length=context_length,
        longest=longest,
        train=measure(splits.train, cell.prompt, tokenizer, in_training, max_new_tokens),
        validation=measure(splits.validation, cell.prompt, tokenizer, in_validation, max_new_tokens, shown),
        prompts=(
            *rendered("training", splits.train, 2, cell.prompt, tokenizer, in_training),
            *rendered("validation", splits.validation, 1, cell.prompt, tokenizer, in_validation, shown),
        ),
    )
