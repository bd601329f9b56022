"""How an example becomes the text that a model reads: rendered here, for training and generation alike."""

import re
from abc import abstractmethod
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, PositiveInt

from bench.errors import InputError
from bench.example import Example
from bench.settings import Part

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_PLACEHOLDER = re.compile(r"\{(\w*)\}")


class Prompt(Part):
    """The text before the answer, and the answer as it follows that text."""

    brings_special_tokens: ClassVar[bool]
    """Whether the rendered text already holds the tokenizer's special tokens, such as BOS: then encode it with
    `add_special_tokens=False`, otherwise with `True`, so that they stand there once."""

    max_length: PositiveInt
    """Tokens that prompt and answer have room for together."""

    @abstractmethod
    def render(self, example: Example, context: str, tokenizer: "PreTrainedTokenizerBase") -> str:
        """The prompt of `example`, with `context` in place of its own, since that may have been shortened to fit.

        Raises:
            InputError: the tokenizer cannot render it.
        """

    @abstractmethod
    def completion(self, answer: str) -> str:
        """The text that follows the prompt when the answer is `answer`; empty for an abstention."""


def _known_placeholders(template: str, required: tuple[str, ...]) -> str:
    found = set(_PLACEHOLDER.findall(template))
    if unknown := sorted(found - set(required)):
        names = ", ".join(f"{{{name}}}" for name in unknown)
        raise ValueError(f"unknown placeholder {names}; use {' and '.join(f'{{{name}}}' for name in required)} here")
    if absent := [name for name in required if name not in found]:
        raise ValueError(f"placeholder {{{absent[0]}}} is missing: every prompt of this kind needs it")
    return template


WithContext = Annotated[str, AfterValidator(lambda template: _known_placeholders(template, ("question", "context")))]
"""A text with the placeholders `{question}` and `{context}`. Other braces, as in JSON, stand for themselves."""

WithoutContext = Annotated[str, AfterValidator(lambda template: _known_placeholders(template, ("question",)))]
"""A text with the placeholder `{question}`, used where the context is empty or blank."""


class Template(Prompt):
    """A fixed form with places for the question and the context."""

    brings_special_tokens = False

    template: WithContext
    template_without_context: WithoutContext
    completion_prefix: str
    """What stands between prompt and answer, and is learned with the answer, such as a blank."""

    def render(self, example: Example, context: str, tokenizer: "PreTrainedTokenizerBase") -> str:
        return _fill(self.template, self.template_without_context, example.question, context)

    def completion(self, answer: str) -> str:
        return self.completion_prefix + answer if answer else ""


class Chat(Prompt):
    """The model's own chat template, as its tokenizer brings it."""

    brings_special_tokens = True

    system: str | None
    """The system message; null for none."""
    template: WithContext
    template_without_context: WithoutContext
    today: Annotated[str, AfterValidator(lambda day: date.fromisoformat(day).isoformat())]
    """The date (ISO 8601) that a chat template gets if it asks for today's, as Llama 3.2's does: with the real one,
    the same cell would have other prompts tomorrow."""

    def render(self, example: Example, context: str, tokenizer: "PreTrainedTokenizerBase") -> str:
        from jinja2 import TemplateError

        messages = [] if self.system is None else [{"role": "system", "content": self.system}]
        user = _fill(self.template, self.template_without_context, example.question, context)
        messages.append({"role": "user", "content": user})
        if tokenizer.chat_template is None:
            raise InputError(
                f"the tokenizer of {tokenizer.name_or_path} has no chat template; choose another prompt: prompt=alpaca"
            )
        dated = _with_date(tokenizer.get_chat_template(), date.fromisoformat(self.today))
        try:
            rendered: Any = tokenizer.apply_chat_template(
                messages, chat_template=dated, add_generation_prompt=True, tokenize=False
            )
        except TemplateError as error:
            raise InputError(
                f"the chat template of {tokenizer.name_or_path} refuses the messages ({error}); "
                "if it knows no system message, set prompt.system=null"
            ) from error
        return str(rendered)

    def completion(self, answer: str) -> str:
        return answer


def _fill(with_context: str, without_context: str, question: str, context: str) -> str:
    """Fills in one pass, so that braces in the data stay what they are."""
    values = {"question": question, "context": context}
    return _PLACEHOLDER.sub(lambda match: values[match[1]], with_context if context.strip() else without_context)


def _with_date(chat_template: str, today: date) -> str:
    """The chat template with a `strftime_now` of its own, which hides the one that reads the clock."""
    if "strftime_now" not in chat_template:
        return chat_template
    codes = ("%Y", "%y", "%m", "%-m", "%d", "%-d", "%B", "%b", "%A", "%a", "%H", "%M", "%S")
    filled = "".join(f"|replace({code!r}, {today.strftime(code)!r})" for code in codes)
    return f"{{%- macro strftime_now(format) -%}}{{{{ format{filled} }}}}{{%- endmacro -%}}{chat_template}"
