from bench.data.composition import Composition, composition
from bench.example import Example, Message


def example(number: int, question: str, answer: str, cluster: str = "a", context: str = "") -> Example:
    return Example(id=str(number), cluster=cluster, question=question, context=context, references=(answer, "other"))


def test_everything_is_counted() -> None:
    found = composition(
        [
            example(1, "Why?", "So", "a", "A text."),
            example(2, "Why?", "So", "b", "A text."),
            example(3, "Why?", "Not so", "a", "A text."),
            example(4, "谁?", "", "a", " "),
        ]
    )
    assert found == Composition(
        n_examples=4,
        n_documents=2,
        largest_document_share=0.75,
        n_copies=1,
        n_conflicting=1,
        n_without_context=1,
        n_without_answer=1,
        labels=(),
        chinese_share=1 / 19,
    )


def test_conversations_that_differ_earlier_are_not_copies() -> None:
    first, second = (
        example(n, "Why?", "So").model_copy(update={"messages": (Message(role="user", content=f"Who is {n}?"),)})
        for n in (1, 2)
    )
    assert composition([first, second]).n_copies == 0
    assert composition([first, first]).n_copies == 1


def test_few_answers_that_are_given_often_are_labels() -> None:
    answers = ["yes"] * 12 + ["no "] * 8
    assert composition([example(n, f"{n}?", answer) for n, answer in enumerate(answers)]).labels == ("yes", "no")
    assert composition([example(n, f"{n}?", answer) for n, answer in enumerate(answers[:19])]).labels == ()


def test_only_beginnings_decide_about_the_script() -> None:
    assert composition([example(1, "谁" * 200 + "a" * 900, "军队")]).chinese_share == 1.0
    assert composition([example(1, "12?", "34")]).chinese_share == 0.0
