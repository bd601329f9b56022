"""What the scale benchmark computes itself; the studies that it makes take minutes, and show what they are good for."""

import pytest
from report_scale import Cost, Row, grid, phases_of, scaled, table, verdicts, whole

from bench.metric import Answer
from bench.metric.answer_macro_f1 import AnswerMacroF1
from bench.metric.bleu import Bleu


def answered(number: int, prediction: str, reference: str) -> Answer:
    return Answer(
        id=str(number),
        cluster="document",
        question="?",
        context="",
        prediction=prediction,
        references=(reference,),
        reference_nll_nats=1.0,
        reference_tokens=1,
    )


ANSWERS = [
    answered(0, "the coastal brigade of the navy", "the coastal brigade of the navy"),
    answered(1, "seven sailors", "seven sailors on Monday"),
    answered(2, "a depot", "the harbour"),
]


@pytest.mark.parametrize("n_cells", [100, 300, 1000])
def test_a_grid_has_as_many_cells_as_asked_for_and_all_are_different(n_cells: int) -> None:
    cells = grid(n_cells)
    assert len(cells) == n_cells
    assert len({(model, method, str(settings), seed) for model, method, settings, seed in cells}) == n_cells


def test_scores_of_a_whole_set_are_the_metrics_own() -> None:
    f1 = AnswerMacroF1(name="answer_macro_f1").score(ANSWERS, "en")
    assert whole("macro_f1", f1.parts["answer_macro_f1"]) == f1.values["answer_macro_f1"] == 0.2
    bleu = Bleu(name="bleu").score(ANSWERS, "en")
    assert whole("corpus_bleu", bleu.parts["corpus_bleu"]) == pytest.approx(bleu.values["corpus_bleu"])


def test_an_hour_is_an_hour_whatever_is_trained() -> None:
    assert [sum(seconds for _, seconds in phases_of(trains)) for trains in (True, False)] == [3600.0, 3600.0]


def test_watts_and_joules_are_scaled_and_nothing_else() -> None:
    section = {"energy_j": 10.0, "phases": {"train": {"mean_power_w": 4.0, "seconds": 2.0}}, "n": 3, "idle_w": None}
    assert scaled(section, 0.5) == {
        "energy_j": 5.0,
        "phases": {"train": {"mean_power_w": 2.0, "seconds": 2.0}},
        "n": 3,
        "idle_w": None,
    }


def test_limits_are_judged_and_shown() -> None:
    rows = [
        Row(100, Cost(10.0, 15.0, 0.0, 500_000_000), Cost(1.0, 0.5, 0.0, 20_000_000), 11_000_000),
        Row(1000, Cost(91.0, 140.0, 0.125, 1_900_000_000), Cost(1.5, 0.9, 0.0, 20_000_000), 24_000_000),
    ]
    assert verdicts(rows) == [
        ("1000 cells within 90 s", False),
        ("1000 cells within 2 GB", True),
        ("10 times the cells take 9.1 times the time, so at most linear", True),
    ]
    assert table(rows).splitlines()[2:] == [
        "| 100 | 10.0 s | 15.0 s | 0 % | 100 ms | 0.50 GB | 11.0 MB | 1.0 s |",
        "| 1000 | 91.0 s | 140.0 s | 12 % | 91 ms | 1.90 GB | 24.0 MB | 1.5 s |",
    ]
