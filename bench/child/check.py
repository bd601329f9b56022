"""Checks the data sets, models and methods of a sweep before its first cell starts."""

from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection

from bench.child.load import require_safetensors, skeleton
from bench.dataset import Dataset
from bench.dataset.hub_data import cached
from bench.dataset.overlap import require_disjoint
from bench.errors import InputError
from bench.hub import cached_snapshot
from bench.method import Method
from bench.model import Model, checkpoint_folder


def main(datasets: Sequence[Dataset], pairs: Sequence[tuple[Model, Method]], connection: Connection) -> None:
    """Send one sentence for each fault over `connection`, then None. What must be downloaded is not checked."""
    for dataset in datasets:
        for fault in _in_data(dataset):
            connection.send(fault)
    for model, method in pairs:
        for fault in _in_model(model, method):
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
