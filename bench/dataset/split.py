"""Which examples are used for what. Documents stay whole, and of each example only two numbers have to be kept."""

import hashlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.dataset.overlap import text
from bench.errors import InputError
from bench.example import OWN_SPLITS, Example, SplitName, Splits

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


class Fractions(NamedTuple):
    """The shares of the documents of one source that are held out of training."""

    tune: float
    """0 for no tune split."""
    test: float
    """0 if the test split has a source of its own."""


def hold_out(examples: Sequence[Example], fractions: Fractions, seed: int) -> Splits:
    """The examples in three splits, each in the given order (see `divided`).

    Raises:
        InputError: a split would be empty.
    """
    sides = divided(_hashed(examples, seed), fractions)
    parts = {name: tuple(compress(examples, mask)) for name, mask in sides.items()}
    return Splits(**parts, origin=origin(fractions, seed))


def origin(fractions: Fractions, seed: int) -> str:
    """How splits came about of which some were held out, for display."""
    shares = fractions._asdict().items()
    held = ", ".join(f"{100 * share:g} % for {name}" for name, share in shares if share)
    return f"held out of training by document: {held} (dataset.split_seed={seed})" if held else OWN_SPLITS


def divided(hashed: Hashed, fractions: Fractions) -> dict[SplitName, Mask]:
    """About these shares of the documents for tune and test, at least one document each, and the rest for training:
    whether each example is in the split, shape (n_examples,) each.

    Documents that share a text go to the same side. The side depends only on the seed and on the names of these
    documents, so reordering moves nothing, nor does adding documents that share no text with these (unless a split has
    one document only). What is in test does not depend on the share for tune.

    Raises:
        InputError: too few documents are left for training or tune.
    """
    places = _places(hashed.documents, hashed.texts) / 2.0**64
    rest = np.ones_like(places, dtype=np.bool_)
    test = tune = ~rest
    if fractions.test and len(places):
        test = places <= max(fractions.test, places.min())
        rest = ~test
    if fractions.tune and rest.any():
        tune = rest & (places >= min(1 - fractions.tune, places[rest].max()))
        rest = rest & ~tune
    if len(places) and not rest.any():
        raise InputError(_too_few(np.unique(places).size, fractions))
    return {"train": rest, "tune": tune, "test": test}


def _too_few(n_documents: int, fractions: Fractions) -> str:
    held = [name for name in ("test", "tune") if getattr(fractions, name)]
    settings = " and ".join(f"dataset.{name}_fraction={getattr(fractions, name):g}" for name in held)
    files = " and ".join(f"dataset.{name}=PATH" for name in held)
    without = ", or do without a tune split: dataset.tune_fraction=0" if fractions.tune else ""
    documents = "one document" if n_documents == 1 else f"{n_documents} documents that share no text"
    return (
        f"holding out {' and '.join(held)} of {documents} leaves nothing to train on ({settings}); name files with "
        f"other documents ({files}){without}"
    )


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


def sampled(splits: Splits, limits: Mapping[SplitName, int | None], seed: int) -> Splits:
    """At most so many examples of each split, those of whole documents in random order (see `chosen`), in the given
    order.
    """
    kept: dict[SplitName, tuple[Example, ...]] = {}
    for name, examples in splits.parts().items():
        available = np.ones(len(examples), dtype=np.bool_)
        kept[name] = tuple(compress(examples, chosen(_hashed(examples, seed), available, limits[name])))
    return splits.replaced(kept)


def shared(one: Hashed, others: Iterable[Hashed]) -> Mask:
    """Whether each example of `one` has its document or its text in one of the others, too. Shape (n_examples,)."""
    inside = np.zeros(len(one.documents), dtype=np.bool_)
    for other in others:
        inside |= np.isin(one.documents, other.documents) | np.isin(one.texts, other.texts)
    return inside


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
