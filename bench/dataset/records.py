"""Questions and answers in the columns of a table: instruction, optional input and output, whatever they are called.

The defaults are the columns of Stanford Alpaca (Taori et al. 2023).
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bench.dataset.files import Record, validated
from bench.dataset.overlap import normalised
from bench.dataset.table import Table, content_id
from bench.errors import InputError
from bench.example import Example
from bench.settings import Strings

Name = Annotated[str, Field(min_length=1)]


class Records(Table):
    """A question, the text it is about, and the answer, each in a column."""

    unusable: ClassVar[str] = "empty answer"

    instruction_column: Name
    input_column: Name | None
    """The column with the text that the instruction is about, which may be empty; None if there is no such column."""
    output_column: Name
    empty_output: Literal["refuse", "drop", "keep"]
    """What to do with records without an answer: stop, leave them out, or train and score the empty answer."""
    cluster_column: Name | Strings | None
    """The column that names the document an example comes from; of several, the first one that a record has. None if
    examples with equal inputs, or without an input with equal instructions, come from one document."""

    def _example(self, record: Record, at: str) -> Example | None:
        instruction = self._filled(record, "instruction_column", at)
        context = self._text(record, "input_column", at)
        output = self._text(record, "output_column", at)
        if not output.strip() and self.empty_output != "keep":
            if self.empty_output == "drop":
                return None
            raise InputError(
                f"{at}: column {self.output_column!r} is empty, which would train the model to answer nothing; set "
                "dataset.empty_output=drop to leave such records out, or keep if an empty answer is right; the default "
                "is refuse"
            )
        cluster = self._filled(record, "cluster_column", at) if self.cluster_column else _text_id(context, instruction)
        id = (
            self._filled(record, "id_column", at)
            if self.id_column
            else content_id(cluster, instruction, context, output)
        )
        # This can fail: JSON can spell half a surrogate pair, which is no character.
        texts = {"id": id, "cluster": cluster, "question": instruction, "context": context, "references": (output,)}
        return validated(Example, texts, at)


def _text_id(context: str, instruction: str) -> str:
    return content_id(normalised(context) or normalised(instruction))
