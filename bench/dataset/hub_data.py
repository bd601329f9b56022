"""Data sets of the Hugging Face hub, each read at the revision that was asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from bench.dataset.files import Numbered
from bench.errors import InputError, first_line
from bench.hub import hub_answers

if TYPE_CHECKING:
    import datasets

_REMEDY = (
    "name local files with dataset.train=PATH dataset.test=PATH, "
    "or give access to it (network, and for a gated one its terms accepted on its hub page and `hf auth login`)"
)


def _commit(revision: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ValueError(f"must be a commit of the hub (40 hexadecimal digits) or null, got {revision!r}")
    return revision


Commit = Annotated[str, AfterValidator(_commit)]
"""A commit on the hub: the only revision that can be told apart in the cache."""


Rows = Callable[[], Numbered]
"""Gives the records of a split from the first one on, numbered from 1, each time it is called. They stay on disk."""
_BATCH = 100
"""Rows that become records at once."""


def read_hub_data(path: str, revision: str | None, config: str | None = None) -> dict[str, Rows]:
    """The records of each split of the hub's data set `path`, in its configuration `config` (None for its only one).

    A commit that was downloaded before is read from the cache, without asking the hub. In the hub's offline mode
    (`HF_HUB_OFFLINE=1`), the newest cached copy is read if `revision` is None.

    Raises:
        InputError: the hub cannot be reached, or the data set is missing, gated, cached at another revision only, or
            has no such configuration.
    """
    import datasets
    from datasets.packaged_modules.cache.cache import Cache
    from huggingface_hub import constants

    name = path if revision is None else f"{path} at revision {revision}"
    if (folder := cached(path, revision, config)) is not None:
        config_name, version, hash = folder.parts[-3:]
        dataset_name = path.rpartition("/")[2]
        return _rows(
            Cache(dataset_name=dataset_name, repo_id=path, config_name=config_name, version=version, hash=hash)
        )
    if not constants.HF_HUB_OFFLINE and not hub_answers():
        raise InputError(f"{name} cannot be downloaded: the hub does not answer; {_REMEDY}")
    try:
        builder = datasets.load_dataset_builder(path, config, revision=revision)
        if revision in (None, builder.hash):
            builder.download_and_prepare()
            return _rows(builder)
    except Exception as error:  # The type of a network error depends on the hub client's version.
        if isinstance(error, ValueError) and (wrong := _wrong_configuration(path, revision, config)):
            raise InputError(f"{name} {wrong}") from error
        raise InputError(f"{name} cannot be downloaded from the hub ({first_line(error)}); {_REMEDY}") from error
    # Without a network the loader takes the newest cached copy, whatever its revision is, and only logs that.
    raise InputError(f"{name} is not in the cache, which has revision {builder.hash}; {_REMEDY}")


def cached(path: str, revision: str | None, config: str | None = None) -> Path | None:
    """The folder from which `read_hub_data` reads a commit without asking the hub; None if there is none."""
    if revision is None:
        return None
    prepared = list(_cache(path).glob(f"{config or '*'}/*/{revision}"))
    return prepared[0] if len(prepared) == 1 else None


def _cache(path: str) -> Path:
    """The folder with all cached configurations and revisions of a data set."""
    from datasets import config
    from datasets.naming import camelcase_to_snakecase

    *owner, name = path.split("/")
    return Path(config.HF_DATASETS_CACHE, "___".join([*owner, camelcase_to_snakecase(name)]))


def _wrong_configuration(path: str, revision: str | None, config: str | None) -> str | None:
    """What is wrong with the configuration, None if it is something else."""
    import datasets
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        names = sorted({folder.parts[-3] for folder in _cache(path).glob(f"*/*/{revision or '*'}")})
    else:
        names = sorted(datasets.get_dataset_config_names(path, revision=revision))
    choices = ", ".join(map(repr, names))
    if config is None and len(names) > 1:
        return f"has several configurations; choose one of {choices} with dataset.config"
    if config is not None and names and config not in names:
        return f"has no configuration {config!r}; name one of {choices} with dataset.config"
    return None


def _rows(builder: datasets.DatasetBuilder) -> dict[str, Rows]:
    return {name: partial(_numbered, rows) for name, rows in builder.as_dataset().items()}


def _numbered(rows: datasets.Dataset) -> Numbered:
    batches = rows.with_format("arrow").iter(_BATCH)
    return enumerate((row for batch in batches for row in batch.to_pylist()), start=1)
