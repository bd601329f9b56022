"""How an example becomes the text that a model reads. Training and generation both render it here."""

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


def _has_placeholders(*required: str) -> AfterValidator:
    """Check that a template has each of the placeholders `required` and no other."""

    def check(template: str) -> str:
        used = set(_PLACEHOLDER.findall(template))
        if unknown := ", ".join(f"{{{name}}}" for name in sorted(used.difference(required))):
            known = " and ".join(f"{{{name}}}" for name in required)
            raise ValueError(f"unknown placeholder {unknown}; use {known} here")
        for name in required:
            if name not in used:
                raise ValueError(f"placeholder {{{name}}} is missing: every prompt of this kind needs it")
        return template

    return AfterValidator(check)


class Prompt(Part):
    """The text before the answer, and the answer as it follows that text."""

    brings_special_tokens: ClassVar[bool]
    """Whether the rendered text already has the tokenizer's special tokens, such as BOS. If so, encode it with
    `add_special_tokens=False`, otherwise with `True`, so that it has them once."""

    rendering_code: ClassVar[str]
    """Python that does what `render` does without tunebench: it makes `text` from `question`, `context`, `tokenizer`
    and `prompt`, a mapping of this prompt's settings."""

    max_length: PositiveInt
    """The most tokens that prompt and answer may have together."""
    template: Annotated[str, _has_placeholders("question", "context")]
    """A text with the placeholders `{question}` and `{context}`. Other braces, as in JSON, stay as they are."""
    template_without_context: Annotated[str, _has_placeholders("question")]
    """A text with the placeholder `{question}`, used if the context is empty or blank."""

    @abstractmethod
    def render(self, example: Example, context: str, tokenizer: "PreTrainedTokenizerBase") -> str:
        """The prompt of `example` with `context` in place of the example's own, which may be too long.

        Raises:
            InputError: the tokenizer cannot render it.
        """

    @abstractmethod
    def completion(self, answer: str) -> str:
        """The text that follows the prompt when the answer is `answer`; empty for an abstention."""

    def filled(self, question: str, context: str) -> str:
        """The template with its values, filled in one pass, so that braces in the data stay as they are."""
        values = {"question": question, "context": context}
        form = self.template if context.strip() else self.template_without_context
        return _PLACEHOLDER.sub(lambda match: values[match[1]], form)


_FILLING_CODE = r"""import re

form = prompt["template"] if context.strip() else prompt["template_without_context"]
values = {"question": question, "context": context}
text = re.sub(r"\{(\w*)\}", lambda match: values[match[1]], form)
"""


class Template(Prompt):
    """The text of the template and nothing else."""

    brings_special_tokens = False
    rendering_code = _FILLING_CODE

    completion_prefix: str
    """What stands between prompt and answer, such as a space. It is learned with the answer."""

    def render(self, example: Example, context: str, tokenizer: "PreTrainedTokenizerBase") -> str:
        return self.filled(example.question, context)

    def completion(self, answer: str) -> str:
        return self.completion_prefix + answer if answer else ""


class Chat(Prompt):
    """The text of the template as a user's message, in the chat template that the model's tokenizer has."""

    brings_special_tokens = True
    rendering_code = f"""{_FILLING_CODE}
messages = [] if prompt["system"] is None else [{{"role": "system", "content": prompt["system"]}}]
messages.append({{"role": "user", "content": text}})
# A chat template that asks for the date gets today's here; in training it got prompt["today"].
text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
"""

    system: str | None
    """The system message; None for no such message."""
    today: Annotated[str, AfterValidator(lambda day: date.fromisoformat(day).isoformat())]
    """The date (ISO 8601) for chat templates that ask for today's, as Llama 3.2's does. With the real one, the same
    cell would have other prompts tomorrow."""

    def render(self, example: Example, context: str, tokenizer: "PreTrainedTokenizerBase") -> str:
        from jinja2 import TemplateError

        if tokenizer.chat_template is None:
            raise InputError(
                f"the tokenizer of {tokenizer.name_or_path} has no chat template; choose another prompt: prompt=alpaca"
            )
        messages = [] if self.system is None else [{"role": "system", "content": self.system}]
        messages.append({"role": "user", "content": self.filled(example.question, context)})
        try:
            rendered: Any = tokenizer.apply_chat_template(
                messages,
                chat_template=_with_fixed_date(tokenizer.get_chat_template(), self.today),
                add_generation_prompt=True,
                tokenize=False,
            )
        except TemplateError as error:
            raise InputError(
                f"the chat template of {tokenizer.name_or_path} refuses the messages ({error}); "
                "if it knows no system message, set prompt.system=null"
            ) from error
        return str(rendered)

    def completion(self, answer: str) -> str:
        return answer


def _with_fixed_date(chat_template: str, today: str) -> str:
    """The chat template with a macro in place of transformers' `strftime_now`, which reads the clock.

    Passing a function of that name to `apply_chat_template` does not work: transformers turns it into text.
    """
    if "strftime_now" not in chat_template:
        return chat_template
    day = date.fromisoformat(today)
    codes = [f"%{dash}{letter}" for letter in "ABHIMSYabdjmpy" for dash in ("", "-")]
    filled = "".join(f"|replace({code!r}, {day.strftime(code)!r})" for code in codes)
    return f"{{%- macro strftime_now(format) -%}}{{{{ format{filled} }}}}{{%- endmacro -%}}{chat_template}"
