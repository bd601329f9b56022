from typing import TYPE_CHECKING

from bench.data.lengths import Distribution, SplitLengths, evenly, measure
from bench.encode import Room
from bench.example import Example
from bench.prompt import Plain, Template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast as Tokenizer

BARE = Template(
    name="bare",
    max_length=512,
    template="{question}{context}",
    template_without_context="{question}",
    completion_prefix="",
)


def test_quantiles_are_numbers_that_occur() -> None:
    assert Distribution.of([7]) == Distribution(7, 7, 7, 7, 7)
    assert Distribution.of([*range(200, 0, -1)]) == Distribution(1, 100, 190, 198, 200)
    assert Distribution.of([1, 2, 3]) == Distribution(1, 2, 3, 3, 3)


def digits(question: int, context: int, answer: int) -> Example:
    """Texts of so many digits, each of which the tokenizer makes a token."""
    return Example(id="1", cluster="1", question=question * "7", context=context * "7", references=(answer * "7",))


def test_lengths_are_of_whole_examples_and_what_does_not_fit_is_counted(tokenizer: "Tokenizer") -> None:
    assert len(tokenizer("7" * 50, add_special_tokens=False)["input_ids"]) == 50
    examples = [digits(10, 0, 2), digits(10, 20, 2), digits(30, 0, 9), digits(30, 30, 1), digits(5, 1, 6)]
    # BOS before every prompt; the end of sequence needs room, but is no part of the answer.
    assert measure(examples, BARE, tokenizer, Room(total=24, answer=0), max_new_tokens=5) == SplitLengths(
        n_measured=5,
        n_sequences=3,
        n_fewer_shots=0,
        prompt=Distribution(7, 31, 61, 61, 61),
        answer=Distribution(1, 2, 9, 9, 9),
        both=Distribution(13, 33, 62, 62, 62),
        n_shortened=1,
        n_dropped=2,
        n_answers_too_long=2,
    )
    # With room for an answer of 12 tokens, the first example, which fitted, does not fit any more.
    with_answer = measure(examples, BARE, tokenizer, Room(total=22, answer=12), max_new_tokens=12)
    assert (with_answer.n_shortened, with_answer.n_dropped, with_answer.n_answers_too_long) == (0, 4, 0)


def test_a_text_is_no_answer_that_must_be_given_in_full(tokenizer: "Tokenizer") -> None:
    plain = Plain(name="plain", max_length=16)
    measured = measure([digits(40, 0, 40)], plain, tokenizer, Room(total=16, answer=0), max_new_tokens=5)
    assert (measured.answer.largest, measured.n_answers_too_long, measured.n_dropped) == (40, 0, 0)


def test_a_large_split_is_measured_in_an_even_sample() -> None:
    examples = [digits(number + 1, 0, 1) for number in range(10)]
    assert [len(example.question) for example in evenly(examples, 4)] == [1, 3, 6, 8]
    assert evenly(examples, 10) == examples


def test_texts_are_measured_whole_and_counted_in_pieces(tokenizer: "Tokenizer") -> None:
    texts = [Example(id="1", cluster="1", question="-", references=("7" * n,)) for n in (4, 25)]
    found = measure(texts, Plain(name="plain", max_length=11), tokenizer, Room(total=11, answer=0), max_new_tokens=2)
    # BOS and ten tokens are a piece; the end of sequence is the 26th token of the long text.
    assert (found.n_measured, found.n_sequences, found.n_answers_too_long) == (2, 4, 0)
    assert found.answer == Distribution(4, 4, 25, 25, 25)


def test_solved_examples_are_a_part_of_the_prompt(tokenizer: "Tokenizer") -> None:
    shots = [digits(10, 0, 2), digits(20, 0, 2)]
    asked = [digits(5, 0, 1), digits(12, 0, 1)]
    # BOS, "7" * 10 + "77" + blank line, "7" * 20 + "77" + blank line, and the question
    between = len(tokenizer("\n\n", add_special_tokens=False)["input_ids"])
    found = measure(asked, BARE, tokenizer, Room(total=30, answer=2), 2, shots)
    assert found.prompt.smallest == 1 + 12 + between + 22 + between + 5
    assert (found.n_fewer_shots, found.n_shortened, found.n_dropped) == (2, 0, 0)
    assert measure(asked, BARE, tokenizer, Room(total=90, answer=2), 2, shots).n_fewer_shots == 0
