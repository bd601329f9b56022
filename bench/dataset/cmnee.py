"""CMNEE (Zhu et al. 2024): Chinese military news with annotated events, as questions about who, what, when and where.

One question for each role that an event fills. It quotes the event's trigger and names the fillers of its other roles,
so that it is about this event alone; cmnee.json has the wording. Coreferences (`coref_arguments`) are ignored: another
mention of an answer is not accepted.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, Field, model_validator

from bench.dataset import HeldOut
from bench.dataset.files import place, read_records, validated
from bench.dataset.overlap import normalised
from bench.dataset.split import Fractions, hold_out, sampled
from bench.dataset.translation import checkpoint_digests, translations
from bench.errors import InputError
from bench.example import Example, SplitName, Splits, Step

KINDS: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
"""The event types, with the name of each in Chinese, and the name and the question of each of its roles."""
SEVERAL = "、"
"""Between the fillers of one role."""

OFFSET, ABSENT, DOCUMENT, TRANSLATED = (
    "offsets that point to other text than the argument's",
    "answers that do not occur in the text",
    "documents that were there already",
    "answers that do not occur in the translated text",
)
"""What is counted while a file is read."""


class Cmnee(HeldOut):
    """The authors' JSON files (`train`, `tune` and `test`): a list of documents, each with its text and its events.

    Several fillers of one role are one answer, in the order of the text, because a question asks for all of them. If
    two questions about a document are the same, the answer of either is accepted.
    """

    unfilled: Literal["drop", "abstain"]
    """Ask nothing about roles that an event does not fill, or ask and expect an empty answer."""
    translate: str | None
    """The folder of a translation checkpoint (Chinese to English, such as opus-mt-zh-en), or None to stay in Chinese.
    Texts, questions and answers are translated, once: `bench.dataset.translation` keeps the translations."""
    lost_answers: Literal["drop", "keep"]
    """Leave out questions whose answer does not occur in the translated text, or keep them."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)]
    """The share of the training file's documents held out for test if there is no test file."""

    @model_validator(mode="before")
    @classmethod
    def _language(cls, content: Any) -> Any:
        """English after a translation, otherwise Chinese, unless the language is given."""
        if isinstance(content, dict) and content.get("language", "") is None:
            return content | {"language": "zh" if content.get("translate") is None else "en"}
        return content

    def identity(self) -> dict[str, Any]:
        content = None if self.translate is None else checkpoint_digests(self.translate)
        return super().identity() | {"translate": content}

    def load(self) -> Splits:
        if self.train is None:
            raise InputError("dataset=cmnee: name the authors' file with dataset.train=PATH; the hub does not have it")
        files: dict[SplitName, str | None] = {"train": self.train, "tune": self.tune, "test": self.test}
        read: dict[SplitName, tuple[tuple[Example, ...], list[Step]]] = {
            name: self._read(name, path) for name, path in files.items() if path is not None
        }
        fractions = Fractions(
            tune=0 if self.tune else self.tune_fraction,
            test=0 if self.test else self.test_fraction,
        )
        splits = hold_out(read["train"][0], fractions, self.split_seed)
        splits = splits.replaced({name: examples for name, (examples, _) in read.items() if name != "train"})
        steps = tuple(step for _, steps in read.values() for step in steps)
        return sampled(splits, self.limits, self.split_seed).model_copy(update={"steps": steps})

    def _read(self, split: SplitName, path: str) -> tuple[tuple[Example, ...], list[Step]]:
        """The examples of a file, and what was left out of it."""
        counts: Counter[str] = Counter()
        examples = self._examples(path, counts)
        for harmless in (OFFSET, DOCUMENT):
            if counts[harmless]:
                print(f"{path}: {counts[harmless]} {harmless}", file=sys.stderr, flush=True)
        names = (ABSENT, TRANSLATED) if self.lost_answers == "drop" else (ABSENT,)
        steps = [Step(name=name, split=split, n_dropped=counts[name], samples=()) for name in names if counts[name]]
        return examples, steps

    def _examples(self, path: str, counts: Counter[str]) -> tuple[Example, ...]:
        questions = [
            question
            for document in _documents(path, counts)
            for question in _questions(document, self.unfilled == "abstain", counts)
        ]
        if self.translate is None:
            return tuple(question.example() for question in questions)
        return tuple(self._translated(questions, self.translate, counts))

    def _translated(self, questions: list["Question"], checkpoint: str, counts: Counter[str]) -> Iterator[Example]:
        english = translations([text for question in questions for text in question.texts], checkpoint)
        for question in questions:
            example = question.translated(english)
            context = normalised(example.context)
            fillers = [_bare(english[filler]) for answer in question.answers for filler in answer]
            if not all(normalised(filler) in context for filler in fillers):
                counts[TRANSLATED] += 1
                if self.lost_answers == "drop":
                    continue
            yield example


class Question(NamedTuple):
    """A question about a document, in Chinese."""

    id: str
    cluster: str
    text: str
    context: str
    answers: list[list[str]]
    """The accepted answers, each as the fillers that it lists; without a filler, to abstain."""

    @property
    def texts(self) -> list[str]:
        """Everything that is translated."""
        return [self.context, self.text, *(filler for answer in self.answers for filler in answer)]

    def example(self) -> Example:
        """The question in Chinese."""
        return self._example(self.text, self.context, [SEVERAL.join(answer) for answer in self.answers])

    def translated(self, english: dict[str, str]) -> Example:
        """The question in English, given the translation of each of its texts."""
        answers = [", ".join(_bare(english[filler]) for filler in answer) for answer in self.answers]
        return self._example(english[self.text], english[self.context], answers)

    def _example(self, question: str, context: str, answers: list[str]) -> Example:
        references = tuple(dict.fromkeys(answers))
        return Example(id=self.id, cluster=self.cluster, question=question, context=context, references=references)


def _bare(translation: str) -> str:
    """The translation of a phrase without the full stop that makes it a sentence."""
    return translation.rstrip(" .") or translation


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def _event_type(name: str) -> str:
    if name not in KINDS:
        raise ValueError(f"must be one of {', '.join(KINDS)}, got {name!r}")
    return name


Filled = Annotated[str, AfterValidator(_filled)]


class _Mention(BaseModel):
    text: Annotated[Filled, AfterValidator(str.strip)]
    offset: tuple[int, int]
    """Of its first character in the document's text, and of the one after its last."""


class _Argument(_Mention):
    role: str


class _Event(BaseModel):
    event_type: Annotated[str, AfterValidator(_event_type)]
    trigger: _Mention
    arguments: list[_Argument]

    @model_validator(mode="after")
    def _roles(self) -> "_Event":
        roles = KINDS[self.event_type]["roles"]
        for argument in self.arguments:
            if argument.role not in roles:
                known = ", ".join(roles)
                raise ValueError(f"the roles of {self.event_type} are {known}, got {argument.role!r}")
        return self

    def fillers(self, text: str) -> dict[str, list[str]]:
        """The distinct fillers of each role that is filled, in the order of the document's `text`."""
        by_role: dict[str, list[str]] = {role: [] for role in KINDS[self.event_type]["roles"]}
        for argument in sorted(self.arguments, key=lambda argument: (text.find(argument.text), argument.offset)):
            if argument.text not in by_role[argument.role]:
                by_role[argument.role].append(argument.text)
        return {role: fillers for role, fillers in by_role.items() if fillers}


class _Document(BaseModel):
    id: Filled
    text: Filled
    event_list: list[_Event]


def _documents(path: str, counts: Counter[str]) -> Iterator[_Document]:
    """The documents of a file, each once.

    Raises:
        InputError: it is not in the authors' layout, or two documents have the same id.
    """
    known: dict[str, _Document] = {}
    for number, record in read_records(path):
        at = place(path, number)
        if name := record.get("id"):
            at += f", document {name!r}"
        document = validated(_Document, record, f"{at}: not CMNEE's layout")
        same = known.setdefault(document.id, document)
        if same is document:
            yield document
        elif same == document:
            counts[DOCUMENT] += 1
        else:
            raise InputError(f"{at}: an earlier document has this id and other content; give each its own")


def _questions(document: _Document, abstain: bool, counts: Counter[str]) -> list[Question]:
    """The questions about a document, each once; also about roles that are not filled if the model can `abstain`."""
    questions: dict[str, Question] = {}
    for number, event in enumerate(document.event_list):
        fillers = event.fillers(document.text)
        counts[OFFSET] += sum(_is_off(mention, document.text) for mention in (event.trigger, *event.arguments))
        for role in KINDS[event.event_type]["roles"]:
            answer = fillers.get(role, [])
            if any(filler not in document.text for filler in answer):
                counts[ABSENT] += 1
            elif answer or abstain:
                text = _wording(event, role, fillers)
                own = Question(f"{document.id}-{number}-{role}", document.id, text, document.text, [])
                questions.setdefault(text, own).answers.append(answer)
    return list(questions.values())


def _is_off(mention: _Mention, text: str) -> bool:
    start, end = mention.offset
    return text[max(0, start) : max(0, end)].strip() != mention.text


def _wording(event: _Event, asked: str, fillers: dict[str, list[str]]) -> str:
    """The question about one role of an event, such as `关于“相撞”所指的事故（时间：6月13日），事故造成了什么结果？`"""
    kind = KINDS[event.event_type]
    others = [f"{kind['roles'][role]['name']}：{SEVERAL.join(own)}" for role, own in fillers.items() if role != asked]
    known = f"（{'；'.join(others)}）" if others else ""
    return f"关于“{event.trigger.text}”所指的{kind['name']}{known}，{kind['roles'][asked]['question']}"
