"""Checks that the splits are disjoint: a model that has seen the exam scores well with any method."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from operator import attrgetter

from bench.errors import InputError
from bench.example import SPLIT_WORDS, Example, Splits
from bench.record_sections import Overlap

METHOD = (
    "cluster ids and texts that occur in two splits; an example's text is its context, or without one its "
    "conversation up to the answer, or its question, after Unicode NFKC, case folding and collapsing of white space"
)


def require_disjoint(splits: Splits) -> Overlap:
    """How many documents and texts the splits share, and how that was checked, for the record: none.

    Raises:
        InputError: training or test is empty, a split has an id twice, or two splits share a cluster or a text.
    """
    require_examples(splits)
    for split, examples in splits.parts().items():
        repeated = [id for id, count in Counter(example.id for example in examples).items() if count > 1]
        if repeated:
            raise InputError(
                f"the {SPLIT_WORDS[split]} split has duplicate ids ({_quoted(repeated)}); each example needs its own"
            )
    for kind, value in (("documents", attrgetter("cluster")), ("texts", text)):
        for one, other in combinations(splits.parts(), 2):
            known = set(map(value, splits.parts()[one]))
            items = dict.fromkeys(map(value, splits.parts()[other]))
            if shared := [item for item in items if item in known]:
                raise InputError(
                    f"{other} shares {len(shared)} of its {len(items)} {kind} with {SPLIT_WORDS[one]} "
                    f"({_quoted(shared)}); remove them from one of the two and name the files with "
                    f"dataset.{one}=PATH dataset.{other}=PATH; for tables, dataset.quality.overlap=drop leaves them out"
                )
    return Overlap(method=METHOD, n_shared_clusters=0, n_shared_texts=0)


def require_examples(splits: Splits) -> None:
    """Check that there is something to train on and to score.

    Raises:
        InputError: the training or the test split is empty.
    """
    for name, examples in (("training", splits.train), ("test", splits.test)):
        if not examples:
            steps = ", ".join(f"{step.n_dropped:,} for {step.name}" for step in splits.steps)
            why = f" (left out of the data: {steps})" if steps else ""
            raise InputError(f"the {name} split is empty; it needs at least one example{why}")


def require_tune(splits: Splits) -> None:
    """Check that there is something to choose by.

    Raises:
        InputError: the tune split is empty.
    """
    if not splits.tune:
        raise InputError(
            "the tune split is empty, but scored_on=tune and train.best_checkpoint=true choose by it; name a file with "
            "dataset.tune=PATH, or hold some of the training documents out for it (dataset.tune_fraction=0.1; the "
            "reports of dataset=events have dataset.tune_documents=100 instead)"
        )


def text(example: Example) -> str:
    """What must not occur in two splits: the normalised context, conversation or question (see `METHOD`)."""
    conversation = "\n".join(message.content for message in example.messages)
    return normalised(example.context) or normalised(conversation) or normalised(example.question)


def normalised(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _quoted(values: Sequence[str]) -> str:
    shown = [repr(value if len(value) <= 60 else f"{value[:57]}...") for value in values[:3]]
    return ", ".join(shown) + (", ..." if len(values) > len(shown) else "")
