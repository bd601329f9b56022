import copy
from typing import TYPE_CHECKING

import pytest

from bench.chat import Chat
from bench.encode import Encoded, Room, batched_by_length, encode
from bench.errors import InputError
from bench.example import Example, Message
from bench.prompt import Plain, Prompt, Template
from bench.record_sections import SplitCounts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast as Tokenizer

SQUAD = Template(
    name="squad",
    max_length=512,
    template="Question: {question}\nContext: {context}\nAnswer:",
    template_without_context="Question: {question}\nAnswer:",
    completion_prefix=" ",
)
BLANK_BEFORE_THE_ANSWER = SQUAD.model_copy(
    update={
        "template": "Question: {question}\nContext: {context}\nAnswer: ",
        "template_without_context": "Question: {question}\nAnswer: ",
        "completion_prefix": "",
    }
)
CHAT = Chat(
    name="chat",
    max_length=512,
    system=None,
    template="{question}\n\n{context}",
    template_without_context="{question}",
    today="2024-07-26",
    chat_template=None,
    variables={},
)
CHAT_TEMPLATE = "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
PLAIN = Plain(name="plain", max_length=512)
WIDE = Room(total=10_000, answer=0)

Examples = tuple[Example, ...]


def text_of(prompt: Prompt, example: Example, tokenizer: "Tokenizer") -> str:
    return prompt.render(example, example.context, tokenizer) + prompt.completion(example.references[0])


def test_the_answer_and_its_end_are_learned_and_nothing_else(tokenizer: "Tokenizer", examples: Examples) -> None:
    encoded, counts = encode(examples, SQUAD, tokenizer, WIDE)
    assert counts == SplitCounts(n_read=6, n_dropped=0, n_truncated=0)
    for item, example in zip(encoded, examples, strict=True):
        assert item.example == example
        prompt = SQUAD.render(example, example.context, tokenizer)
        assert tokenizer.decode(item.prompt_ids) == "<s>" + prompt
        assert tokenizer.decode(item.completion_ids) == f" {example.references[0]}</s>"
        assert item.completion_ids.count(tokenizer.eos_token_id) == 1


@pytest.mark.parametrize("prompt", [SQUAD, BLANK_BEFORE_THE_ANSWER], ids=["blank after", "blank before"])
def test_both_together_are_what_the_tokenizer_makes_of_the_whole_text(
    tokenizer: "Tokenizer", examples: Examples, prompt: Prompt
) -> None:
    for item in encode(examples, prompt, tokenizer, WIDE)[0]:
        whole = tokenizer(text_of(prompt, item.example, tokenizer))["input_ids"]
        assert [*item.prompt_ids, *item.completion_ids] == [*whole, tokenizer.eos_token_id]


def test_a_token_across_the_seam_does_not_tell_the_answer(tokenizer: "Tokenizer", examples: Examples) -> None:
    """` the` is one token, so a prompt that ends in a blank shares it with the answer."""
    example = examples[1]
    (item,), _ = encode([example], BLANK_BEFORE_THE_ANSWER, tokenizer, WIDE)
    assert len(tokenizer(" the", add_special_tokens=False)["input_ids"]) == 1
    assert tokenizer.decode(item.prompt_ids).endswith("Answer:")
    assert tokenizer.decode(item.completion_ids) == " the coastal brigade</s>"


@pytest.mark.parametrize("prompt", [SQUAD, BLANK_BEFORE_THE_ANSWER], ids=["blank after", "blank before"])
def test_offsets_without_the_blank_before_a_word_do_not_tell_the_answer(
    tokenizer: "Tokenizer", examples: Examples, prompt: Prompt
) -> None:
    """As those of Pythia, OLMo and others that share GPT-NeoX's tokenizer."""
    from tokenizers import processors

    beginning = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    trimming = copy.deepcopy(tokenizer)
    trimming.backend_tokenizer.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=True), beginning]
    )
    assert trimming("a b")[0].offsets[-1] == (2, 3)
    assert encode(examples, prompt, trimming, WIDE) == encode(examples, prompt, tokenizer, WIDE)


def test_the_end_is_learned_though_it_also_pads(tokenizer: "Tokenizer", examples: Examples) -> None:
    from copy import deepcopy

    padding = deepcopy(tokenizer)
    padding.pad_token = padding.eos_token
    assert encode(examples, SQUAD, padding, WIDE) == encode(examples, SQUAD, tokenizer, WIDE)


def test_an_abstention_is_the_end_alone(tokenizer: "Tokenizer") -> None:
    example = Example(id="1", cluster="c", question="Who?", context="Nobody came.", references=("",))
    (item,), _ = encode([example], SQUAD, tokenizer, WIDE)
    assert item.completion_ids == (tokenizer.eos_token_id,)
    assert tokenizer.decode(item.prompt_ids) == "<s>Question: Who?\nContext: Nobody came.\nAnswer:"


def test_a_chat_has_one_beginning(tokenizer: "Tokenizer", examples: Examples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "chat_template", CHAT_TEMPLATE)
    for item in encode(examples, CHAT, tokenizer, WIDE)[0]:
        assert item.prompt_ids[0] == tokenizer.bos_token_id
        assert item.prompt_ids.count(tokenizer.bos_token_id) == 1
        assert tokenizer.decode(item.completion_ids) == f"{item.example.references[0]}</s>"


@pytest.mark.parametrize("prompt", [SQUAD, CHAT], ids=["template", "chat"])
def test_a_tokenizer_that_ends_every_text(
    tokenizer: "Tokenizer", examples: Examples, monkeypatch: pytest.MonkeyPatch, prompt: Prompt
) -> None:
    from copy import deepcopy

    from tokenizers import processors

    monkeypatch.setattr(tokenizer, "chat_template", CHAT_TEMPLATE)
    ending = deepcopy(tokenizer)
    both = [("<s>", 0), ("</s>", 1)]
    ending.backend_tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=both)
    assert ending("x")["input_ids"][-1] == ending.eos_token_id
    assert encode(examples, prompt, ending, WIDE) == encode(examples, prompt, tokenizer, WIDE)
    tight = Room(total=60, answer=0)
    assert encode(examples, prompt, ending, tight) == encode(examples, prompt, tokenizer, tight)


@pytest.mark.parametrize(("prompt", "answer"), [(SQUAD, 0), (SQUAD, 24), (BLANK_BEFORE_THE_ANSWER, 0), (CHAT, 24)])
def test_at_every_length_the_context_gives_way_and_never_the_answer(
    tokenizer: "Tokenizer", examples: Examples, monkeypatch: pytest.MonkeyPatch, prompt: Prompt, answer: int
) -> None:
    monkeypatch.setattr(tokenizer, "chat_template", CHAT_TEMPLATE)
    whole = {item.example.id: item for item in encode(examples, prompt, tokenizer, WIDE)[0]}
    possible = {
        example.id: [
            first_ids(prompt, example, example.context[:cut], tokenizer) for cut in range(len(example.context) + 1)
        ]
        for example in examples
    }
    longest = max(len(item.prompt_ids) + max(len(item.completion_ids), answer) for item in whole.values())
    shortened_at_some_length = set()
    for total in range(1, longest + 2):
        encoded, counts = encode(examples, prompt, tokenizer, Room(total, answer))
        kept = {item.example.id: item for item in encoded}
        assert list(kept) == [example.id for example in examples if example.id in kept]
        shortened = 0
        for id, item in kept.items():
            assert item.completion_ids == whole[id].completion_ids
            limit = total - max(len(item.completion_ids), answer)
            assert len(item.prompt_ids) <= limit
            if len(whole[id].prompt_ids) <= limit:
                assert item == whole[id]
                continue
            shortened += 1
            shortened_at_some_length.add(id)
            # It is the prompt with a beginning of the context, and what is given up for whole tokens is little.
            assert item.prompt_ids in possible[id]
            assert item.prompt_ids == possible[id][0] or limit - len(item.prompt_ids) <= 3
        for example in examples:
            if example.id not in kept:
                limit = total - max(len(whole[example.id].completion_ids), answer)
                assert not example.context or len(possible[example.id][0]) > limit
        assert counts == SplitCounts(n_read=6, n_dropped=6 - len(kept), n_truncated=shortened)
    assert counts == SplitCounts(n_read=6, n_dropped=0, n_truncated=0)
    assert shortened_at_some_length == {example.id for example in examples if example.context}


def first_ids(prompt: Prompt, example: Example, context: str, tokenizer: "Tokenizer") -> tuple[int, ...]:
    """The ids of a prompt, found by another way: those of the whole text that the completion does not share."""
    before = prompt.render(example, context, tokenizer)
    ids = tokenizer(
        before + prompt.completion(example.references[0]), add_special_tokens=not prompt.brings_special_tokens
    )["input_ids"]
    text = before if prompt.brings_special_tokens else "<s>" + before
    while not text.startswith(tokenizer.decode(ids)):
        ids.pop()
    return tuple(ids)


def test_characters_of_several_tokens_are_not_cut(tokenizer: "Tokenizer") -> None:
    example = Example(id="1", cluster="c", question="谁?", context="军队在边境进行演习。" * 4, references=("军队",))
    (whole,), _ = encode([example], SQUAD, tokenizer, WIDE)
    for total in range(40, len(whole.prompt_ids) + len(whole.completion_ids)):
        for item in encode([example], SQUAD, tokenizer, Room(total, 0))[0]:
            text = tokenizer.decode(item.prompt_ids)
            assert "\N{REPLACEMENT CHARACTER}" not in text
            assert tokenizer.decode(item.completion_ids) == " 军队</s>"


@pytest.mark.parametrize("bos", [True, False], ids=["with a beginning", "without"])
def test_a_long_text_is_cut_without_losing_or_repeating_a_token(
    tokenizer: "Tokenizer", examples: Examples, bos: bool
) -> None:
    if not bos:
        from tokenizers import processors

        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
        tokenizer.bos_token = None
    text = max((example.context for example in examples), key=len)
    example = Example(id="1", cluster="c", question=text, references=(text,))
    whole = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    for size in (3, 4, 7, 16, len(whole), len(whole) + 1):
        pieces, counts = encode([example], PLAIN, tokenizer, Room(size, 0))
        assert counts == SplitCounts(n_read=1, n_dropped=0, n_truncated=0)
        assert all(item.example is example and len(item.prompt_ids) == 1 and item.completion_ids for item in pieces)
        assert all(len(item.prompt_ids) + len(item.completion_ids) <= size for item in pieces)
        if bos:
            assert {item.prompt_ids for item in pieces} == {(tokenizer.bos_token_id,)}
            assert [id for item in pieces for id in item.completion_ids] == whole
        else:
            assert [id for item in pieces for id in item.prompt_ids + item.completion_ids] == whole
    assert len(pieces) == 1


def test_a_text_shows_nothing_else(tokenizer: "Tokenizer", examples: Examples) -> None:
    with pytest.raises(InputError) as caught:
        encode(examples, PLAIN, tokenizer, WIDE, examples[:1])
    assert str(caught.value) == ("prompt=plain asks nothing, so that there is nothing to show; choose another method")


def test_a_conversation_needs_a_prompt_for_conversations(tokenizer: "Tokenizer", examples: Examples) -> None:
    turns = (Message(role="user", content="Hi"), Message(role="assistant", content="Yes?"))
    one, several = (
        examples[0].model_copy(update={"messages": messages}) for messages in (turns[:1], (*turns, turns[0]))
    )
    assert encode([one], SQUAD, tokenizer, WIDE)[0][0].prompt_ids
    with pytest.raises(InputError) as caught:
        encode([several], SQUAD, tokenizer, WIDE)
    assert str(caught.value) == (
        f"prompt=squad has room for a question alone, and example {several.id} is a conversation of 3 messages before "
        "the answer; choose prompt=chat"
    )


def test_batches_are_of_similar_length_and_the_longest_comes_first(examples: Examples) -> None:
    lengths = [3, 9, 1, 7, 7, 2, 8]
    encoded = [Encoded(examples[0], tuple(range(length)), (1,)) for length in lengths]
    assert list(batched_by_length(encoded, 3)) == [[1, 6, 3], [4, 0, 5], [2]]
    assert list(batched_by_length(encoded, 10)) == [[1, 6, 3, 4, 0, 5, 2]]
    assert list(batched_by_length([], 3)) == []


def test_nothing_becomes_nothing(tokenizer: "Tokenizer") -> None:
    assert encode((), SQUAD, tokenizer, WIDE) == ([], SplitCounts(n_read=0, n_dropped=0, n_truncated=0))
