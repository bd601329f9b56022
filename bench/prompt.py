"""How an example becomes the text that a model reads. Training and generation both render it here."""

import re
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, Field, PositiveInt

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


def _line_breaks(text: str) -> str:
    if r"\n" in text:
        raise ValueError(
            r"""\n is a backslash and an n here; for a line break, type $'prompt.KEY="first line\nsecond line"'"""
        )
    return text


Text = Annotated[str, AfterValidator(_line_breaks)]


class Prompt(Part):
    """The text before the answer, and the answer as it follows that text."""

    asks: ClassVar[bool] = True
    """Whether a model is asked for an answer. If not, a text is learned and its likelihood is all that is scored."""

    brings_special_tokens: ClassVar[bool]
    """Whether the rendered text already has the tokenizer's special tokens, such as BOS. If so, encode it with
    `add_special_tokens=False`, otherwise with `True`, so that it has them once."""

    rendering_code: ClassVar[str]
    """Python that does what `render` does without tunebench: it makes `text` from `question`, `context`, `tokenizer`
    and `prompt`, a mapping of this prompt's settings."""

    max_length: PositiveInt
    """The most tokens that prompt and answer may have together."""

    @abstractmethod
    def render(
        self,
        example: Example,
        context: str,
        tokenizer: "PreTrainedTokenizerBase",
        demonstrations: Sequence[Example] = (),
    ) -> str:
        """The prompt of `example` with `context` in place of the example's own, which may be too long.

        The questions of `demonstrations` come first, each with its answer.

        Raises:
            InputError: the tokenizer cannot render it.
        """

    @abstractmethod
    def completion(self, answer: str) -> str:
        """The text that follows the prompt when the answer is `answer`; empty for an abstention."""

    def ending(self, tokenizer: "PreTrainedTokenizerBase") -> tuple[int, ...]:
        """The tokens that are learned after an answer; generation stops at the last of them."""
        return (tokenizer.eos_token_id,)

    def earlier_answers(self, example: Example, tokenizer: "PreTrainedTokenizerBase") -> list[tuple[int, int]]:
        """Where the rendered prompt has the assistant's earlier turns with their ends: positions of characters.

        Raises:
            InputError: that cannot be found out.
        """
        return []

    def warning(self, tokenizer: "PreTrainedTokenizerBase") -> str | None:
        """One sentence if models may not begin with their answer where this prompt ends; None otherwise."""
        return None

    def equip(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        """Give a tokenizer that is saved for use elsewhere what rendering needs."""

    @property
    def demonstration_starts(self) -> tuple[str, ...]:
        """Texts before which an answer ends if demonstrations come first, since a model may go on with another one."""
        return ()


class Form(Prompt):
    """A prompt with a form that is filled with a question and its context."""

    template: Annotated[Text, _has_placeholders("question", "context")]
    """A text with the placeholders `{question}` and `{context}`. Other braces, as in JSON, stay as they are."""
    template_without_context: Annotated[Text, _has_placeholders("question")]
    """A text with the placeholder `{question}`, used if the context is empty or blank."""

    def filled(self, question: str, context: str) -> str:
        """The template with its values, filled in one pass, so that braces in the data stay as they are."""
        values = {"question": question, "context": context}
        form = self.template if context.strip() else self.template_without_context
        return _PLACEHOLDER.sub(lambda match: values[match[1]], form)


FILLING_CODE = r"""import re

form = prompt["template"] if context.strip() else prompt["template_without_context"]
values = {"question": question, "context": context}
text = re.sub(r"\{(\w*)\}", lambda match: values[match[1]], form)
"""
"""The `rendering_code` that fills a form."""


class Template(Form):
    """The text of the template and nothing else. Demonstrations are separated by a blank line."""

    brings_special_tokens = False
    rendering_code = FILLING_CODE

    completion_prefix: Text
    """What stands between prompt and answer, such as a space. It is learned with the answer."""

    def render(
        self,
        example: Example,
        context: str,
        tokenizer: "PreTrainedTokenizerBase",
        demonstrations: Sequence[Example] = (),
    ) -> str:
        for one in (example, *demonstrations):
            if len(one.messages) > 1:
                raise InputError(
                    f"prompt={self.name} has room for a question alone, and example {one.id} is a conversation of "
                    f"{len(one.messages)} messages before the answer; choose prompt=chat"
                )
        shown = [
            self.filled(demo.question, demo.context) + self.completion(demo.references[0]) for demo in demonstrations
        ]
        return "\n\n".join([*shown, self.filled(example.question, context)])

    def completion(self, answer: str) -> str:
        return self.completion_prefix + answer if answer else ""

    @property
    def demonstration_starts(self) -> tuple[str, ...]:
        forms = (self.template, self.template_without_context)
        starts = (_PLACEHOLDER.split(form, maxsplit=1)[0].partition("\n")[0].rstrip() for form in forms)
        return tuple(dict.fromkeys(f"\n\n{start}" for start in starts))


class Plain(Prompt):
    """No prompt: the model continues texts. Long ones are cut into pieces of `max_length` tokens."""

    asks = False
    brings_special_tokens = False
    rendering_code = "text = question  # the beginning of a text\n"

    max_length: Annotated[int, Field(ge=3)]
    """The most tokens of a piece. Two would leave some pieces without a token to learn."""

    def render(
        self,
        example: Example,
        context: str,
        tokenizer: "PreTrainedTokenizerBase",
        demonstrations: Sequence[Example] = (),
    ) -> str:
        if demonstrations:
            raise InputError(
                f"prompt={self.name} asks nothing, so that there is nothing to show; choose another method"
            )
        return ""

    def completion(self, answer: str) -> str:
        return answer
