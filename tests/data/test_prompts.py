from typing import TYPE_CHECKING

from bench.data.prompts import Piece, rendered
from bench.encode import Room
from bench.example import Example
from bench.prompt import Template

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
    (item,) = rendered("training", examples[:1], 1, SQUAD, tokenizer, Room(500, 0))
    asked, answered = item.pieces
    assert (item.split, item.id, item.shortened) == ("training", "q0", False)
    assert (asked.text, asked.trained) == ("<s>Question: Who carried out drill 0?\nAnswer:", False)
    assert answered == Piece(
        " Militia</s>", True, len(tokenizer(" Militia", add_special_tokens=False)["input_ids"]) + 1
    )
    assert asked.n_tokens == len(tokenizer("Question: Who carried out drill 0?\nAnswer:")["input_ids"])


def test_the_first_ones_that_fit_are_shown_and_a_shortened_one(
    tokenizer: "Tokenizer", examples: tuple[Example, ...]
) -> None:
    whole = rendered("training", examples, 2, SQUAD, tokenizer, Room(500, 0))
    assert [(item.id, item.shortened) for item in whole] == [("q0", False), ("q1", False)]
    tokens = [
        sum(piece.n_tokens for piece in item.pieces)
        for item in rendered("t", examples, 6, SQUAD, tokenizer, Room(500, 0))
    ]
    assert tokens[2] < max(tokens)
    cut = rendered("training", examples, 2, SQUAD, tokenizer, Room(tokens[2], 0))
    assert [(item.id, item.shortened) for item in cut] == [("q0", False), ("q3", True)]
    assert rendered("training", examples, 2, SQUAD, tokenizer, Room(5, 0)) == []
