"""Conversations in the chat templates of well-known families, as TRL ships them, and what is learned of each."""

import copy
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from bench.chat import Chat
from bench.encode import Encoded, Room, encode
from bench.errors import InputError
from bench.example import Example, Message
from bench.prompt import Prompt
from tests.shipped import shipped

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast as Tokenizer

SETTINGS = shipped("prompt", "chat")
WIDE = Room(10_000, 0)
TOKENS = [
    *("<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    *("<start_of_turn>", "<end_of_turn>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
]

# Mistral's first template: it strips turns, ends them with the end of sequence, and refuses system messages.
MISTRAL = """\
{{ bos_token }}{% for message in messages %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}
{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}
{%- else %}{{ message['content'] | trim + eos_token }}{% endif %}{% endfor %}"""


def conversation(*turns: str, system: str | None = None, answer: str = "Nobody knows.") -> Example:
    """User and assistant in turns, the user first and last."""
    roles = ("user", "assistant")
    messages = [Message.model_validate({"role": roles[at % 2], "content": turn}) for at, turn in enumerate(turns)]
    if system is not None:
        messages.insert(0, Message(role="system", content=system))
    return Example(id="talk", cluster="talk", question=turns[-1], references=(answer,), messages=tuple(messages))


TALK = conversation("Who left?", "A ship.", "When?", "On Monday.", "Why?")


def chat(**changes: Any) -> Chat:
    prompt = Prompt.model_validate(SETTINGS | changes)
    assert isinstance(prompt, Chat)
    return prompt


@pytest.fixture(scope="module")
def speaking(tokenizer: "Tokenizer") -> Callable[[str], "Tokenizer"]:
    """Gives a tokenizer with the special tokens of several families and the given template."""
    own = copy.deepcopy(tokenizer)
    own.add_tokens(TOKENS, special_tokens=True)

    def with_template(template: str) -> "Tokenizer":
        speaker = copy.deepcopy(own)
        speaker.chat_template = template
        return speaker

    return with_template


def family(name: str) -> str:
    import trl

    return (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text()


def only(example: Example, prompt: Prompt, tokenizer: "Tokenizer", room: Room = WIDE) -> Encoded:
    (item,), _ = encode([example], prompt, tokenizer, room)
    return item


def learned(item: Encoded, tokenizer: "Tokenizer") -> list[str]:
    """The stretches of text that are learned."""
    mask = [*item.learned, *[True] * len(item.completion_ids)]
    pairs = zip(item.prompt_ids + item.completion_ids, mask, strict=True)
    runs = groupby(pairs, key=lambda pair: pair[1])
    return [tokenizer.decode([id for id, _ in run]) for is_learned, run in runs if is_learned]


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("llama3", "<|eot_id|>"),
        ("llama3_2", "<|eot_id|>"),
        ("qwen2_5", "<|im_end|>"),
        ("qwen3", "<|im_end|>"),
        ("phi3", "<|end|>"),
        ("gemma", "<end_of_turn>"),
    ],
)
def test_every_turn_of_the_assistant_is_learned_up_to_its_end(
    speaking: Callable[[str], "Tokenizer"], name: str, end: str
) -> None:
    tokenizer = speaking(family(name))
    assert learned(only(TALK, chat(), tokenizer), tokenizer) == [
        f"A ship.{end}",
        f"On Monday.{end}",
        f"Nobody knows.{end}",
    ]


@pytest.mark.parametrize("name", ["llama3", "qwen2_5", "phi3", "gemma"])
def test_it_is_what_trl_learns_with_its_own_templates_for_training(
    speaking: Callable[[str], "Tokenizer"], name: str
) -> None:
    """Except for line breaks around a turn, which no model has to give."""
    tokenizer = speaking(family(name))
    item = only(TALK, chat(), tokenizer)
    turns = [message.model_dump() for message in TALK.messages] + [{"role": "assistant", "content": "Nobody knows."}]
    theirs = tokenizer.apply_chat_template(
        turns, chat_template=family(f"{name}_training"), return_assistant_tokens_mask=True, return_dict=True
    )
    ours = item.prompt_ids + item.completion_ids
    assert list(ours) == theirs["input_ids"][: len(ours)]
    mask = [*item.learned, *[True] * len(item.completion_ids)]
    for id, own, other in zip(ours, mask, theirs["assistant_masks"], strict=False):
        assert own == bool(other) or (other and tokenizer.decode([id]).isspace())


def test_every_token_of_a_simple_chat(tokenizer: "Tokenizer") -> None:
    """Split and marked by hand."""
    item = only(
        conversation("Hi", "Yo", "Why?", system="Be brief.", answer="So."), chat(chat_template="simple"), tokenizer
    )
    ids, mask = [], []
    for text, is_learned in (
        ("<s>System:\nBe brief.\n\nUser:\nHi\n\nAssistant:\n", False),
        ("Yo</s>", True),
        ("\n\nUser:\nWhy?\n\nAssistant:\n", False),
        ("So.</s>", True),
    ):
        tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
        ids += tokens
        mask += [is_learned] * len(tokens)
    assert [*item.prompt_ids, *item.completion_ids] == ids
    assert [*item.learned, *[True] * len(item.completion_ids)] == mask


def test_markers_in_a_template_mark_the_same(tokenizer: "Tokenizer") -> None:
    """The shipped template has them, for other tools."""
    prompt = chat(chat_template="simple")
    equipped = copy.deepcopy(tokenizer)
    prompt.equip(equipped)
    turns = [message.model_dump() for message in TALK.messages] + [{"role": "assistant", "content": "Nobody knows."}]
    theirs = equipped.apply_chat_template(turns, return_assistant_tokens_mask=True, return_dict=True)
    item = only(TALK, prompt, tokenizer)
    mask = [*item.learned, *[True] * len(item.completion_ids)]
    assert mask == [bool(marked) for marked in theirs["assistant_masks"]][: len(mask)]
    assert sum(mask) == sum(theirs["assistant_masks"])


def test_a_prompt_is_the_same_in_training_and_generation(speaking: Callable[[str], "Tokenizer"]) -> None:
    """Also where the template adds a system message, a date, or an empty block of thoughts."""
    for name, variables in (("qwen2_5", {}), ("llama3_2", {}), ("qwen3", {"enable_thinking": False})):
        tokenizer = speaking(family(name))
        prompt = chat(variables=variables)
        training, asking = only(TALK, prompt, tokenizer), only(TALK, prompt, tokenizer, Room(10_000, 64))
        assert training == asking
        text = tokenizer.decode(training.prompt_ids)
        added = {
            "qwen2_5": "system\nYou are Qwen",
            "llama3_2": "Today Date: 26 Jul 2024",
            "qwen3": "assistant\n<think>\n\n</think>\n\n",
        }
        assert added[name] in text
        assert prompt.render(TALK, "", tokenizer) == text


def test_a_template_with_room_for_thoughts_before_an_answer(speaking: Callable[[str], "Tokenizer"]) -> None:
    assert chat().warning(speaking(family("qwen3"))) == (
        r"the chat template of  puts '<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n' between a question "
        r"and its answer, but ends prompts "
        r"with '<|im_end|>\n<|im_start|>assistant\n': an untrained model may begin with "
        "thoughts, which would be scored as its answer; set prompt.variables={enable_thinking: false} if the template "
        "knows that"
    )
    assert r"<think>\n': an untrained" in (chat().warning(speaking(family("deepseek_r1_distill"))) or "")
    assert chat(variables={"enable_thinking": False}).warning(speaking(family("qwen3"))) is None


@pytest.mark.parametrize("name", ["llama3_2", "qwen2_5", "phi3", "gemma"])
def test_other_templates_go_on_with_the_answer(speaking: Callable[[str], "Tokenizer"], name: str) -> None:
    assert chat().warning(speaking(family(name))) is None


def test_a_template_that_trims_turns_and_uses_no_markers(tokenizer: "Tokenizer") -> None:
    speaker = copy.deepcopy(tokenizer)
    speaker.chat_template = MISTRAL
    item = only(conversation("Who?", "  A ship. ", "Why?", answer="So."), chat(), speaker)
    assert speaker.decode(item.prompt_ids) == "<s>[INST] Who? [/INST]A ship.</s>[INST] Why? [/INST]"
    assert learned(item, speaker) == ["A ship.</s>", "So.</s>"]


@pytest.mark.parametrize(
    "example",
    [
        conversation("Why?", system="Be brief."),
        conversation("Why?").model_copy(update={"messages": 2 * (Message(role="user", content="Why?"),)}),
    ],
    ids=["system", "two users"],
)
def test_what_a_template_refuses(tokenizer: "Tokenizer", example: Example) -> None:
    speaker = copy.deepcopy(tokenizer)
    speaker.chat_template = MISTRAL
    with pytest.raises(InputError) as caught:
        only(example, chat(), speaker)
    assert str(caught.value) == (
        "the chat template of  refuses the messages of example talk (Conversation roles must alternate "
        "user/assistant/user/assistant/...); if it knows no system message, set "
        "prompt.system=null and leave them out of the data"
    )


def test_a_template_whose_turns_cannot_be_told_apart(tokenizer: "Tokenizer") -> None:
    speaker = copy.deepcopy(tokenizer)
    speaker.chat_template = "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}"
    with pytest.raises(InputError) as caught:
        only(TALK, chat(), speaker)
    assert str(caught.value) == (
        "the chat template of  changes other text with an earlier turn of the assistant, or shows none (example talk), "
        "so that the turn cannot be learned; name another template with prompt.chat_template=PATH"
    )


def test_a_turn_that_occurs_twice_is_learned_where_it_stands(tokenizer: "Tokenizer") -> None:
    item = only(
        conversation("A ship.", "A ship.", "A ship.", answer="A ship."), chat(chat_template="simple"), tokenizer
    )
    assert learned(item, tokenizer) == ["A ship.</s>", "A ship.</s>"]
    assert tokenizer.decode(item.prompt_ids).startswith("<s>User:\nA ship.\n\nAssistant:\nA ship.</s>")


def test_a_conversations_own_system_message_comes_first(tokenizer: "Tokenizer") -> None:
    prompt = chat(chat_template="simple", system="Be kind.")
    own = prompt.render(conversation("Hi", system="Be brief."), "", tokenizer)
    assert own == "<s>System:\nBe brief.\n\nUser:\nHi\n\nAssistant:\n"
    assert prompt.render(conversation("Hi"), "", tokenizer) == "<s>System:\nBe kind.\n\nUser:\nHi\n\nAssistant:\n"


def test_what_is_too_long_loses_its_oldest_turns_and_never_the_answer(tokenizer: "Tokenizer") -> None:
    prompt = chat(chat_template="simple")
    example = conversation("Who left?", "A ship.", "When?", "On Monday.", "Why?", system="Be brief.")
    shapes = [only(example, prompt, tokenizer)]
    shapes += [
        only(conversation(*turns, system="Be brief."), prompt, tokenizer)
        for turns in (("When?", "On Monday.", "Why?"), ("Why?",))
    ]
    lengths = [len(item.prompt_ids) + len(item.completion_ids) for item in shapes]
    for total in range(lengths[-1] - 1, lengths[0] + 1):
        encoded, counts = encode([example], prompt, tokenizer, Room(total, 0))
        fitting = next((item for item, length in zip(shapes, lengths, strict=True) if length <= total), None)
        if fitting is None:
            assert (encoded, counts.n_dropped, counts.n_truncated) == ([], 1, 0)
            continue
        (item,) = encoded
        assert item == fitting._replace(example=example)
        assert (counts.n_dropped, counts.n_truncated) == (0, int(total < lengths[0]))


def test_demonstrations_are_earlier_turns_that_are_not_learned(tokenizer: "Tokenizer") -> None:
    prompt = chat(chat_template="simple")
    shown = Example(id="d", cluster="d", question="What sank?", references=("A boat",))
    (item,), _ = encode([conversation("Why?", system="Be brief.")], prompt, tokenizer, WIDE, [shown])
    assert tokenizer.decode(item.prompt_ids) == (
        "<s>System:\nBe brief.\n\nUser:\nWhat sank?\n\nAssistant:\nA boat</s>\n\nUser:\nWhy?\n\nAssistant:\n"
    )
    assert (item.learned, item.n_shots) == ((), 1)


def test_another_template_counts_by_content(tmp_path: Path) -> None:
    template = tmp_path / "mine.jinja"
    template.write_text("{{ messages[0].content }}")
    own = chat(chat_template=str(template))
    (tmp_path / "same.jinja").write_text("{{ messages[0].content }}")
    assert own.identity() == chat(chat_template=str(tmp_path / "same.jinja")).identity()
    template.write_text("{{ messages[-1].content }}")
    assert own.identity() != chat(chat_template=str(tmp_path / "same.jinja")).identity()
    with pytest.raises(InputError) as caught:
        chat(chat_template=str(tmp_path / "none.jinja")).identity()
    assert str(caught.value) == (
        f"{tmp_path}/none.jinja: cannot be read (No such file or directory); name an existing file"
    )


@pytest.mark.parametrize("field", ["template", "template_without_context", "system"])
def test_a_line_break_that_was_typed_as_two_characters(field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        chat(**{field: r"{question}\n{context}" if field == "template" else r"{question}\n"})
    (error,) = caught.value.errors()
    assert (error["loc"], error["msg"]) == (
        (field,),
        r"""Value error, \n is a backslash and an n here; for a line break, """
        r"""type $'prompt.KEY="first line\nsecond line"'""",
    )
