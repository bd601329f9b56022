"""Holds a validation split out of training, where a source has none."""

import hashlib
from collections.abc import Sequence

from bench.dataset.overlap import text
from bench.errors import InputError
from bench.example import Example, Splits


def hold_out(examples: Sequence[Example], fraction: float, seed: int) -> Splits:
    """About `fraction` of the documents as validation and the rest as training, each in the given order.

    Documents that share a text (`bench.dataset.overlap.text`) go to the same side. The side depends only on `seed` and
    on the first of their names, so reordering moves nothing, nor does adding documents that share no text with these.

    Raises:
        InputError: a side is empty.
    """
    groups = _groups(examples)
    if len(set(groups.values())) == 1:
        raise InputError(
            "all examples are about one document, which cannot be divided into training and validation; name a file "
            "with other documents: dataset.validation=PATH"
        )
    validation = {cluster for cluster, group in groups.items() if _unit_interval(f"{seed}:{group}") < fraction}
    splits = Splits(
        train=tuple(example for example in examples if example.cluster not in validation),
        validation=tuple(example for example in examples if example.cluster in validation),
        origin=f"{100 * fraction:g} % of the documents held out of training (dataset.split_seed={seed})",
    )
    if not splits.train or not splits.validation:
        raise InputError(
            f"holding out {fraction} of {len(groups)} documents leaves {'training' if validation else 'validation'} "
            "empty; change dataset.validation_fraction or dataset.split_seed, or name a file: dataset.validation=PATH"
        )
    return splits


def _groups(examples: Sequence[Example]) -> dict[str, str]:
    """Maps each cluster to the first name among all clusters that shared texts link it to."""
    parent = {example.cluster: example.cluster for example in examples}

    def root(cluster: str) -> str:
        while parent[cluster] != cluster:
            parent[cluster] = cluster = parent[parent[cluster]]
        return cluster

    first_with_text: dict[str, str] = {}
    for example in examples:
        own = root(example.cluster)
        other = root(first_with_text.setdefault(text(example), example.cluster))
        parent[max(own, other)] = min(own, other)
    return {cluster: root(cluster) for cluster in parent}


def _unit_interval(text: str) -> float:
    """A hash of the text, evenly spread over [0, 1) and the same on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
