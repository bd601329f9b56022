import json
from pathlib import Path
from typing import Any

import pytest

from bench.dataset import Dataset
from bench.dataset.squad_v2 import SquadV2
from bench.errors import InputError
from bench.example import Example
from tests.shipped import shipped

SETTINGS = shipped("dataset", "squad_v2")

CAT = {
    "context": "The cat sat on the mat.",
    "qas": [
        {
            "id": "q1",
            "question": "Where did the cat sit?",
            "answers": [
                {"text": "on the mat", "answer_start": 12},
                {"text": "the mat", "answer_start": 15},
                {"text": "on the mat", "answer_start": 12},
            ],
            "is_impossible": False,
        },
        {
            "id": "q2",
            "question": "Where did the dog sit?",
            "answers": [],
            "plausible_answers": [{"text": "the mat", "answer_start": 15}],
            "is_impossible": True,
        },
        {"id": "q3", "question": "Who sat?", "answers": [{"text": "The cat", "answer_start": 0}]},
    ],
}
RAIN: dict[str, Any] = {
    "context": "It rained.",
    "qas": [{"id": "q4", "question": "What happened?", "answers": [{"text": "rained", "answer_start": 3}]}],
}

WHERE = Example(
    id="q1",
    cluster="Cats",
    question="Where did the cat sit?",
    context="The cat sat on the mat.",
    references=("on the mat", "the mat"),
)
DOG = WHERE.model_copy(update={"id": "q2", "question": "Where did the dog sit?", "references": ("",)})
WHO = WHERE.model_copy(update={"id": "q3", "question": "Who sat?", "references": ("The cat",)})
WEATHER = Example(id="q4", cluster="Rain", question="What happened?", context="It rained.", references=("rained",))


@pytest.fixture(autouse=True)
def _files(in_empty_folder: None) -> None:
    write("train.json", [{"title": "Cats", "paragraphs": [CAT]}])
    write("test.json", [{"title": "Rain", "paragraphs": [RAIN]}])


def write(name: str, articles: Any) -> None:
    Path(name).write_text(json.dumps({"version": "v2.0", "data": articles}))


def dataset(**changes: Any) -> Dataset:
    local = {"train": "train.json", "test": "test.json"}
    return Dataset.model_validate(SETTINGS | {"tune_fraction": 0} | local | changes)


def test_configuration_lists_every_field() -> None:
    assert isinstance(dataset(), SquadV2)
    assert set(SETTINGS) == {"_target_", *SquadV2.model_fields}


def test_unanswerable_questions_are_dropped() -> None:
    splits = dataset().load()
    assert splits.train == (WHERE, WHO)
    assert splits.test == (WEATHER,)


def test_unanswerable_questions_are_kept_as_abstentions() -> None:
    assert dataset(unanswerable="keep").load().train == (WHERE, DOG, WHO)


def test_limits_count_what_is_left_after_the_filter() -> None:
    assert dataset(train_limit=2).load().train == (WHERE, WHO)
    assert dataset(train_limit=1, unanswerable="keep").load().train == (WHERE,)
    assert dataset(train="test.json", test="train.json", test_limit=1).load().test == (WHERE,)


def test_limits_take_whole_articles_from_all_over_the_file() -> None:
    articles = [
        {
            "title": f"Article {number:02}",
            "paragraphs": [
                {
                    "context": f"It rained in {number}.",
                    "qas": [
                        {"id": f"{number}-{at}", "question": f"What {at}?", "answers": [{"text": "rained"}]}
                        for at in range(3)
                    ],
                }
            ],
        }
        for number in range(40)
    ]
    write("train.json", articles)
    train = dataset(train_limit=12).load().train
    titles = [example.cluster for example in train]
    assert len(set(titles)) == 4
    assert titles == sorted(titles)
    assert max(titles) > "Article 20"
    assert set(train) < set(dataset(train_limit=30).load().train)
    assert set(dataset(train_limit=12, split_seed=1).load().train) != set(train)


def test_some_training_articles_are_the_tune_split_unless_a_file_is() -> None:
    asked = [
        {"id": str(n), "question": "How many?", "answers": [{"text": str(n), "answer_start": 0}]} for n in range(40)
    ]
    articles = [
        {"title": f"Article {n}", "paragraphs": [{"context": f"{n} ships.", "qas": [question]}]}
        for n, question in enumerate(asked)
    ]
    write("train.json", articles)
    held_out = dataset(tune_fraction=0.2).load()
    assert 2 <= len(held_out.tune) <= 14  # 8 expected; two and a half standard deviations are 6
    assert set(held_out.train + held_out.tune) == set(dataset().load().train)
    assert held_out.test == dataset().load().test == (WEATHER,)
    assert len(dataset(tune_fraction=0.2, tune_limit=1).load().tune) == 1
    write("tune.json", articles[:3])
    given = dataset(tune_fraction=0.2, tune="tune.json").load()
    assert (len(given.train), [example.id for example in given.tune]) == (40, ["0", "1", "2"])


def message(articles: Any) -> str:
    write("train.json", articles)
    with pytest.raises(InputError) as caught:
        dataset().load()
    return str(caught.value)


def test_message_names_the_place_in_the_file() -> None:
    rain = RAIN | {"qas": [*RAIN["qas"], {"id": "q9", "answers": []}]}
    assert message([{"title": "Cats", "paragraphs": [CAT, rain]}]) == (
        "train.json: not SQuAD's official layout: data[0].paragraphs[1].qas[1].question: Field required"
    )


def test_answerable_question_without_an_answer() -> None:
    paragraph = {"context": "It rained.", "qas": [{"id": "q9", "question": "Why?", "answers": []}]}
    assert message([{"title": "Rain", "paragraphs": [paragraph]}]) == (
        "train.json: question 'q9' has no answer and is not marked is_impossible"
    )


def test_list_of_records_is_not_the_official_layout() -> None:
    Path("train.json").write_text("[]")
    with pytest.raises(InputError) as caught:
        dataset().load()
    assert str(caught.value) == "train.json: not SQuAD's official layout: Input should be a valid dictionary"


def test_a_table_is_referred_to_the_data_set_that_reads_tables(tmp_path: Path) -> None:
    file = tmp_path / "faq.csv"
    file.write_text("question,answer\nWho?,Me\n")
    with pytest.raises(InputError) as caught:
        SquadV2.model_validate(SETTINGS | {"train": str(file), "test": str(file)}).load()
    assert str(caught.value) == (
        f"{file}:1: broken JSON: Expecting value (column 1); "
        "choose dataset=records for a table of questions and answers"
    )
