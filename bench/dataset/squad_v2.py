"""SQuAD v2.0 (Rajpurkar, Jia and Liang 2018): questions about Wikipedia articles, answered by a span or not at all."""

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, Field

from bench.dataset import HeldOut, HubData
from bench.dataset.files import place, read_json, validated
from bench.dataset.hub_data import Commit, Rows, read_hub_data
from bench.dataset.split import Fractions, hold_out, sampled
from bench.errors import InputError
from bench.example import Example, Splits


class SquadV2(HeldOut):
    """SQuAD's own splits from the hub, or files in its official JSON layout (v1.1 and v2.0) for some or all.

    Its validation split (`dev`) is scored, since the answers of its own test split are secret. The tune split is a part
    of the training articles.
    """

    path: str
    """The data set's name on the hub; the splits that have no local file come from there."""
    revision: Commit | None
    """None for the newest one."""
    unanswerable: Literal["drop", "keep"]
    """Leave out questions that the article does not answer, or keep them with an empty answer (abstention)."""

    def from_hub(self) -> HubData | None:
        return None if self.train and self.test else HubData(self.path, self.revision, None)

    def load(self) -> Splits:
        source = self.from_hub()
        hub = {} if source is None else read_hub_data(*source)
        train, test = (
            self._kept(_official(file) if file else _hub_rows(hub, self.path, split))
            for split, file in (("train", self.train), ("validation", self.test))
        )
        splits = hold_out(train, Fractions(tune=0 if self.tune else self.tune_fraction, test=0), self.split_seed)
        tune = splits.tune if self.tune is None else self._kept(_official(self.tune))
        return sampled(splits.replaced({"tune": tune, "test": test}), self.limits, self.split_seed)

    def _kept(self, pairs: Iterable[tuple[Example, bool]]) -> tuple[Example, ...]:
        return tuple(example for example, answerable in pairs if answerable or self.unanswerable == "keep")


class _Answer(BaseModel):
    text: str = Field(min_length=1)


class _Question(BaseModel):
    id: str = Field(min_length=1)
    question: str = Field(min_length=1)
    answers: list[_Answer]
    is_impossible: bool = False


class _Paragraph(BaseModel):
    context: str = Field(min_length=1)
    qas: list[_Question]


class _Article(BaseModel):
    title: str = Field(min_length=1)
    paragraphs: list[_Paragraph]


class _File(BaseModel):
    data: list[_Article]


class _HubAnswers(BaseModel):
    text: list[str]


class _HubRow(BaseModel):
    id: str = Field(min_length=1)
    title: str = Field(min_length=1)
    context: str = Field(min_length=1)
    question: str = Field(min_length=1)
    answers: _HubAnswers


def _official(path: str) -> list[tuple[Example, bool]]:
    """Every question of an official file, in the file's order, and whether it has an answer."""
    pairs = []
    for article in validated(_File, read_json(path), f"{path}: not SQuAD's official layout").data:
        for paragraph in article.paragraphs:
            for question in paragraph.qas:
                if not question.answers and not question.is_impossible:
                    raise InputError(f"{path}: question {question.id!r} has no answer and is not marked is_impossible")
                texts = [] if question.is_impossible else [answer.text for answer in question.answers]
                pairs.append(_pair(question.id, article.title, question.question, paragraph.context, texts))
    return pairs


def _hub_rows(hub: dict[str, Rows], path: str, split: str) -> list[tuple[Example, bool]]:
    """Every question of the hub's split, in the split's order, and whether it has an answer."""
    if split not in hub:
        raise InputError(f"{path} has no split {split!r}, only {', '.join(map(repr, hub))}")
    rows = (
        validated(_HubRow, record, f"{place(f'{path} {split}', number)}: not SQuAD's layout")
        for number, record in hub[split]()
    )
    return [_pair(row.id, row.title, row.question, row.context, row.answers.text) for row in rows]


def _pair(id: str, title: str, question: str, context: str, answers: list[str]) -> tuple[Example, bool]:
    """An example, and whether it has an answer."""
    references = tuple(dict.fromkeys(answers)) or ("",)
    example = Example(id=id, cluster=title, question=question, context=context, references=references)
    return example, bool(answers)
