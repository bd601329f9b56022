"""Which examples are used for what. Documents stay whole, and of each example only two numbers have to be kept."""

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from bench.dataset.overlap import text
from bench.errors import InputError
from bench.example import Example, Splits

Hashes = NDArray[np.uint64]
Mask = NDArray[np.bool_]


class Hashed:
    """The documents and texts of examples as hashes of 64 bits, so that many more examples than fit into memory can be
    divided. A document's hash is also its place in a random order, and another seed gives another order.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._documents = array("Q")
        self._texts = array("Q")

    def add(self, example: Example) -> None:
        self._documents.append(hash_64(f"{self._seed}:{example.cluster}"))
        self._texts.append(hash_64(text(example)))

    @property
    def documents(self) -> Hashes:
        """Shape (n_examples,)."""
        return np.frombuffer(self._documents, dtype=np.uint64)

    @property
    def texts(self) -> Hashes:
        """Shape (n_examples,); `bench.dataset.overlap.text` says what counts as an example's text."""
        return np.frombuffer(self._texts, dtype=np.uint64)


def hash_64(text: str) -> int:
    """A hash of the text, evenly spread over 0 to 2**64 and the same on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def hold_out(examples: Sequence[Example], fraction: float, seed: int) -> Splits:
    """About `fraction` of the documents as validation and the rest as training, each in the given order.

    Raises:
        InputError: a side is empty.
    """
    held = held_out(_hashed(examples, seed), fraction)
    return Splits(
        train=tuple(compress(examples, ~held)),
        validation=tuple(compress(examples, held)),
        origin=origin(fraction, seed),
    )


def origin(fraction: float, seed: int) -> str:
    """How splits came about of which one was held out, for display."""
    return f"{100 * fraction:g} % of the documents held out of training (dataset.split_seed={seed})"


def held_out(hashed: Hashed, fraction: float) -> Mask:
    """Whether each example is held out, shape (n_examples,).

    Documents that share a text go to the same side. The side depends only on the seed and on the names of these
    documents, so reordering moves nothing, nor does adding documents that share no text with these.

    Raises:
        InputError: a side is empty.
    """
    places = _places(hashed.documents, hashed.texts)
    if len(places) and (places == places[0]).all():
        raise InputError(
            "all examples are about one document, which cannot be divided into training and validation; name a file "
            "with other documents: dataset.validation=PATH"
        )
    held: Mask = places / 2.0**64 < fraction
    if held.all() or not held.any():
        raise InputError(
            f"holding out {fraction} of {np.unique(hashed.documents).size} documents leaves "
            f"{'training' if held.any() else 'validation'} empty; change dataset.validation_fraction or "
            "dataset.split_seed, or name a file: dataset.validation=PATH"
        )
    return held


def chosen(hashed: Hashed, available: Mask, limit: int | None) -> Mask:
    """Which of the available examples are used if there may be `limit` at most: those of whole documents, which follow
    in random order. The last one is cut, so that there are as many as may be.

    The same seed chooses the same documents, and a higher limit adds to them.
    """
    if limit is None or np.count_nonzero(available) <= limit:
        return available
    documents = hashed.documents
    last = np.partition(documents[available], limit - 1)[limit - 1]
    used = available & (documents < last)
    cut = np.flatnonzero(available & (documents == last))
    used[cut[: limit - np.count_nonzero(used)]] = True
    return used


def sampled(examples: Sequence[Example], limit: int | None, seed: int) -> tuple[Example, ...]:
    """At most `limit` examples, those of whole documents in random order (see `chosen`), in the given order."""
    hashed = _hashed(examples, seed)
    return tuple(compress(examples, chosen(hashed, np.ones(len(examples), dtype=np.bool_), limit)))


def shared(train: Hashed, validation: Hashed) -> Mask:
    """Whether each training example has its document or its text in validation, too."""
    return np.isin(train.documents, validation.documents) | np.isin(train.texts, validation.texts)


def _hashed(examples: Iterable[Example], seed: int) -> Hashed:
    hashed = Hashed(seed)
    for example in examples:
        hashed.add(example)
    return hashed


def _places(documents: Hashes, texts: Hashes) -> Hashes:
    """Each example's place between 0 and 2**64, at which it is decided where it goes: that of its document, or of one
    of the documents that shared texts link to it.
    """
    groups = _groups(_links(documents, texts))
    if not groups:
        return documents
    linked = np.array(sorted(groups), dtype=np.uint64)
    first = np.array([groups[document] for document in sorted(groups)], dtype=np.uint64)
    at = np.minimum(np.searchsorted(linked, documents), len(linked) - 1)
    return np.where(linked[at] == documents, first[at], documents)


def _links(documents: Hashes, texts: Hashes) -> Iterable[tuple[int, int]]:
    """Pairs of documents that share a text; every two that share one are linked, directly or through others."""
    order = np.argsort(texts, kind="stable")
    by_text, documents = texts[order], documents[order]
    same = (by_text[1:] == by_text[:-1]) & (documents[1:] != documents[:-1])
    return set(zip(documents[:-1][same].tolist(), documents[1:][same].tolist(), strict=True))


def _groups(links: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Maps each linked document to the one that decides for its group.

    That is the one whose last bits are lowest: the first bits say where it goes, so the choice favours no side.
    """
    parent: dict[int, int] = {}

    def root(document: int) -> int:
        parent.setdefault(document, document)
        while parent[document] != document:
            parent[document] = document = parent[parent[document]]
        return document

    for link in links:
        first, second = sorted(map(root, link), key=lambda document: (document % 2**32, document))
        parent[second] = first
    return {document: root(document) for document in [*parent]}
