"""Conversations as prompts: the chat template that a tokenizer has, or another one."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from bench.chat_template import SIMPLE, Ending, Turn, answer_spans, around_answer, find_ending, with_fixed_date
from bench.content import digest
from bench.errors import InputError
from bench.example import Example
from bench.prompt import FILLING_CODE, Form, Text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


_ANYTHING = Example(id="anything", cluster="anything", question="?", references=("",))
_SOMETHING = "a question with an answer"


class Chat(Form):
    """Turns of a conversation in the chat template that the model's tokenizer has, or in another one.

    A conversation is rendered as it is; a single question fills the form, and that is the user's message.
    """

    brings_special_tokens = True
    rendering_code = f"""{FILLING_CODE}
messages = [] if prompt["system"] is None else [{{"role": "system", "content": prompt["system"]}}]
# Earlier turns of a conversation go here, such as {{"role": "assistant", "content": "It left."}}.
messages.append({{"role": "user", "content": text}})
# A chat template that asks for the date gets today's here; in training it got prompt["today"].
text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False, **prompt["variables"])
"""

    system: Text | None
    """The system message of conversations that have none; None to add none."""
    today: Annotated[str, AfterValidator(lambda day: date.fromisoformat(day).isoformat())]
    """The date (ISO 8601) for chat templates that ask for today's, as Llama 3.2's does. With the real one, the same
    cell would have other prompts tomorrow."""
    chat_template: Annotated[str, Field(min_length=1)] | None
    """A file with a chat template in Jinja, or `simple` for one without special tokens, which any base model can learn.
    None for the tokenizer's own."""
    variables: dict[str, bool | int | str]
    """What the chat template is told besides the messages, such as `{enable_thinking: false}` for Qwen3."""

    def identity(self) -> dict[str, Any]:
        file = self._file
        return super().identity() | {"chat_template": None if file is None else digest(file)}

    def render(
        self,
        example: Example,
        context: str,
        tokenizer: "PreTrainedTokenizerBase",
        demonstrations: Sequence[Example] = (),
    ) -> str:
        return self._rendered(self._turns(example, context, demonstrations), tokenizer, _of(example))

    def completion(self, answer: str) -> str:
        return answer

    def ending(self, tokenizer: "PreTrainedTokenizerBase") -> tuple[int, ...]:
        ending = self._ending(tokenizer)
        return (tokenizer.eos_token_id,) if ending is None else ending.ids

    def earlier_answers(self, example: Example, tokenizer: "PreTrainedTokenizerBase") -> list[tuple[int, int]]:
        if all(message.role != "assistant" for message in example.messages):
            return []
        turns = self._turns(example, example.context)
        spans = answer_spans(lambda turns: self._rendered(turns, tokenizer, _of(example)), turns)
        if spans is None:
            raise InputError(
                f"the chat template of {tokenizer.name_or_path} changes other text with an earlier turn of the "
                f"assistant, or shows none (example {example.id}), so that the turn cannot be learned; name another "
                "template with prompt.chat_template=PATH"
            )
        text, ending = self._rendered(turns, tokenizer, _of(example)), self._ending(tokenizer)
        end = "" if ending is None else ending.text
        return [(first, last + len(end) if text.startswith(end, last) else last) for first, last in spans]

    def warning(self, tokenizer: "PreTrainedTokenizerBase") -> str | None:
        turns = self._turns(_ANYTHING, "")
        prompt = self._rendered(turns, tokenizer, _SOMETHING)
        before, _ = around_answer(lambda turns: self._rendered(turns, tokenizer, _SOMETHING, asks=False), turns)
        if before == prompt:
            return None
        asked, answered = (text.rpartition(_ANYTHING.question)[2] for text in (prompt, before))
        return (
            f"the chat template of {tokenizer.name_or_path} puts {answered!r} between a question and its answer, but "
            f"ends prompts with {asked!r}: an untrained model may begin with thoughts, which would be scored as its "
            "answer; set prompt.variables={enable_thinking: false} if the template knows that"
        )

    def equip(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        if (file := self._file) is not None:
            tokenizer.chat_template = file.read_text(encoding="utf-8")

    @property
    def _file(self) -> Path | None:
        if self.chat_template is None:
            return None
        return SIMPLE if self.chat_template == "simple" else Path(self.chat_template).expanduser()

    def _turns(self, example: Example, context: str, demonstrations: Sequence[Example] = ()) -> list[Turn]:
        system, own = _parted(self._asked(example, context))
        if self.system is not None and not system:
            system = [{"role": "system", "content": self.system}]
        shown: list[Turn] = []
        for demonstration in demonstrations:
            shown += _parted(self._asked(demonstration, demonstration.context))[1]
            shown.append({"role": "assistant", "content": demonstration.references[0]})
        return [*system, *shown, *own]

    def _asked(self, example: Example, context: str) -> list[Turn]:
        if example.messages:
            return [message.model_dump() for message in example.messages]
        return [{"role": "user", "content": self.filled(example.question, context)}]

    def _ending(self, tokenizer: "PreTrainedTokenizerBase") -> Ending | None:
        def render(turns: Sequence[Turn]) -> str:
            return self._rendered(turns, tokenizer, _SOMETHING, asks=False)

        return find_ending(render, self._turns(_ANYTHING, ""), tokenizer)

    def _rendered(
        self, turns: Sequence[Turn], tokenizer: "PreTrainedTokenizerBase", what: str, *, asks: bool = True
    ) -> str:
        """The text of `turns`, and the beginning of an answer if the template `asks` for one."""
        from jinja2 import TemplateError

        try:
            rendered: Any = tokenizer.apply_chat_template(
                list(turns),
                chat_template=with_fixed_date(self._source(tokenizer), self.today),
                add_generation_prompt=asks,
                tokenize=False,
                **self.variables,
            )
        except TemplateError as error:
            raise InputError(
                f"the chat template of {tokenizer.name_or_path} refuses {what} ({error}); "
                "if it knows no system message, set prompt.system=null and leave them out of the data"
            ) from error
        return str(rendered)

    def _source(self, tokenizer: "PreTrainedTokenizerBase") -> str:
        if (file := self._file) is not None:
            return file.read_text(encoding="utf-8")
        if tokenizer.chat_template is None:
            raise InputError(
                f"the tokenizer of {tokenizer.name_or_path} has no chat template; choose a simple one with "
                "prompt.chat_template=simple, or another prompt: prompt=alpaca"
            )
        return str(tokenizer.get_chat_template())


def _of(example: Example) -> str:
    return f"the messages of example {example.id}"


def _parted(turns: list[Turn]) -> tuple[list[Turn], list[Turn]]:
    """The system message at the beginning, if there is one, and the turns after it."""
    n_system = int(turns[0]["role"] == "system")
    return turns[:n_system], turns[n_system:]
