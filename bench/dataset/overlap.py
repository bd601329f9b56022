"""Checks that training and validation are disjoint: a model that has seen the exam scores well with any method."""

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable

from bench.errors import InputError
from bench.example import Example, Splits
from bench.record import Overlap

METHOD = (
    "cluster ids and texts that occur in both splits; an example's text is its context, or its question if it has no "
    "context, after Unicode NFKC, case folding and collapsing of white space"
)


def check(splits: Splits) -> Overlap:
    """Counts the distinct clusters and the distinct texts of validation that also occur in training."""
    return Overlap(
        method=METHOD,
        n_shared_clusters=len(_shared_clusters(splits)),
        n_shared_texts=len(_shared_texts(splits)),
    )


def require_disjoint(splits: Splits) -> Overlap:
    """The result of `check`, whose counts are both 0.

    Raises:
        InputError: a split is empty or has an id twice, or the splits share a cluster or a text.
    """
    for name, examples in (("training", splits.train), ("validation", splits.validation)):
        if not examples:
            raise InputError(f"the {name} split is empty; it needs at least one example")
        repeated = [id for id, count in Counter(example.id for example in examples).items() if count > 1]
        if repeated:
            raise InputError(f"the {name} split has duplicate ids ({_quoted(repeated)}); each example needs its own")
    _refuse(_shared_clusters(splits), len({example.cluster for example in splits.validation}), "documents")
    _refuse(_shared_texts(splits), len({text(example) for example in splits.validation}), "texts")
    return check(splits)


def text(example: Example) -> str:
    """What must not occur in both splits: the normalised context, or the question if there is none (see `METHOD`)."""
    return normalised(example.context) or normalised(example.question)


def normalised(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _shared_clusters(splits: Splits) -> list[str]:
    seen = {example.cluster for example in splits.train}
    return _distinct(example.cluster for example in splits.validation if example.cluster in seen)


def _shared_texts(splits: Splits) -> list[str]:
    seen = {text(example) for example in splits.train}
    return _distinct(shared for shared in map(text, splits.validation) if shared in seen)


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _refuse(shared: Collection[str], n_validation: int, kind: str) -> None:
    if shared:
        raise InputError(
            f"validation shares {len(shared)} of its {n_validation} {kind} with training ({_quoted(shared)}); "
            "remove them from one of the two and name the files with dataset.train=PATH dataset.validation=PATH"
        )


def _quoted(values: Collection[str]) -> str:
    shown = [repr(value if len(value) <= 60 else f"{value[:57]}...") for value in list(values)[:3]]
    return ", ".join(shown) + (", ..." if len(values) > len(shown) else "")
