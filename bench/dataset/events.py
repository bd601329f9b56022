"""`events`: invented news reports of events, with questions whose answers stand in the text.

The eight event types with four roles each are those of CMNEE (Zhu et al. 2024). All names are invented, so that only
the report can tell the answer; any resemblance to real names is coincidence. events.json holds the texts.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from random import Random
from typing import NamedTuple, TypeVar

from pydantic import NonNegativeInt, PositiveInt

from bench.dataset import Dataset
from bench.dataset.files import place, read_records, validated
from bench.dataset.phrases import CONTENT, Phrase, capitalised, phrase, pick
from bench.errors import InputError
from bench.example import Example, Splits

T = TypeVar("T")
STREAMS = {"test": "validation"}
"""Of random numbers, by split. The test split keeps its old name here, and with it the reports that it always had."""


class Events(Dataset):
    """Event reports written by this module, or Example records from local files."""

    seed: NonNegativeInt
    """Another seed gives other reports; the same seed gives the same reports on every machine."""
    train_documents: PositiveInt
    """Number of reports in the training split."""
    tune_documents: NonNegativeInt
    """Number of reports in the tune split; 0 for no tune split. If `train` is a file, only another can be `tune`."""
    test_documents: PositiveInt
    """Number of reports in the test split, which does not depend on the sizes of the others."""
    questions_per_document: PositiveInt
    """Number of questions about each report: at most 4, the number that every report has."""

    def load(self) -> Splits:
        """The splits. The questions about one report share a cluster, and no report is in two splits."""
        if self.questions_per_document > FEWEST_QUESTIONS:
            raise InputError(
                f"dataset.questions_per_document: must be at most {FEWEST_QUESTIONS}, which every report has, "
                f"got {self.questions_per_document}"
            )
        texts: set[str] = set()
        written = {
            "test": tuple(self._examples("test", self.test_documents, texts)),
            "train": tuple(self._examples("train", self.train_documents, texts)),
            "tune": tuple(self._examples("tune", self.tune_documents, texts)),
        }
        if self.train is not None:
            # What suits these reports need not suit the examples of a file.
            written["tune"] = ()
        given = {name: read_examples(path) for name in written if (path := getattr(self, name)) is not None}
        return self.limited(Splits(**written | given))

    def _examples(self, split: str, n_documents: int, texts: set[str]) -> Iterator[Example]:
        """The examples of `n_documents` reports whose texts are not in `texts`; the new texts are added to it."""
        n_written = 0
        for number in count():
            if n_written == n_documents:
                return
            random = Random(f"events/{self.seed}/{STREAMS.get(split, split)}/{number}")
            report = write_report(random, n_events(random))
            if report.text in texts:
                continue
            texts.add(report.text)
            n_written += 1
            document = f"events-{self.seed}-{split}-{number:05d}"
            questions = shuffled(random, report.questions)[: self.questions_per_document]
            for index, (question, references) in enumerate(questions):
                yield Example(
                    id=f"{document}-{index}",
                    cluster=document,
                    question=question,
                    context=report.text,
                    references=references,
                )


def read_examples(path: str) -> tuple[Example, ...]:
    """The Example records of a local file.

    Raises:
        InputError: the file cannot be read, or a record is not an Example (with its line).
    """
    layout = (
        "choose dataset=records for a table of questions and answers; dataset=events needs strings id, cluster, "
        "question and context, and references, a list of strings"
    )
    return tuple(
        validated(Example, record, f"{place(path, number)}: {layout}") for number, record in read_records(path)
    )


class Question(NamedTuple):
    """A question about a report, and the accepted answers: verbatim parts of the report, the shortest first."""

    text: str
    references: tuple[str, ...]


class Report(NamedTuple):
    """A report of one or more events, with one question for each role of each event."""

    text: str
    questions: tuple[Question, ...]


class Kind(NamedTuple):
    """An event type: the kind of phrase for each role, its sentences, and the questions about each role.

    Every question names the filler of another role, and no filler occurs twice in a report with the same verb, so the
    answer is unique.
    """

    roles: dict[str, str]
    passages: list[str]
    questions: dict[str, list[str]]


KINDS = tuple(Kind(**kind) for kind in CONTENT["kinds"].values())
FEWEST_QUESTIONS = min(len(kind.roles) for kind in KINDS)
"""The number of questions about a report of one event."""


def n_events(random: Random) -> int:
    """How many events the next report of the data set describes."""
    return 2 if random.random() < 0.4 else 1


def write_report(random: Random, n_events: int) -> Report:
    """A report of `n_events` events. Only `random.random()` is used, so that all Python versions write the same."""
    used: set[str] = set()
    passages: list[str] = []
    questions: list[Question] = []
    earlier_kinds: list[Kind] = []
    forces: list[Phrase] = []
    for _ in range(n_events):
        kind = pick(random, KINDS)
        fillers = _fillers(kind.roles, random, used)
        if kind.roles["Subject"] == "force":
            # Where one force is the subject of two types of event, only the question's verb tells which one is meant.
            if forces and kind not in earlier_kinds and random.random() < 0.3:
                fillers["Subject"] = forces[0]
            forces.append(fillers["Subject"])
        earlier_kinds.append(kind)
        passage = _filled(pick(random, kind.passages), fillers)
        passages.append(passage)
        questions += [
            Question(_filled(pick(random, kind.questions[role]), fillers), filler.references(passage))
            for role, filler in fillers.items()
        ]
    if random.random() < 0.6:
        # A sentence without an event; no question is about it.
        fillers = _fillers(CONTENT["asides"]["roles"], random, used)
        at = int(random.random() * (len(passages) + 1))
        passages.insert(at, _filled(pick(random, CONTENT["asides"]["passages"]), fillers))
    return Report(" ".join(passages), tuple(questions))


def shuffled(random: Random, items: Sequence[T]) -> list[T]:
    """The items in random order."""
    return [item for _, _, item in sorted((random.random(), index, item) for index, item in enumerate(items))]


def _fillers(roles: Mapping[str, str], random: Random, used: set[str]) -> dict[str, Phrase]:
    """A phrase for every role, with a core that is not in `used`; the new cores are added to it."""
    fillers = {}
    for role, name in roles.items():
        while (filler := phrase(name, random)).core in used:
            pass
        used.add(filler.core)
        fillers[role] = filler
    return fillers


def _filled(template: str, fillers: Mapping[str, Phrase]) -> str:
    text = template.format(**{role: filler.lead + filler.core for role, filler in fillers.items()})
    return ". ".join(capitalised(sentence) for sentence in text.split(". "))
