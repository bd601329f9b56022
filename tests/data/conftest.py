"""An inspection without a fault, and one of it with changes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench.cell import Cell
from bench.data.composition import Composition
from bench.data.inspection import Inspection, Reading
from bench.data.lengths import Distribution, SplitLengths
from bench.example import Splits

LENGTHS = SplitLengths(
    n_measured=200,
    n_sequences=200,
    n_fewer_shots=0,
    prompt=Distribution(10, 20, 30, 40, 50),
    answer=Distribution(1, 2, 3, 4, 5),
    both=Distribution(11, 22, 33, 44, 55),
    n_shortened=0,
    n_dropped=0,
    n_answers_too_long=0,
)
SPLIT = Composition(
    n_examples=1000,
    n_documents=500,
    largest_document_share=0.01,
    n_copies=0,
    n_conflicting=0,
    n_without_context=0,
    n_without_answer=0,
    labels=(),
    chinese_share=0.0,
)

Changes = dict[str, Any] | None


@pytest.fixture
def inspection(make_cell: Callable[..., Cell]) -> Callable[..., Inspection]:
    """Gives the inspection of a large data set without a fault, with changes such as `test={"n_documents": 1}`;
    `asked` and `trained` change the lengths of the splits, `cell` takes what `make_cell` takes."""

    def changed(
        cell: Changes = None,
        train: Changes = None,
        test: Changes = None,
        reading: Changes = None,
        trained: Changes = None,
        asked: Changes = None,
    ) -> Inspection:
        read = Reading(
            has_chat_template=False,
            prompt_warning=None,
            context_length=1024,
            longest=512,
            splits={"train": replace(LENGTHS, **(trained or {})), "test": replace(LENGTHS, **(asked or {}))},
            prompts=(),
        )
        return Inspection(
            cell=make_cell(cell),
            splits=Splits(train=(), test=()),
            parts={"train": replace(SPLIT, **(train or {})), "test": replace(SPLIT, **(test or {}))},
            reading=replace(read, **(reading or {})),
            refusals=(),
        )

    return changed
