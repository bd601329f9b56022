"""Plain text to continue: a document in each record, or in each .txt file."""

from typing import Annotated, ClassVar

from pydantic import Field

from bench.dataset.files import Record, validated
from bench.dataset.table import Table, content_id
from bench.example import Example
from bench.settings import Strings

Name = Annotated[str, Field(min_length=1)]


class Text(Table):
    """Documents without questions, scored by their likelihood alone. The text stands in the place of the question, too,
    so that everything that compares examples compares documents.
    """

    asks = False
    unusable: ClassVar[str] = "empty text"

    text_column: Name
    """The column with the text; `text` for .txt files. Records in which it is blank are left out."""
    cluster_column: Name | Strings | None
    """The column that names what a text is a part of, such as a book; of several, the first one that a record has. None
    if every text is a document of its own."""

    def _example(self, record: Record, at: str) -> Example | None:
        text = self._text(record, "text_column", at)
        if not text.strip():
            return None
        own_id = content_id(text)
        example = {
            "id": self._filled(record, "id_column", at) if self.id_column else own_id,
            "cluster": self._filled(record, "cluster_column", at) if self.cluster_column else own_id,
            "question": text,
            "references": (text,),
        }
        return validated(Example, example, at)
