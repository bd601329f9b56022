from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from bench.encode import Room, encode
from bench.errors import InputError
from bench.example import Example
from bench.prompt import Template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast as Tokenizer

Make = Callable[..., Any]

SQUAD = Template(
    name="squad",
    max_length=512,
    template="Question: {question}\nContext: {context}\nAnswer:",
    template_without_context="Question: {question}\nAnswer:",
    completion_prefix=" ",
)
TRAINING = [
    Example(id=str(at), cluster=str(at), question=f"Who was {at}?", context=f"It was {at}.", references=(f"{at}th",))
    for at in range(20)
]
ASKED = Example(id="v", cluster="v", question="Who came?", context="A ship came in.", references=("A ship",))


def test_the_seed_decides_which_are_shown_and_in_which_order(method: Make) -> None:
    fewshot = method("fewshot")
    assert not fewshot.trains
    shown = fewshot.demonstrations(TRAINING, 0)
    assert len(set(shown)) == fewshot.shots == 4
    assert shown == fewshot.demonstrations(TRAINING, 0)
    assert shown != fewshot.demonstrations(TRAINING, 1)
    assert set(shown) <= set(TRAINING)


def test_other_methods_show_nothing(method: Make) -> None:
    assert method("baseline").demonstrations(TRAINING, 0) == ()


def test_there_are_not_enough(method: Make) -> None:
    with pytest.raises(InputError) as caught:
        method("fewshot").demonstrations(TRAINING[:3], 0)
    assert str(caught.value) == "method.shots: must be at most 3, the number of training examples, got 4"


def test_solved_questions_come_first(tokenizer: "Tokenizer") -> None:
    (item,), _ = encode([ASKED], SQUAD, tokenizer, Room(500, 0), TRAINING[:2])
    assert tokenizer.decode(item.prompt_ids) == (
        "<s>Question: Who was 0?\nContext: It was 0.\nAnswer: 0th\n\n"
        "Question: Who was 1?\nContext: It was 1.\nAnswer: 1th\n\n"
        "Question: Who came?\nContext: A ship came in.\nAnswer:"
    )
    assert tokenizer.decode(item.completion_ids) == " A ship</s>"


def test_as_many_are_shown_as_fit_and_only_then_the_context_is_cut(tokenizer: "Tokenizer") -> None:
    lengths = [len(encode([ASKED], SQUAD, tokenizer, Room(500, 0), TRAINING[:n])[0][0].prompt_ids) for n in range(4)]
    n_answer = len(encode([ASKED], SQUAD, tokenizer, Room(500, 0))[0][0].completion_ids)
    for total in range(lengths[0] + n_answer - 2, lengths[3] + n_answer + 1):
        (item,), counts = encode([ASKED], SQUAD, tokenizer, Room(total, 0), TRAINING[:3])
        fitting = [n for n, length in enumerate(lengths) if length + n_answer <= total]
        assert item.n_shots == max(fitting, default=0)
        assert counts.n_truncated == int(not fitting)
        assert len(item.prompt_ids) + len(item.completion_ids) <= total


@pytest.mark.parametrize(
    ("changes", "starts"),
    [
        ({}, ("\n\nQuestion:",)),
        ({"template": "{question} {context}"}, ("\n\n", "\n\nQuestion:")),
        (
            {"template": "Read.\nQ {question} {context}", "template_without_context": "Go. {question}"},
            ("\n\nRead.", "\n\nGo."),
        ),
    ],
)
def test_an_answer_ends_where_another_question_would_begin(changes: dict[str, str], starts: tuple[str, ...]) -> None:
    assert SQUAD.model_copy(update=changes).demonstration_starts == starts
