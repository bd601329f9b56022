import pytest

from bench.dataset.overlap import METHOD, require_disjoint, require_tune
from bench.errors import InputError
from bench.example import Example, Message, Splits
from bench.record_sections import Overlap


def example(id: str, cluster: str, question: str = "Who?", context: str = "") -> Example:
    return Example(id=id, cluster=cluster, question=question, context=context, references=("x",))


def splits(train: list[Example], test: list[Example]) -> Splits:
    return Splits(train=tuple(train), test=tuple(test))


def refusal(train: list[Example], test: list[Example]) -> str:
    with pytest.raises(InputError) as caught:
        require_disjoint(splits(train, test))
    return str(caught.value)


TRAIN = [example("1", "A", context="The Cat  sat."), example("2", "B", question="Why is it?"), example("3", "C")]


def test_disjoint_splits_pass_with_two_zeros() -> None:
    apart = splits(TRAIN, [example("1", "D", context="A dog."), example("4", "E", question="Why?")])
    assert require_disjoint(apart) == Overlap(method=METHOD, n_shared_clusters=0, n_shared_texts=0)


def test_counts_are_of_distinct_clusters_and_texts() -> None:
    test = [
        example("5", "A", question="New?", context="New."),
        example("6", "A", question="Newer?", context="Newer."),
        example("7", "D", question="Other?", context="the\ncat sat."),  # NFKC and case: the text of 1
        example("8", "E", question="Another?", context="\uff34he cat sat."),  # the same text, T in full width
        example("9", "F", question="WHY is it?"),
    ]
    remedy = (
        "remove them from one of the two and name the files with dataset.train=PATH dataset.test=PATH; "
        "for tables, dataset.quality.overlap=drop leaves them out"
    )
    assert refusal(TRAIN, test) == f"test shares 1 of its 4 documents with training ('A'); {remedy}"
    assert refusal(TRAIN, test[2:]) == (
        f"test shares 2 of its 2 texts with training ('the cat sat.', 'why is it?'); {remedy}"
    )


def test_tune_is_apart_from_training_and_from_test() -> None:
    apart = Splits(train=TRAIN, tune=[example("8", "F", question="Which?")], test=[example("4", "E", question="Why?")])
    assert require_disjoint(apart).n_shared_clusters == 0
    for tune, sentence in (
        (example("8", "B", question="Which?"), "tune shares 1 of its 1 documents with training ('B'); "),
        (example("8", "E", question="Which?"), "test shares 1 of its 1 documents with tune ('E'); "),
        (example("8", "F", question="Why?"), "test shares 1 of its 1 texts with tune ('why?'); "),
    ):
        with pytest.raises(InputError) as caught:
            require_disjoint(apart.replaced({"tune": (tune,)}))
        assert str(caught.value).startswith(sentence)


def test_what_chooses_needs_a_tune_split() -> None:
    splits = Splits(train=TRAIN, test=[example("4", "E", question="Why?")])
    with pytest.raises(InputError) as caught:
        require_tune(splits)
    assert str(caught.value) == (
        "the tune split is empty, but scored_on=tune and train.best_checkpoint=true choose by it; name a file with "
        "dataset.tune=PATH, or hold some of the training documents out for it (dataset.tune_fraction=0.1; the "
        "reports of dataset=events have dataset.tune_documents=100 instead)"
    )
    require_tune(splits.replaced({"tune": splits.test}))


def test_same_question_about_another_text_is_not_shared() -> None:
    test = [example("5", "D", question="Why is it?", context="Because.")]
    assert require_disjoint(splits(TRAIN, test)).n_shared_texts == 0


def test_conversations_that_end_in_the_same_question_differ() -> None:
    def conversation(id: str, beginning: str) -> Example:
        messages = (Message(role="user", content=beginning), Message(role="user", content="Why?"))
        return example(id, id, question="Why?").model_copy(update={"messages": messages})

    train = [conversation("1", "A ship left."), example("2", "B", question="Why?")]
    assert require_disjoint(splits(train, [conversation("3", "It rained.")])).n_shared_texts == 0
    assert refusal(train, [conversation("3", "a  SHIP left.")]).startswith(
        "test shares 1 of its 1 texts with training ('a ship left. why?')"
    )


def test_shared_document_is_refused_by_name() -> None:
    assert refusal(TRAIN, [example("5", "C", question="New?"), example("6", "D", question="Newer?")]) == (
        "test shares 1 of its 2 documents with training ('C'); "
        "remove them from one of the two and name the files with dataset.train=PATH dataset.test=PATH; "
        "for tables, dataset.quality.overlap=drop leaves them out"
    )


def test_many_shared_documents_are_counted_and_three_named() -> None:
    train = [example(str(number), f"doc{number}") for number in range(5)]
    assert refusal(train, train[1:]) == (
        "test shares 4 of its 4 documents with training ('doc1', 'doc2', 'doc3', ...); "
        "remove them from one of the two and name the files with dataset.train=PATH dataset.test=PATH; "
        "for tables, dataset.quality.overlap=drop leaves them out"
    )


def test_shared_text_under_another_cluster_is_refused_and_shown_in_part() -> None:
    text = "A long sentence that goes on and on until it is more than sixty characters."
    assert refusal([example("1", "A", context=text)], [example("2", "B", context=text.upper())]) == (
        "test shares 1 of its 1 texts with training "
        "('a long sentence that goes on and on until it is more than...'); "
        "remove them from one of the two and name the files with dataset.train=PATH dataset.test=PATH; "
        "for tables, dataset.quality.overlap=drop leaves them out"
    )


def test_repeated_ids_are_refused() -> None:
    assert refusal([*TRAIN, TRAIN[0]], [example("5", "D")]) == (
        "the training split has duplicate ids ('1'); each example needs its own"
    )


def test_empty_splits_are_refused() -> None:
    assert refusal([], TRAIN) == "the training split is empty; it needs at least one example"
    assert refusal(TRAIN, []) == "the test split is empty; it needs at least one example"
