"""Checks the data sets, metrics, models, methods, lengths and recipes of a sweep before its first cell starts."""

from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection

from transformers import PreTrainedTokenizerBase

from bench import context
from bench.cell import Cell
from bench.checkpoint import model_folder, require_checkpoint, tokenizer_folder
from bench.child.load import device, require_spreadable, require_vocabulary, skeleton
from bench.child.trainer_arguments import require_optimizer
from bench.dataset.hub_data import cached
from bench.dataset.overlap import require_disjoint, require_tune
from bench.encode import Room, encode
from bench.errors import InputError
from bench.example import Example, Splits, evenly
from bench.model import Model
from bench.recipe import Recipe
from bench.tokenizer import context_length, load_tokenizer

FEW = 16
"""Examples of a split that become tokens: enough for faults that most of them have, and quick."""
Reader = tuple[PreTrainedTokenizerBase, int | None]
"""A model's tokenizer, and its context in tokens; None without a limit."""


def main(
    scored: Sequence[Cell],
    models: Sequence[Cell],
    prompts: Sequence[Cell],
    recipes: Sequence[Recipe],
    spread: Sequence[Model],
    connection: Connection,
) -> None:
    """Send one sentence for each fault over `connection`, then None. What must be downloaded is not checked.

    Args:
        scored: a cell for each data set, with the metrics that score it.
        models: a cell for each model, with a method and lengths.
        prompts: a cell for each of `models` and each of its data sets.
        recipes: how the cells are trained.
        spread: the models that are spread over several GPUs.
        connection: where the sentences go.
    """
    loaded: dict[str, Splits] = {}
    readers: dict[str, Reader] = {}
    for cell in scored:
        for fault in _in_data(cell, loaded):
            connection.send(fault)
    for cell in models:
        for fault in _in_model(cell, readers, spread):
            connection.send(fault)
    for cell in prompts:
        splits, reader = loaded.get(cell.dataset.model_dump_json()), readers.get(cell.model.model_dump_json())
        if splits and reader:
            for fault in _in_prompt(cell, splits, *reader):
                connection.send(fault)
    for recipe in recipes:
        for fault in _in_recipe(recipe):
            connection.send(fault)
    connection.send(None)


def _in_data(cell: Cell, loaded: dict[str, Splits]) -> Iterator[str]:
    """Faults of a data set, which is added to those that are `loaded`, and of metrics for it."""
    source = cell.dataset.from_hub()
    scored: Sequence[Example] = ()
    if source is None or cached(*source) is not None:
        try:
            splits = cell.dataset.load()
            require_disjoint(splits)
            if cell.needs_tune:
                require_tune(splits)
        except InputError as error:
            yield str(error)
        else:
            scored = splits.parts()[cell.scored_on]
            loaded[cell.dataset.model_dump_json()] = splits
    for metric in cell.scored_by:
        try:
            metric.check(scored)
        except InputError as error:
            yield str(error)


def _in_model(cell: Cell, readers: dict[str, Reader], spread: Sequence[Model]) -> Iterator[str]:
    """Faults of the model, of its tokenizer, of the method for the model, and of the lengths, if it is at hand.

    What reads for a model without fault is added to `readers`.
    """
    model = cell.model
    try:
        folder = model_folder(model)
        if folder is not None:
            require_checkpoint(model, folder)
        elif model.architecture is None:
            return
        base = skeleton(model, folder)
        if model in spread:
            require_spreadable(model, base)
        if (source := tokenizer_folder(model, folder)) is not None:
            tokenizer = load_tokenizer(source, trust_remote_code=model.trust_remote_code)
            require_vocabulary(model, base, tokenizer)
            length = context_length(base.config, tokenizer)
            context.room(cell, length)
            cell.prompt.ending(tokenizer)
            readers[model.model_dump_json()] = tokenizer, length
    except InputError as error:
        yield str(error)
        return
    try:
        cell.method.prepare(base)
    except InputError as error:
        yield f"{error} (model {model.name}, method {cell.method.name})"
    except RuntimeError:
        # Some initialisations compute with the weights, which a skeleton lacks: the cell itself will tell.
        return


def _in_prompt(
    cell: Cell, splits: Splits, tokenizer: PreTrainedTokenizerBase, context_length: int | None
) -> Iterator[str]:
    """Faults that show when a few examples become tokens, as the cell will do with all of them."""
    try:
        room = Room(context.room(cell, context_length), answer=0)
        shown = cell.method.demonstrations(splits.train, cell.seed)
        encode(_few(splits.train), cell.prompt, tokenizer, room)
        room = room._replace(answer=cell.generation.max_new_tokens)
        asked, _ = encode(_few(splits.parts()[cell.scored_on]), cell.prompt, tokenizer, room, shown)
        longest = max((len(item.prompt_ids) for item in asked), default=0)
        context.require_room_for_latency(cell, context_length, longest)
    except InputError as error:
        yield str(error)


def _few(examples: Sequence[Example]) -> list[Example]:
    """Examples from all over a split, and the longest conversation."""
    longest = max(examples, key=lambda example: len(example.messages), default=None)
    return [*evenly(examples, FEW), *filter(None, [longest])]


def _in_recipe(recipe: Recipe) -> Iterator[str]:
    try:
        require_optimizer(recipe, device())
    except InputError as error:
        yield str(error)
