"""Data sets of the Hugging Face hub, read at the revision that was asked for."""

from bench.dataset.files import Numbered
from bench.errors import InputError
from bench.hub import hub_answers

_REMEDY = (
    "name local files with dataset.train=PATH dataset.validation=PATH, "
    "or give access to it (network, and for a gated one its terms accepted on its hub page and `hf auth login`)"
)


def read_hub(path: str, revision: str | None) -> dict[str, Numbered]:
    """Split name to the records of the hub's data set `path`, numbered from 1.

    With `HF_HUB_OFFLINE=1` a copy that was downloaded before is read.

    Raises:
        InputError: the hub cannot be reached, or the data set is missing, gated, or at hand at another revision only.
    """
    import datasets
    from huggingface_hub import constants

    if not constants.HF_HUB_OFFLINE and not hub_answers():
        raise InputError(f"{_named(path, revision)} cannot be had from the hub, which does not answer; {_REMEDY}")
    # Whatever goes wrong behind this boundary, the remedy is the same. The network's exceptions cannot be named here:
    # their library has changed between the hub client's versions.
    try:
        builder = datasets.load_dataset_builder(path, revision=revision)
        if revision is None or builder.hash == revision:
            builder.download_and_prepare()
            return {name: list(enumerate(rows.to_list(), start=1)) for name, rows in builder.as_dataset().items()}
    except Exception as error:
        cause = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"{_named(path, revision)} cannot be had from the hub ({cause}); {_REMEDY}") from error
    # The loader falls back to the newest cached copy, whatever its revision, and only logs that it did.
    raise InputError(f"{_named(path, revision)} is not at hand, only revision {builder.hash} is; {_REMEDY}")


def _named(path: str, revision: str | None) -> str:
    return path if revision is None else f"{path} at revision {revision}"
