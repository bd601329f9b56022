import random

import pytest

from bench.dataset.overlap import require_disjoint
from bench.dataset.split import Fractions, hold_out
from bench.errors import InputError
from bench.example import Example, Splits


def document(number: int, question: str) -> Example:
    return Example(id=f"{number}-{question}", cluster=f"doc{number:04}", question=question, references=("x",))


LIBRARY = [document(number, f"What is {part} of {number}?") for number in range(1000) for part in "ab"]


def held(examples: list[Example], test: float = 0.1, tune: float = 0.1, seed: int = 0) -> Splits:
    return hold_out(examples, Fractions(tune=tune, test=test), seed)


def clusters(examples: tuple[Example, ...]) -> set[str]:
    return {example.cluster for example in examples}


def test_the_shares_held_out_are_near_the_fractions_and_documents_stay_whole() -> None:
    splits = held(LIBRARY, test=0.1, tune=0.2)
    require_disjoint(splits)
    assert len(splits.train) + len(splits.tune) + len(splits.test) == 2000
    assert 140 <= len(splits.test) <= 260  # 200 expected; three standard deviations are 57
    assert 324 <= len(splits.tune) <= 476  # 400 expected; three standard deviations are 76


def test_what_was_held_out_says_how() -> None:
    how = "held out of training by document: 10 % for tune, 5 % for test (dataset.split_seed=3)"
    assert held(LIBRARY, test=0.05, seed=3).origin == how
    assert held(LIBRARY, test=0).origin == "held out of training by document: 10 % for tune (dataset.split_seed=0)"
    assert held(LIBRARY, test=0, tune=0).origin == "the source's own splits"


def test_holding_out_keeps_the_order() -> None:
    splits = held(LIBRARY)
    place = {example.id: number for number, example in enumerate(LIBRARY)}
    for split in splits.parts().values():
        assert [place[example.id] for example in split] == sorted(place[example.id] for example in split)


def test_held_out_documents_stay_where_they_are_when_others_come_or_the_order_changes() -> None:
    shuffled = random.Random(0).sample(LIBRARY, k=len(LIBRARY))
    few, many = held(shuffled[:800]).parts(), held(LIBRARY).parts()
    for split in few:
        assert set(few[split]) == {example for example in many[split] if example in shuffled[:800]}


def test_held_out_documents_are_others_for_another_seed() -> None:
    first, second = (held(LIBRARY, seed=seed).parts() for seed in (0, 1))
    for split in ("tune", "test"):
        both = clusters(first[split]) & clusters(second[split])
        assert len(both) < 0.3 * min(len(clusters(first[split])), len(clusters(second[split])))  # a tenth expected


def test_a_larger_fraction_adds_documents_and_takes_none_back() -> None:
    small, large = held(LIBRARY), held(LIBRARY, test=0.2, tune=0.3)
    assert clusters(small.test) < clusters(large.test)
    assert clusters(small.tune) < clusters(large.tune)


def test_what_is_reported_on_does_not_depend_on_what_is_chosen_by() -> None:
    assert held(LIBRARY, tune=0).test == held(LIBRARY, tune=0.1).test == held(LIBRARY, tune=0.8).test


def test_documents_that_share_a_text_go_to_the_same_side() -> None:
    chained = [*LIBRARY, *(document(number, f"What is a of {(number + 10) % 1000}?") for number in range(1000))]
    splits = held(chained, test=0.3, tune=0.3, seed=1)
    require_disjoint(splits)
    for split in splits.parts().values():
        numbers = {int(cluster.removeprefix("doc")) for cluster in clusters(split)}
        groups = {number % 10 for number in numbers}
        assert 0 < len(groups) < 10
        assert numbers == {number for number in range(1000) if number % 10 in groups}


def test_each_split_of_a_small_source_has_a_document() -> None:
    splits = held(LIBRARY[:6], test=1e-9, tune=1e-9)
    assert [len(clusters(split)) for split in splits.parts().values()] == [1, 1, 1]


@pytest.mark.parametrize(
    ("n_documents", "test", "tune", "message"),
    [
        (
            2,
            0.1,
            0.1,
            "holding out test and tune of 2 documents that share no text leaves nothing to train on "
            "(dataset.test_fraction=0.1 and dataset.tune_fraction=0.1); name files with other documents "
            "(dataset.test=PATH and dataset.tune=PATH), or do without a tune split: dataset.tune_fraction=0",
        ),
        (
            1,
            0,
            0.1,
            "holding out tune of one document leaves nothing to train on (dataset.tune_fraction=0.1); name files with "
            "other documents (dataset.tune=PATH), or do without a tune split: dataset.tune_fraction=0",
        ),
        (
            1,
            0.2,
            0,
            "holding out test of one document leaves nothing to train on (dataset.test_fraction=0.2); name files with "
            "other documents (dataset.test=PATH)",
        ),
    ],
)
def test_too_few_documents_to_hold_any_out(n_documents: int, test: float, tune: float, message: str) -> None:
    with pytest.raises(InputError) as caught:
        held(LIBRARY[: 2 * n_documents], test=test, tune=tune)
    assert str(caught.value) == message


def test_nothing_can_be_held_out_of_nothing() -> None:
    assert held([]).parts() == {"train": (), "tune": (), "test": ()}
