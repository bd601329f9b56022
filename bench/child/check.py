"""Checks the data sets, models, methods and recipes of a sweep before its first cell starts."""

from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection

from bench.child.load import device, require_safetensors, skeleton
from bench.child.trainer_arguments import require_optimizer
from bench.dataset import Dataset
from bench.dataset.hub_data import cached
from bench.dataset.overlap import require_disjoint
from bench.errors import InputError
from bench.hub import cached_snapshot
from bench.method import Method
from bench.model import Model, checkpoint_folder
from bench.recipe import Recipe


def main(
    datasets: Sequence[Dataset],
    pairs: Sequence[tuple[Model, Method]],
    recipes: Sequence[Recipe],
    connection: Connection,
) -> None:
    """Send one sentence for each fault over `connection`, then None. What must be downloaded is not checked."""
    for dataset in datasets:
        for fault in _in_data(dataset):
            connection.send(fault)
    for model, method in pairs:
        for fault in _in_model(model, method):
            connection.send(fault)
    for recipe in recipes:
        for fault in _in_recipe(recipe):
            connection.send(fault)
    connection.send(None)


def _in_data(dataset: Dataset) -> Iterator[str]:
    source = dataset.from_hub()
    if source is not None and cached(*source) is None:
        return
    try:
        require_disjoint(dataset.load())
    except InputError as error:
        yield str(error)


def _in_model(model: Model, method: Method) -> Iterator[str]:
    folder = None
    try:
        if model.weights == "pretrained":
            folder = checkpoint_folder(model.path) or cached_snapshot(model.path, model.revision, model.files)
            if folder is not None:
                require_safetensors(model, folder)
            elif model.architecture is None:
                return
        base = skeleton(model, folder)
    except InputError as error:
        yield str(error)
        return
    try:
        method.prepare(base)
    except InputError as error:
        yield f"{error} (model {model.name}, method {method.name})"


def _in_recipe(recipe: Recipe) -> Iterator[str]:
    try:
        require_optimizer(recipe, device())
    except InputError as error:
        yield str(error)
