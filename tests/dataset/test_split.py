import random

import pytest

from bench.dataset.overlap import require_disjoint
from bench.dataset.split import hold_out
from bench.errors import InputError
from bench.example import Example


def document(number: int, question: str) -> Example:
    return Example(id=f"{number}-{question}", cluster=f"doc{number:04}", question=question, references=("x",))


LIBRARY = [document(number, f"What is {part} of {number}?") for number in range(1000) for part in "ab"]


def test_the_share_held_out_is_near_the_fraction_and_documents_stay_whole() -> None:
    splits = hold_out(LIBRARY, 0.1, 0)
    require_disjoint(splits)
    assert len(splits.train) + len(splits.validation) == 2000
    assert 140 <= len(splits.validation) <= 260  # 200 expected; three standard deviations are 57


def test_what_was_held_out_says_how() -> None:
    assert hold_out(LIBRARY, 0.05, 3).origin == "5 % of the documents held out of training (dataset.split_seed=3)"


def test_holding_out_keeps_the_order() -> None:
    splits = hold_out(LIBRARY, 0.1, 0)
    place = {example.id: number for number, example in enumerate(LIBRARY)}
    for split in (splits.train, splits.validation):
        assert [place[example.id] for example in split] == sorted(place[example.id] for example in split)


def test_held_out_documents_stay_where_they_are_when_others_come_or_the_order_changes() -> None:
    shuffled = random.Random(0).sample(LIBRARY, k=len(LIBRARY))
    few, many = hold_out(shuffled[:800], 0.1, 0), hold_out(LIBRARY, 0.1, 0)
    assert {example.id for example in few.validation} == {
        example.id for example in many.validation if example in shuffled[:800]
    }


def test_held_out_documents_are_others_for_another_seed() -> None:
    held = [{example.cluster for example in hold_out(LIBRARY, 0.1, seed).validation} for seed in (0, 1)]
    assert len(held[0] & held[1]) < 0.3 * min(map(len, held))  # a tenth expected


def test_a_larger_fraction_adds_documents_and_takes_none_back() -> None:
    held = [{example.cluster for example in hold_out(LIBRARY, fraction, 0).validation} for fraction in (0.1, 0.2)]
    assert held[0] < held[1]


def test_documents_that_share_a_text_go_to_the_same_side() -> None:
    chained = [*LIBRARY, *(document(number, f"What is a of {(number + 10) % 1000}?") for number in range(1000))]
    groups = {number % 10 for number in range(1000)}
    splits = hold_out(chained, 0.3, 1)
    require_disjoint(splits)
    held = {int(example.cluster.removeprefix("doc")) for example in splits.validation}
    assert held == {number for number in range(1000) if number % 10 in {held_one % 10 for held_one in held}}
    assert 0 < len({number % 10 for number in held}) < len(groups)


def test_too_few_documents_to_hold_any_out() -> None:
    expected = "change dataset.validation_fraction or dataset.split_seed, or name a file: dataset.validation=PATH"
    for fraction, side in ((1e-9, "validation"), (1 - 1e-9, "training")):
        with pytest.raises(InputError) as caught:
            hold_out(LIBRARY[:4], fraction, 0)
        assert str(caught.value) == f"holding out {fraction} of 2 documents leaves {side} empty; {expected}"
