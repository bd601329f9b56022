import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.cell import Cell
from bench.child.interrupt import Interrupted
from bench.child.scores import persist, score
from bench.metric import Answer, Scores
from bench.metric.perplexity import Perplexity

MakeCell = Callable[..., Cell]

TOKEN_F1 = {"_target_": "bench.metric.token_f1.TokenF1", "name": "token_f1"}
EXACT = {"_target_": "bench.metric.exact_match.ExactMatch", "name": "exact_match"}
PERPLEXITY = {"_target_": "bench.metric.perplexity.Perplexity", "name": "perplexity"}


def answered(id: str, prediction: str, *references: str, nll_nats: float | None = 1.5) -> Answer:
    return Answer(
        id=id,
        cluster="document",
        question="Who?",
        context="Somebody.",
        prediction=prediction,
        references=references,
        reference_nll_nats=nll_nats,
        reference_tokens=2,
    )


def scored(cell: Cell, answers: list[Answer]) -> Scores:
    """The scores of metrics that only read the answers."""
    return score(cell, answers, model=None, tokenizer=None)  # type: ignore[arg-type]


ANSWERS = [answered("q1", "the red fox", "red fox", "a fox"), answered("q2", "blue", "green"), answered("q3", "", "")]


def test_all_metrics_together(make_cell: MakeCell) -> None:
    cell = make_cell({"metric": {"token_f1": TOKEN_F1, "exact_match": EXACT, "perplexity": PERPLEXITY}})
    found = scored(cell, ANSWERS)
    # Nats over tokens: 4.5 / 6.
    assert found.values == pytest.approx({"token_f1": 2 / 3, "exact_match": 2 / 3, "perplexity": 2.117000016612675})
    assert found.examples["token_f1"] == (1.0, 0.0, 1.0)
    assert found.examples["exact_match"] == (1.0, 0.0, 1.0)
    assert found.missing == {}


def test_a_missing_score_keeps_its_reason(make_cell: MakeCell) -> None:
    cell = make_cell({"metric": {"token_f1": TOKEN_F1, "perplexity": PERPLEXITY}})
    found = scored(cell, [*ANSWERS, answered("q4", "x", "x", nll_nats=None)])
    assert found.values["perplexity"] is None
    assert set(found.missing) == {"perplexity"}
    assert found.values["token_f1"] == 0.75


def test_the_scores_of_random_weights_are_withheld(make_cell: MakeCell) -> None:
    metrics = {"token_f1": TOKEN_F1, "bleu": {"_target_": "bench.metric.bleu.Bleu", "name": "bleu"}}
    trained = scored(make_cell({"metric": metrics}), ANSWERS)
    found = scored(make_cell({"metric": metrics, "model.weights": "random"}), ANSWERS)
    assert found.values == dict.fromkeys(trained.values)
    assert found.missing == dict.fromkeys(trained.values, "random_weights")
    assert found.examples == {}
    assert found.settings == trained.settings != {}


def test_of_two_scores_with_one_name_the_later_is_named_for_its_metric(make_cell: MakeCell) -> None:
    cell = make_cell({"metric": {"token_f1": TOKEN_F1, "again": TOKEN_F1 | {"name": "again"}}})
    found = scored(cell, ANSWERS)
    assert found.values == pytest.approx({"token_f1": 2 / 3, "again.token_f1": 2 / 3})
    assert set(found.examples) == {"token_f1", "again.token_f1"}


def test_scores_of_metrics_with_one_name_never_overwrite_each_other(make_cell: MakeCell) -> None:
    cell = make_cell({"metric": {"first": TOKEN_F1, "second": TOKEN_F1, "third": TOKEN_F1}})
    found = scored(cell, ANSWERS)
    assert list(found.values) == ["token_f1", "token_f1.token_f1", "token_f1.token_f1.token_f1"]
    assert set(found.examples) == set(found.values)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ZeroDivisionError("no words"), "metric_failed"),
        (SystemExit("no words"), "metric_failed"),
        (MemoryError("no words"), "out_of_memory"),
    ],
)
def test_a_metric_that_fails_costs_its_own_score_alone(
    make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch, error: BaseException, reason: str
) -> None:
    def fail(*_: object) -> Scores:
        raise error

    monkeypatch.setattr(Perplexity, "score", fail)
    found = scored(make_cell({"metric": {"perplexity": PERPLEXITY, "exact_match": EXACT}}), ANSWERS)
    assert found.values == {"perplexity": None, "exact_match": pytest.approx(2 / 3)}
    assert found.missing == {"perplexity": reason}
    assert found.settings["perplexity"] == f"perplexity failed ({type(error).__name__}: no words)"


def test_a_request_to_stop_is_no_failure_of_a_metric(make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> Scores:
        raise Interrupted

    monkeypatch.setattr(Perplexity, "score", stop)
    with pytest.raises(Interrupted):
        scored(make_cell({"metric": {"perplexity": PERPLEXITY}}), ANSWERS)


def test_no_metric_at_all(make_cell: MakeCell) -> None:
    assert scored(make_cell({"metric": {}}), ANSWERS) == Scores(values={}, info={})


def test_every_answer_is_a_line_with_its_own_scores(tmp_path: Path) -> None:
    answers = [answered("q1", "line\nbreak \u2028", "军队"), answered("q2", "x", "y", nll_nats=None)]
    scores = Scores(
        values={"token_f1": 0.5, "corpus_bleu": 0.25},
        examples={"token_f1": (1.0, None)},
        parts={"corpus_bleu": ((3, 1), (1, 1))},
        info={},
    )
    persist(tmp_path / "predictions.jsonl", answers, scores)
    text = (tmp_path / "predictions.jsonl").read_text()
    lines: list[dict[str, Any]] = [json.loads(line) for line in text.split("\n")[:-1]]
    assert text.endswith("}\n")
    assert "军队" in text
    assert lines == [
        {
            "id": "q1",
            "cluster": "document",
            "question": "Who?",
            "context": "Somebody.",
            "prediction": "line\nbreak \u2028",
            "references": ["军队"],
            "reference_nll_nats": 1.5,
            "reference_tokens": 2,
            "scores": {"token_f1": 1.0},
            "parts": {"corpus_bleu": [3, 1]},
        },
        {
            "id": "q2",
            "cluster": "document",
            "question": "Who?",
            "context": "Somebody.",
            "prediction": "x",
            "references": ["y"],
            "reference_nll_nats": None,
            "reference_tokens": 2,
            "scores": {"token_f1": None},
            "parts": {"corpus_bleu": [1, 1]},
        },
    ]
