"""Checks that training and validation are disjoint: a model that has seen the exam scores well with any method."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from operator import attrgetter

from bench.errors import InputError
from bench.example import Example, Splits
from bench.record import Overlap

METHOD = (
    "cluster ids and texts that occur in both splits; an example's text is its context, or without one its "
    "conversation up to the answer, or its question, after Unicode NFKC, case folding and collapsing of white space"
)


def require_disjoint(splits: Splits) -> Overlap:
    """How many documents and texts the splits share, and how that was checked, for the record: none.

    Raises:
        InputError: a split is empty or has an id twice, or the splits share a cluster or a text.
    """
    require_examples(splits)
    for name, examples in (("training", splits.train), ("validation", splits.validation)):
        repeated = [id for id, count in Counter(example.id for example in examples).items() if count > 1]
        if repeated:
            raise InputError(f"the {name} split has duplicate ids ({_quoted(repeated)}); each example needs its own")
    for kind, value in (("documents", attrgetter("cluster")), ("texts", text)):
        trained = set(map(value, splits.train))
        validated = dict.fromkeys(map(value, splits.validation))
        if shared := [item for item in validated if item in trained]:
            raise InputError(
                f"validation shares {len(shared)} of its {len(validated)} {kind} with training ({_quoted(shared)}); "
                "remove them from one of the two and name the files with dataset.train=PATH dataset.validation=PATH"
            )
    return Overlap(method=METHOD, n_shared_clusters=0, n_shared_texts=0)


def require_examples(splits: Splits) -> None:
    """Check that there is something to train on and to score.

    Raises:
        InputError: a split is empty.
    """
    for name, examples in (("training", splits.train), ("validation", splits.validation)):
        if not examples:
            steps = ", ".join(f"{step.n_dropped:,} for {step.name}" for step in splits.steps)
            why = f" (left out of the data: {steps})" if steps else ""
            raise InputError(f"the {name} split is empty; it needs at least one example{why}")


def text(example: Example) -> str:
    """What must not occur in both splits: the normalised context, conversation or question (see `METHOD`)."""
    conversation = "\n".join(message.content for message in example.messages)
    return normalised(example.context) or normalised(conversation) or normalised(example.question)


def normalised(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _quoted(values: Sequence[str]) -> str:
    shown = [repr(value if len(value) <= 60 else f"{value[:57]}...") for value in values[:3]]
    return ", ".join(shown) + (", ..." if len(values) > len(shown) else "")
