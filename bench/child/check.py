"""Checks the data sets, metrics, models, methods, lengths and recipes of a sweep before its first cell starts."""

from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection

from bench import context
from bench.cell import Cell
from bench.checkpoint import model_folder, require_checkpoint, tokenizer_folder
from bench.child.load import device, require_vocabulary, skeleton
from bench.child.trainer_arguments import require_optimizer
from bench.dataset import Dataset
from bench.dataset.hub_data import cached
from bench.dataset.overlap import require_disjoint
from bench.errors import InputError
from bench.example import Example
from bench.metric import Metric
from bench.recipe import Recipe
from bench.tokenizer import context_length, load_tokenizer


def main(
    scored: Sequence[tuple[Dataset, Sequence[Metric]]],
    cells: Sequence[Cell],
    recipes: Sequence[Recipe],
    connection: Connection,
) -> None:
    """Send one sentence for each fault over `connection`, then None. What must be downloaded is not checked."""
    for dataset, metrics in scored:
        for fault in _in_data(dataset, metrics):
            connection.send(fault)
    for cell in cells:
        for fault in _in_model(cell):
            connection.send(fault)
    for recipe in recipes:
        for fault in _in_recipe(recipe):
            connection.send(fault)
    connection.send(None)


def _in_data(dataset: Dataset, metrics: Sequence[Metric]) -> Iterator[str]:
    source = dataset.from_hub()
    validation: Sequence[Example] = ()
    if source is None or cached(*source) is not None:
        try:
            splits = dataset.load()
            require_disjoint(splits)
        except InputError as error:
            yield str(error)
        else:
            validation = splits.validation
    for metric in metrics:
        try:
            metric.check(validation)
        except InputError as error:
            yield str(error)


def _in_model(cell: Cell) -> Iterator[str]:
    """Faults of the model, of its tokenizer, of the method for the model, and of the lengths, if it is at hand."""
    model = cell.model
    try:
        folder = model_folder(model)
        if folder is not None:
            require_checkpoint(model, folder)
        elif model.architecture is None:
            return
        base = skeleton(model, folder)
        if (source := tokenizer_folder(model, folder)) is not None:
            tokenizer = load_tokenizer(source, trust_remote_code=model.trust_remote_code)
            require_vocabulary(model, base, tokenizer)
            context.room(cell, context_length(base.config, tokenizer))
            cell.prompt.ending(tokenizer)
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


def _in_recipe(recipe: Recipe) -> Iterator[str]:
    try:
        require_optimizer(recipe, device())
    except InputError as error:
        yield str(error)
