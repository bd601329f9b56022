import json
import math
import re

import numpy as np
import pytest

from bench.report.read.predictions import disagreement, read_asked, read_predictions
from bench.report.read.problem import Problem
from bench.report.read.study import read_studies

LINES = [
    {
        "id": "q1",
        "cluster": "Normandy",
        "question": "Who?",
        "context": "Rollo led them.",
        "prediction": "Rollo\u2028",
        "references": ["Rollo", "the Viking"],
        "reference_nll_nats": 1.5,
        "reference_tokens": 2,
        "scores": {"bleu": 1, "token_f1": 0.5},
        "parts": {"answer_macro_f1": ["rollo", "rollo"]},
    },
    {
        "id": "q2",
        "cluster": "Normandy",
        "question": "When?",
        "context": "Rollo led them.",
        "prediction": "",
        "references": ["911"],
        "reference_nll_nats": None,
        "reference_tokens": 3,
        "scores": {"bleu": 0.25, "token_f1": None},
        "parts": {"answer_macro_f1": ["", "911"]},
    },
]
LOST = "this cell's answers are not shown, and its scores have no intervals."


@pytest.fixture
def write(tmp_path):
    def write(lines):
        path = tmp_path / "predictions.jsonl"
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        return path

    return write


def without(lines, *fields):
    return [{name: value for name, value in line.items() if name not in fields} for line in lines]


def test_answers_are_read_as_parallel_arrays(write):
    found = read_predictions(write(LINES))
    assert (found.ids, found.clusters, found.answers) == (("q1", "q2"), ("Normandy", "Normandy"), ("Rollo\u2028", ""))
    assert found.scores["bleu"].tolist() == [1.0, 0.25]
    assert np.array_equal(found.scores["token_f1"], [0.5, math.nan], equal_nan=True)
    assert found.parts == {"answer_macro_f1": (("rollo", "rollo"), ("", "911"))}
    assert found.likelihoods == ((1.5, 2), (None, 3))


def test_what_was_asked_is_read_by_itself(write):
    asked = read_asked(write(LINES))
    assert asked.questions == ("Who?", "When?")
    assert asked.contexts == ("Rollo led them.", "Rollo led them.")
    assert asked.references == (("Rollo", "the Viking"), ("911",))
    assert (asked.messages, asked.are_texts) == (((), ()), False)


def test_conversations_and_texts_that_ask_nothing_are_recognised(write):
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"}]
    asked = read_asked(write([LINES[0] | {"messages": turns}, LINES[1]]))
    assert asked.messages == ((("system", "Be brief."), ("user", "Who?")), ())
    text = {"question": "Rollo led them.", "context": "", "references": ["Rollo led them."], "prediction": ""}
    assert read_asked(write([LINES[0] | text])).are_texts


def test_lines_from_before_questions_and_parts_were_kept_have_their_scores(write):
    path = write(without(LINES, "question", "context", "parts"))
    found = read_predictions(path)
    assert found.scores["bleu"].tolist() == [1.0, 0.25]
    assert (found.parts, found.likelihoods) == ({}, ((1.5, 2), (None, 3)))
    with pytest.raises(ValueError, match=r"^is not what a cell writes at line 1 \(question: Field required\)$"):
        read_asked(path)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (b'{"id":"q2","clus', "is cut off or broken JSON at line 2"),
        (b"\xff\xfe\n", "is cut off or broken JSON at line 2"),
        (b"[" * 100_000, "is cut off or broken JSON at line 2"),
        (b"\n", "is cut off or broken JSON at line 2"),
        (b"[]\n", "is not what a cell writes at line 2 (Input should be an object)"),
        (b'{"loss":3}\n', "is not what a cell writes at line 2 (id: Field required)"),
        (LINES[1] | {"id": 7}, "is not what a cell writes at line 2 (id: Input should be a valid string)"),
        (
            LINES[1] | {"reference_tokens": 10**400},
            "is not what a cell writes at line 2 (reference_tokens: Input should be less than 9007199254740992)",
        ),
        (LINES[1] | {"id": "q1"}, "has an answer twice"),
        (LINES[1] | {"scores": {"bleu": 0.5}}, "has other scores at line 2 than at line 1"),
        (LINES[1] | {"parts": {}}, "has other scores at line 2 than at line 1"),
        (
            LINES[1] | {"scores": {"bleu": math.inf, "token_f1": None}},
            "is not what a cell writes at line 2 (scores.bleu: Input should be a finite number)",
        ),
    ],
)
def test_what_no_cell_writes_is_told_with_its_line(tmp_path, second, message):
    path = tmp_path / "predictions.jsonl"
    second = second if isinstance(second, bytes) else json.dumps(second).encode() + b"\n"
    path.write_bytes(json.dumps(LINES[0]).encode() + b"\n" + second)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_predictions(path)


def test_answers_are_held_against_their_record(write):
    found = read_predictions(write(LINES))
    # Of token_f1 one example has none, so there is no mean to compare
    told = {"bleu": 0.625, "token_f1": 0.9, "perplexity": 3.0}
    assert disagreement(found, 2, told) is None
    assert disagreement(found, None, told) is None
    assert disagreement(found, 3, told) == "has 2 answers, and its record says 3"
    assert disagreement(found, 2, told | {"bleu": 0.62}) == "has a mean bleu of 0.625, and its record says 0.62"
    assert disagreement(found, 2, told | {"bleu": None}) == "has the score bleu, and its record has not"


def test_a_study_has_the_answers_of_every_cell_with_scores(write_cell, runs):
    first = write_cell("lora")
    second = write_cell("lora", seed=1)
    write_cell("qlora", status="failed")
    (study,) = read_studies(runs)
    assert study.problems == ()
    assert sorted(study.predictions) == [f"demo/{first.name}", f"demo/{second.name}"]
    one, other = study.predictions.values()
    assert len(one.answers) == 60
    assert one.scores["exact_match"].mean() == pytest.approx(0.4)
    assert one.ids is other.ids


def test_answers_that_are_not_their_record_s_are_listed_and_the_record_still_counts(write_cell, runs):
    gone = write_cell("lora", folder="a-gone")
    (gone / "predictions.jsonl").unlink()
    torn = write_cell("lora", seed=1, folder="b-torn") / "predictions.jsonl"
    torn.write_bytes(torn.read_bytes()[:-10])
    short = write_cell("lora", seed=2, folder="c-short") / "predictions.jsonl"
    short.write_bytes(b"".join(short.read_bytes().splitlines(keepends=True)[:59]))
    record = write_cell("lora", seed=3, folder="d-other") / "record.json"
    record.write_text(record.read_text().replace('"token_f1": 0.7', '"token_f1": 0.8'))
    odd = write_cell("lora", seed=4, folder="e-odd") / "predictions.jsonl"
    odd.unlink()
    odd.mkdir()

    (study,) = read_studies(runs)

    assert [cell.seed for cell in study.cells] == [0, 1, 2, 3, 4]
    assert study.predictions == {}
    assert study.problems == (
        Problem("demo/a-gone/predictions.jsonl", f"cannot be read (No such file or directory): {LOST}"),
        Problem("demo/b-torn/predictions.jsonl", f"is cut off or broken JSON at line 60: {LOST}"),
        Problem("demo/c-short/predictions.jsonl", f"has 59 answers, and its record says 60: {LOST}"),
        Problem("demo/d-other/predictions.jsonl", f"has a mean token_f1 of 0.7, and its record says 0.8: {LOST}"),
        Problem("demo/e-odd/predictions.jsonl", f"cannot be read (Is a directory): {LOST}"),
    )
