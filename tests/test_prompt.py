from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from bench.chat import Chat
from bench.errors import InputError
from bench.example import Example
from bench.prompt import Prompt, Template
from tests.shipped import shipped

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


CHAT_TEMPLATE = """\
{{ bos_token }}{% for message in messages %}{% if message.role == 'system' and 'forbidden' in message.content %}
{{ raise_exception('System role not supported') }}{% endif %}
<{{ message.role }}>{{ message.content }}</s>{% endfor %}
{% if add_generation_prompt %}<assistant>{% endif %}"""


def prompt(name: str, **changes: Any) -> Prompt:
    return Prompt.model_validate(shipped("prompt", name, **changes))


def example(question: str, context: str = "") -> Example:
    return Example(id="1", cluster="c", question=question, context=context, references=("x",))


@pytest.fixture(scope="module")
def tokenizer() -> "PreTrainedTokenizerFast":
    """Characters as tokens, and a BOS in front of every text that is encoded with special tokens."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = "<>/ .?:\nabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    vocabulary = {token: number for number, token in enumerate(["<s>", "</s>", "<unk>", *alphabet])}
    characters = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    characters.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    characters.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=characters,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        chat_template=CHAT_TEMPLATE,
        name_or_path="characters",
    )


@pytest.mark.parametrize(("name", "kind"), [("squad", Template), ("alpaca", Template), ("chat", Chat)])
def test_configuration_lists_every_field(name: str, kind: type[Prompt]) -> None:
    assert isinstance(prompt(name), kind)
    assert set(shipped("prompt", name)) == {"_target_", *kind.model_fields}


def test_squad_form(tokenizer: "PreTrainedTokenizerFast") -> None:
    squad = prompt("squad")
    assert squad.render(example("Who?", "A. B."), "A. B.", tokenizer) == "Question: Who?\nContext: A. B.\nAnswer:"
    assert squad.render(example("Who?"), "", tokenizer) == "Question: Who?\nAnswer:"
    assert squad.completion("A") == " A"
    assert squad.completion("") == ""


def test_alpaca_form(tokenizer: "PreTrainedTokenizerFast") -> None:
    alpaca = prompt("alpaca")
    assert alpaca.render(example("Add.", "1, 2"), "1, 2", tokenizer) == (
        "Below is an instruction that describes a task, paired with an input that provides further context. "
        "Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nAdd.\n\n### Input:\n1, 2\n\n### Response:\n"
    )
    assert alpaca.render(example("Name it."), " ", tokenizer) == (
        "Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nName it.\n\n### Response:\n"
    )
    assert alpaca.completion("3") == "3"


def test_the_context_is_the_one_that_is_given(tokenizer: "PreTrainedTokenizerFast") -> None:
    rendered = prompt("squad").render(example("Who?", "A. B. C."), "A. B.", tokenizer)
    assert rendered == "Question: Who?\nContext: A. B.\nAnswer:"


@pytest.mark.parametrize("name", ["squad", "alpaca", "chat"])
def test_braces_and_backslashes_in_the_data_stay(name: str, tokenizer: "PreTrainedTokenizerFast") -> None:
    question, context = r"What is {context} in {{ question }}, {0} or \1?", r"{question} {% if x %} \g<0> {"
    rendered = prompt(name).render(example(question, context), context, tokenizer)
    assert rendered.count(question) == rendered.count(context) == 1


def test_other_braces_in_a_template_stay(tokenizer: "PreTrainedTokenizerFast") -> None:
    json = prompt("squad", template_without_context='{"ask": "{question}", "as": { }}')
    assert json.render(example("Who?"), "", tokenizer) == '{"ask": "Who?", "as": { }}'


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"template": "{instruction} {input} {context}"},
            "unknown placeholder {input}, {instruction}; use {question} and {context} here",
        ),
        ({"template": "{} {question} {context}"}, "unknown placeholder {}; use {question} and {context} here"),
        ({"template": "{question}"}, "placeholder {context} is missing: every prompt of this kind needs it"),
        ({"template_without_context": "{question} {context}"}, "unknown placeholder {context}; use {question} here"),
        ({"template_without_context": "Go."}, "placeholder {question} is missing: every prompt of this kind needs it"),
    ],
)
@pytest.mark.parametrize("name", ["squad", "chat"])
def test_wrong_placeholders_are_refused(name: str, changes: dict[str, str], expected: str) -> None:
    with pytest.raises(ValidationError) as caught:
        prompt(name, **changes)
    (error,) = caught.value.errors()
    assert (error["loc"], error["msg"]) == (tuple(changes), f"Value error, {expected}")


@pytest.mark.parametrize("field", ["template", "template_without_context", "completion_prefix"])
def test_a_line_break_that_was_typed_as_two_characters_is_refused(field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        prompt("squad", **{field: r"Q {question}\n{context}"})
    (error,) = caught.value.errors()
    assert (error["loc"], error["msg"]) == (
        (field,),
        r"""Value error, \n is a backslash and an n here; for a line break, """
        r"""type $'prompt.KEY="first line\nsecond line"'""",
    )


def test_chat_uses_the_tokenizers_template(tokenizer: "PreTrainedTokenizerFast") -> None:
    chat = prompt("chat")
    assert chat.render(example("Who?", "A."), "A.", tokenizer) == "<s><user>Who?\n\nA.</s><assistant>"
    system = prompt("chat", system="Be brief.")
    assert system.render(example("Who?"), "", tokenizer) == "<s><system>Be brief.</s><user>Who?</s><assistant>"
    assert chat.completion("A") == "A"
    assert chat.completion("") == ""


@pytest.mark.parametrize("name", ["squad", "alpaca", "chat"])
def test_special_tokens_stand_once(name: str, tokenizer: "PreTrainedTokenizerFast") -> None:
    form = prompt(name)
    rendered = form.render(example("Who?", "A."), "A.", tokenizer)
    ids = tokenizer(rendered, add_special_tokens=not form.brings_special_tokens)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert ids.count(tokenizer.bos_token_id) == 1


def test_tokenizer_without_a_chat_template(
    tokenizer: "PreTrainedTokenizerFast", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer, "chat_template", None)
    with pytest.raises(InputError) as caught:
        prompt("chat").render(example("Who?"), "", tokenizer)
    assert str(caught.value) == (
        "the tokenizer of characters has no chat template; choose a simple one with prompt.chat_template=simple, or "
        "another prompt: prompt=alpaca"
    )


def test_chat_template_that_refuses_the_messages(tokenizer: "PreTrainedTokenizerFast") -> None:
    with pytest.raises(InputError) as caught:
        prompt("chat", system="forbidden").render(example("Who?"), "", tokenizer)
    assert str(caught.value) == (
        "the chat template of characters refuses the messages of example 1 (System role not supported); "
        "if it knows no system message, set prompt.system=null and leave them out of the data"
    )


@pytest.mark.parametrize(
    ("asks", "told"),
    [
        # As in Llama 3.2's template, and in templates that call the clock inside a macro of their own.
        (
            "{%- if strftime_now is defined %}{%- set day = strftime_now('%d %b %Y') %}{%- endif %}{{ day }}",
            "26 Jul 2024",
        ),
        ("{% macro day(x) %}{{ x }} {{ strftime_now('%Y-%m-%d') }}{% endmacro %}{{ day('on') }}", "on 2024-07-26"),
        ("{{ strftime_now('%A, %B %-d %H:%M') }}", "Friday, July 26 00:00"),
    ],
)
def test_chat_template_does_not_see_the_clock(
    asks: str, told: str, tokenizer: "PreTrainedTokenizerFast", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer, "chat_template", asks)
    assert prompt("chat").render(example("Who?"), "", tokenizer) == told


def test_day_is_a_date() -> None:
    with pytest.raises(ValidationError) as caught:
        prompt("chat", today="yesterday")
    (error,) = caught.value.errors()
    assert (error["loc"], error["msg"]) == (("today",), "Value error, Invalid isoformat string: 'yesterday'")
