from typing import TYPE_CHECKING

from bench.chat import Chat
from bench.data.prompts import Piece, rendered
from bench.encode import Room
from bench.example import Example, Message
from bench.prompt import Plain, Template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast as Tokenizer

SQUAD = Template(
    name="squad",
    max_length=512,
    template="Question: {question}\nContext: {context}\nAnswer:",
    template_without_context="Question: {question}\nAnswer:",
    completion_prefix=" ",
)


def test_examples_are_shown_with_their_special_tokens_and_what_is_trained(
    tokenizer: "Tokenizer", examples: tuple[Example, ...]
) -> None:
    (item,) = rendered("train", examples[:1], 1, SQUAD, tokenizer, Room(500, 0))
    asked, answered = item.pieces
    assert (item.split, item.id, item.shortened) == ("train", "q0", False)
    assert (asked.text, asked.marked) == ("<s>Question: Who carried out drill 0?\nAnswer:", False)
    assert answered == Piece(
        " Militia</s>", True, len(tokenizer(" Militia", add_special_tokens=False)["input_ids"]) + 1
    )
    assert asked.n_tokens == len(tokenizer("Question: Who carried out drill 0?\nAnswer:")["input_ids"])


def test_the_first_ones_that_fit_are_shown_and_a_shortened_one(
    tokenizer: "Tokenizer", examples: tuple[Example, ...]
) -> None:
    whole = rendered("train", examples, 2, SQUAD, tokenizer, Room(500, 0))
    assert [(item.id, item.shortened) for item in whole] == [("q0", False), ("q1", False)]
    tokens = [
        sum(piece.n_tokens for piece in item.pieces)
        for item in rendered("t", examples, 6, SQUAD, tokenizer, Room(500, 0))
    ]
    assert tokens[2] < max(tokens)
    cut = rendered("train", examples, 2, SQUAD, tokenizer, Room(tokens[2], 0))
    assert [(item.id, item.shortened) for item in cut] == [("q0", False), ("q3", True)]
    assert rendered("train", examples, 2, SQUAD, tokenizer, Room(5, 0)) == []


CHAT = Chat(
    name="chat",
    max_length=512,
    system=None,
    template="{question}\n\n{context}",
    template_without_context="{question}",
    today="2024-07-26",
    chat_template="simple",
    variables={},
)


def test_earlier_answers_are_marked_where_they_are_trained(tokenizer: "Tokenizer") -> None:
    talk = Example(
        id="talk",
        cluster="talk",
        question="Why?",
        references=("So.",),
        messages=(
            Message(role="user", content="Who?"),
            Message(role="assistant", content="She."),
            Message(role="user", content="Why?"),
        ),
    )
    (trained,) = rendered("train", [talk], 1, CHAT, tokenizer, Room(500, 0))
    assert [(piece.text, piece.marked) for piece in trained.pieces] == [
        ("<s>User:\nWho?\n\nAssistant:\n", False),
        ("She.</s>", True),
        ("\n\nUser:\nWhy?\n\nAssistant:\n", False),
        ("So.</s>", True),
    ]
    (asked,) = rendered("test", [talk], 1, CHAT, tokenizer, Room(500, 0))
    assert [(piece.text, piece.marked) for piece in asked.pieces] == [
        ("<s>User:\nWho?\n\nAssistant:\nShe.</s>\n\nUser:\nWhy?\n\nAssistant:\n", False),
        ("So.</s>", True),
    ]


def test_solved_examples_are_shown_before_the_question(tokenizer: "Tokenizer", examples: tuple[Example, ...]) -> None:
    (item,) = rendered("test", examples[:1], 1, SQUAD, tokenizer, Room(500, 8), examples[3:4])
    assert item.pieces[0].text == (
        f"<s>Question: Who carried out drill 3?\nContext: {examples[3].context}\nAnswer: 7\n\n"
        "Question: Who carried out drill 0?\nAnswer:"
    )


def test_of_a_long_text_one_piece_is_shown(tokenizer: "Tokenizer") -> None:
    texts = [Example(id=str(n), cluster="1", question="-", references=("7" * n,)) for n in (25, 4)]
    first, second = rendered("train", texts, 2, Plain(name="plain", max_length=11), tokenizer, Room(11, 0))
    assert [(piece.text, piece.marked) for piece in first.pieces] == [("<s>", False), ("7" * 8, True)]
    assert [(piece.text, piece.marked) for piece in second.pieces] == [("<s>", False), ("7777</s>", True)]
