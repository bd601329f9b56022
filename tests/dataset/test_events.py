import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from bench.dataset import Dataset
from bench.dataset.events import KINDS, Events, Kind, shuffled, write_report
from bench.dataset.phrases import Phrase, pick
from bench.errors import InputError
from bench.example import fingerprint
from tests.shipped import shipped

SETTINGS = {
    "name": "events",
    "language": "en",
    "seed": 0,
    "train_documents": 40,
    "tune_documents": 10,
    "test_documents": 20,
    "questions_per_document": 3,
    "train": None,
    "tune": None,
    "test": None,
    "train_limit": None,
    "tune_limit": None,
    "test_limit": None,
}


def events(**changed: object) -> Events:
    return Events.model_validate(SETTINGS | changed)


def test_the_shipped_configuration_gives_2100_training_300_tune_and_450_test_questions() -> None:
    settings = shipped("dataset", "events")
    assert settings.keys() == SETTINGS.keys() | {"_target_"}
    splits = Dataset.model_validate(settings).load()
    assert [len(split) for split in splits.parts().values()] == [2100, 300, 450]
    assert len({example.cluster for example in splits.test}) == 150


def test_a_seed_gives_the_same_reports_on_every_machine() -> None:
    splits = events().load()
    first = splits.test[0]
    assert first.id == "events-0-test-00000-0"
    assert first.cluster == "events-0-test-00000"
    assert first.question == "Whom did Zamoria help?"
    assert first.context == (
        "The Ulmerian Border Guard will publish its yearly review in February 2023. On 14 December, Zamoria delivered "
        "290 water pumps to Jorvia. The Eld-9 jammer passed its first trial on Tuesday. The Selvian Army ran the test "
        "off Cape Solford."
    )
    assert first.references == ("Jorvia",)
    assert fingerprint(splits.train) == "32d3e26ea1c661954fbcde7d45aaea833580a7c3e3b337176194c62f047835a9"
    assert fingerprint(splits.test) == "079d01bb0a11e557dfd4e8d72a3df200a3c8c50ea3e67904deeafb1cfce0a452"


def test_the_reports_are_those_that_the_embedded_model_was_trained_for() -> None:
    digest = hashlib.sha256()
    for number in range(2000):
        random = Random(number)
        report = write_report(random, number % 3 + 1)
        written = (report.text, [tuple(question) for question in report.questions], random.random())
        digest.update(repr(written).encode())
    assert digest.hexdigest() == "efb46dd5382a94b05e5ed41583db48e385c600e17cf7592c5c73a6bcb02fc0f2"


def test_the_reports_do_not_depend_on_the_hash_seed_of_the_process() -> None:
    program = (
        "import sys, json\nfrom bench.dataset.events import Events\nfrom bench.example import fingerprint\n"
        "print(fingerprint(Events.model_validate(json.loads(sys.argv[1])).load().train))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program, json.dumps(SETTINGS)],
            env={"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    }
    assert printed == {fingerprint(events().load().train)}


def test_another_seed_gives_other_reports() -> None:
    one, other = events().load(), events(seed=1).load()
    texts = [{example.context for split in splits.parts().values() for example in split} for splits in (one, other)]
    assert texts[0].isdisjoint(texts[1])


def test_no_document_is_in_two_splits() -> None:
    splits = events(train_documents=700, tune_documents=100, test_documents=150).load()
    for document in ("cluster", "context"):
        parts = [{getattr(example, document) for example in split} for split in splits.parts().values()]
        assert [len(part) for part in parts] == [700, 100, 150]
        assert len(set().union(*parts)) == 950


def test_a_report_in_test_is_left_out_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter([7, 8, 8, 9, 7, 9, 10])
    monkeypatch.setattr(
        "bench.dataset.events.write_report", lambda random, n_events: write_report(Random(next(numbers)), 2)
    )
    splits = events(train_documents=1, tune_documents=1, test_documents=2, questions_per_document=1).load()
    assert [example.context for example in splits.test] == [write_report(Random(n), 2).text for n in (7, 8)]
    assert [example.context for example in splits.train] == [write_report(Random(9), 2).text]
    assert splits.train[0].cluster == "events-0-train-00001"
    assert [example.context for example in splits.tune] == [write_report(Random(10), 2).text]


def test_a_larger_split_begins_with_the_smaller_one() -> None:
    small, large = events().load(), events(train_documents=80, tune_documents=30, test_documents=50).load()
    for name, split in small.parts().items():
        assert large.parts()[name][: len(split)] == split


def test_ids_are_unique_and_the_questions_of_a_report_share_its_cluster() -> None:
    splits = events().load()
    examples = splits.train + splits.tune + splits.test
    assert len({example.id for example in examples}) == len(examples) == 210
    assert set(Counter(example.cluster for example in examples).values()) == {3}
    assert all(example.id.startswith(f"{example.cluster}-") for example in examples)


def test_every_reference_stands_verbatim_in_the_report_and_extends_the_first() -> None:
    for example in events(train_documents=400, questions_per_document=4).load().train:
        for reference in example.references:
            assert reference in example.context
            assert reference.endswith(example.references[0])
        assert len(set(example.references)) == len(example.references)


def test_a_question_names_what_tells_its_event_from_the_others() -> None:
    """No two questions on a report are the same, so that none has two different right answers."""
    for number in range(1000):
        questions = [question.text for question in write_report(Random(number), 3).questions]
        assert len(questions) == 12
        assert len(set(questions)) == len(questions)


def test_the_kinds_have_the_eight_types_roles() -> None:
    assert [tuple(kind.roles) for kind in KINDS] == [
        ("Subject", "Equipment", "Date", "Location"),
        ("Subject", "Content", "Date", "Area"),
        ("Subject", "Militaryforce", "Date", "Location"),
        ("Subject", "Object", "Materials", "Date"),
        ("Subject", "Result", "Date", "Location"),
        ("Subject", "Equipment", "Date", "Location"),
        ("Subject", "Object", "Date", "Location"),
        ("Subject", "Quantity", "Date", "Location"),
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.passages[0])
def test_every_passage_tells_every_role_and_every_question_names_another(kind: Kind) -> None:
    for passage in kind.passages:
        assert Counter(role for role in kind.roles if f"{{{role}}}" in passage) == Counter(kind.roles.keys())
    assert kind.questions.keys() == kind.roles.keys()
    for role, questions in kind.questions.items():
        for question in questions:
            assert f"{{{role}}}" not in question
            assert any(f"{{{other}}}" in question for other in kind.roles)


def test_references_grow_from_the_core_and_are_spelled_as_in_the_passage() -> None:
    phrase = Phrase("at the ", "Karven range")
    assert phrase.references("It was tested at the Karven range.") == (
        "Karven range",
        "the Karven range",
        "at the Karven range",
    )
    assert Phrase("on ", "12 March").references("On 12 March, it began.") == ("12 March", "On 12 March")
    assert Phrase("", "two frigates").references("Two frigates left.") == ("Two frigates",)


def test_pick_and_shuffled_use_only_the_stable_generator() -> None:
    class Fixed(Random):
        def __init__(self, numbers: list[float]) -> None:
            self.numbers = iter(numbers)

        def random(self) -> float:
            return next(self.numbers)

    assert pick(Fixed([0.67]), "abc") == "c"
    assert shuffled(Fixed([0.5, 0.1, 0.3]), "abc") == ["b", "c", "a"]


def test_limits_take_the_first_examples() -> None:
    whole, limited = events().load(), events(train_limit=5, tune_limit=3, test_limit=2).load()
    assert (limited.train, limited.tune, limited.test) == (whole.train[:5], whole.tune[:3], whole.test[:2])


def test_local_files_take_the_place_of_each_split(tmp_path: Path) -> None:
    own, other = events().load(), events(seed=5).load()
    file = tmp_path / "train.jsonl"
    file.write_text("".join(example.model_dump_json() + "\n" for example in other.train))
    assert events(train=str(file)).load().train == other.train
    assert events(train=str(file)).load().test == own.test
    assert events(train=str(file)).load().tune == (), "what is best for invented reports is not best for a file's"
    assert events(tune=str(file), tune_limit=4).load().tune == other.train[:4]
    assert events(test=str(file), test_limit=4).load().test == other.train[:4]


def test_a_record_that_is_not_an_example_is_named_by_file_and_line(tmp_path: Path) -> None:
    example = events().load().train[0]
    file = tmp_path / "train.jsonl"
    file.write_text(f'{example.model_dump_json()}\n{{"id": "2", "cluster": "2", "question": "Who?"}}\n')
    with pytest.raises(InputError) as caught:
        events(train=str(file)).load()
    assert str(caught.value) == (
        f"{file}:2: choose dataset=records for a table of questions and answers; dataset=events needs strings id, "
        "cluster, question and context, and references, a list of strings: references: Field required"
    )


def test_a_broken_line_is_named_by_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "test.jsonl"
    file.write_text('{"id": "1",\n')
    with pytest.raises(InputError, match=rf"^{file}:1: broken JSON: "):
        events(test=str(file)).load()


def test_more_questions_than_a_report_has_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        events(questions_per_document=5).load()
    assert str(caught.value) == ("dataset.questions_per_document: must be at most 4, which every report has, got 5")
