from dataclasses import replace

import numpy as np
import pytest

from bench.cli.deciding import Deciding, Looks
from bench.cli.sweep import PlannedCell
from bench.record_sections import Error, ScoreInfo
from bench.report.compare.choice import choices
from bench.report.compare.comparisons import comparisons_of
from bench.report.compare.effects import best, difference, effects, ranked
from bench.report.read.plan import PLAN, Plan
from bench.report.read.study import read_studies
from bench.report.statistics.intervals import difference_interval
from bench.report.statistics.sequential import nominal_p
from bench.report.tables.results import results_tables

LOOKS = (3, 5, 10)
OOM = {"status": "oom", "error": Error(type="OutOfMemoryError", message="too large", phase="train")}


@pytest.fixture
def answered(write_cell, answer_lines, make_record):
    """Writes a cell with the token F1 given for each of its 60 examples of 12 documents."""

    def write(method, values, **changes):
        scores = {"token_f1": float(np.mean(values))}
        lines = answer_lines(make_record(method, scores=scores, **changes))
        for line, value in zip(lines, values, strict=True):
            line["scores"]["token_f1"] = float(value)
        write_cell(method, scores=scores, answered=lines, **changes)

    return write


@pytest.fixture
def study(answered, runs):
    """Writes seeds of methods whose scores vary around a mean by document and by seed, and the plan of all of them."""

    def write(n_seeds, means, seed_sd=0.01, looks=LOOKS, score="token_f1"):
        rng = np.random.default_rng(0)
        documents = np.repeat(rng.normal(0, 0.1, 12), 5)
        keys = []
        for method, mean in means.items():
            for seed in range(n_seeds[method]):
                shift = 0.0 if method == "baseline" else seed_sd * rng.standard_normal()
                own = np.repeat(rng.normal(0, 0.01, 12), 5)
                answered(method, np.clip(mean + documents + own + shift, 0, 1), seed=seed)
            keys += [f"{method}{seed}" for seed in range(10)]
        (runs / "demo" / PLAN).write_text(Plan(score=score, looks=looks, cells=tuple(keys)).model_dump_json())

    return write


def comparison_of(runs):
    (study,) = read_studies(runs)
    assert study.problems == ()
    (comparison,) = comparisons_of(study.cells, study.predictions, study.plan)
    return comparison


def test_a_study_without_a_plan_has_no_decision(answered, runs):
    answered("lora", np.full(60, 0.5))
    assert comparison_of(runs).decision is None


def test_what_was_told_apart_is_said_with_the_look(study, runs):
    study({"baseline": 1, "lora": 3, "toplayer": 3}, {"baseline": 0.3, "lora": 0.6, "toplayer": 0.5})
    decision = comparison_of(runs).decision
    assert decision.going_on == ()
    assert decision.sentences() == [
        "Token F1 was looked at after 3 of at most 10 seeds.",
        "After 3 seeds: lora is better than baseline, toplayer is better than baseline and lora is better than "
        "toplayer.",
    ]


@pytest.mark.parametrize(
    ("n_seeds", "lora", "looks", "why"),
    [
        ({"lora": 3, "toplayer": 3}, 0.6, LOOKS, "lora is better than all others"),
        ({"lora": 3, "toplayer": 3}, 0.5, LOOKS, "more seeds would hardly tell apart those that may be the best"),
        ({"lora": 3, "toplayer": 3}, 0.6, (3,), "3 seeds are the most (max_seeds)"),
        ({"lora": 3, "toplayer": 2}, 0.6, LOOKS, "nothing can be compared"),
    ],
)
def test_why_a_study_stopped(study, runs, n_seeds, lora, looks, why):
    study(n_seeds, {"lora": lora, "toplayer": 0.5}, looks=looks)
    assert comparison_of(runs).decision.why_stopped() == f"Stopped because {why}."


def test_a_study_that_a_failed_cell_stopped_says_so(study, write_cell, runs):
    study({"lora": 4, "toplayer": 5}, {"lora": 0.56, "toplayer": 0.5}, seed_sd=0.03)
    assert set(comparison_of(runs).decision.going_on) == {"lora", "toplayer"}
    write_cell("lora", seed=4, **OOM)
    decision = comparison_of(runs).decision
    assert decision.going_on == ()
    assert decision.why_stopped() == "Stopped because not all cells of lora ended ok."


@pytest.fixture
def looks(runs, default_job):
    """The looks at five seeds of two methods, and at more."""
    planned = []
    for method in ("lora", "toplayer"):
        for seed in range(5):
            own = {"seed": seed, "method": default_job.cell.method.model_copy(update={"name": method})}
            job = default_job.model_copy(update={"cell": default_job.cell.model_copy(update=own)})
            folder = runs / "demo" / f"tiny-{method}-events-s{seed}-{method}{seed}"
            planned.append(PlannedCell(job, folder, [], None, done=False))
    return Looks(planned, Deciding(looks=LOOKS, max_seeds=10, metric=None))


def keys(batch):
    return [cell.folder.name.rpartition("-")[2] for cell in batch]


def test_a_study_that_was_stopped_between_two_looks_goes_on(study, write_cell, looks):
    study({"lora": 3, "toplayer": 3}, {"lora": 0.56, "toplayer": 0.5}, seed_sd=0.03)
    write_cell("lora", seed=3, status="interrupted", error=Error(type="Interrupted", message="stopped", phase="train"))
    batches = looks.batches()
    assert keys(next(batches)) == ["lora0", "lora1", "lora2", "toplayer0", "toplayer1", "toplayer2"]
    assert keys(next(batches)) == ["lora3", "lora4", "toplayer3", "toplayer4"]


def test_no_look_is_made_without_all_its_cells(study, looks, runs, capsys):
    study({"lora": 3, "toplayer": 2}, {"lora": 0.6, "toplayer": 0.5})
    before = (runs / "demo" / PLAN).read_text()
    assert len(list(looks.batches())) == 1
    assert capsys.readouterr().out == (
        "\nThe look after 3 seeds needs 1 cell more: type the same command again, and it goes on.\n"
    )
    assert (runs / "demo" / PLAN).read_text() == before


def test_a_winner_is_one_of_those_that_were_compared(study, write_cell, runs):
    study({"lora": 3, "toplayer": 3, "full": 0}, {"lora": 0.6, "toplayer": 0.5, "full": 0.5})
    write_cell("full", seed=0, **OOM)
    assert comparison_of(runs).decision.why_stopped() == (
        "Stopped because lora is better than all others that were compared."
    )


def test_differences_are_those_of_the_looks_and_not_of_all_seeds(study, runs):
    study({"lora": 5, "toplayer": 3}, {"lora": 0.6, "toplayer": 0.5})
    comparison = comparison_of(runs)
    lora, toplayer = comparison.setups
    score = comparison.scores["token_f1"]
    spreads = lora.spread(score).first(3), toplayer.spread(score)
    found = difference(lora, toplayer, score)
    assert found.mean == spreads[0].mean - spreads[1].mean
    assert found.mean != lora.measure(score).mean - toplayer.measure(score).mean
    assert found.interval == difference_interval(*spreads, nominal_p(0.05, LOOKS))
    mirrored = difference(toplayer, lora, score)
    assert mirrored.mean == -found.mean
    assert (mirrored.interval.low, mirrored.interval.high) == (-found.interval.high, -found.interval.low)
    assert found.p < found.p_adjusted * 1.0001
    (effect,) = effects([comparison], "toplayer", ["token_f1"])
    assert (effect.p, effect.p_adjusted) == (found.p, found.p_adjusted)
    assert best(comparison, score) == {"lora"}


def test_other_scores_are_not_tested(study, runs):
    study({"lora": 3, "toplayer": 3}, {"lora": 0.6, "toplayer": 0.5})
    comparison = comparison_of(runs)
    lora, toplayer = comparison.setups
    found = difference(lora, toplayer, comparison.scores["bleu"])
    assert (found.p, found.interval, found.reason) == (None, None, "seeds were added until Token F1 differed")
    assert best(comparison, comparison.scores["bleu"]) == frozenset()


def test_a_setup_that_the_plan_does_not_have_is_not_tested(study, answered, runs):
    study({"lora": 3, "toplayer": 3}, {"lora": 0.6, "toplayer": 0.5})
    for seed in range(3):
        answered("full", np.full(60, 0.4), seed=seed)
    comparison = comparison_of(runs)
    full, lora, _ = comparison.setups
    found = difference(full, lora, comparison.scores["token_f1"])
    assert (found.p, found.reason) == (None, "it is not in the plan of `tunebench decide`")


def test_a_setup_with_a_failed_seed_is_named_and_its_pairs_count(study, write_cell, runs):
    study({"lora": 3, "toplayer": 3, "full": 2}, {"lora": 0.6, "toplayer": 0.5, "full": 0.5})
    write_cell("full", seed=2, **OOM)
    decision = comparison_of(runs).decision
    assert decision.left_out == {"full": "seed 2: out of memory in train (peak process memory 1.50 GB)"}
    assert (
        decision.sentences()[-1]
        == "full was not compared (seed 2: out of memory in train (peak process memory 1.50 GB))."
    )
    (pair,) = decision.looks[0].pairs
    assert pair.p_adjusted == pytest.approx(3 * pair.repeated.p)


def test_seeds_after_a_gap_do_not_count(study, answered, runs):
    study({"lora": 3, "toplayer": 2}, {"lora": 0.6, "toplayer": 0.5})
    answered("toplayer", np.full(60, 0.5), seed=3)
    assert comparison_of(runs).decision.left_out == {"toplayer": "fewer than 3 seeds have run"}


def test_a_setup_that_was_asked_other_examples_is_not_compared(study, answered, runs):
    study({"baseline": 1, "lora": 3}, {"baseline": 0.3, "lora": 0.6})
    plan = Plan(score="token_f1", looks=LOOKS, cells=("baseline0", "lora0", "toplayer0"))
    (runs / "demo" / PLAN).write_text(plan.model_dump_json())
    for seed in range(3):
        answered("toplayer", np.full(60, 0.4), seed=seed, test_fingerprint=64 * "9")
    assert comparison_of(runs).decision.left_out == {"toplayer": "it was asked other examples than the first method"}


def test_what_is_worse_than_any_is_not_bold_whatever_its_mean(study, runs, monkeypatch):
    """The means are over different numbers of seeds, so the worse one may have the highest."""
    study({"lora": 3, "toplayer": 3, "full": 3}, {"lora": 0.6, "toplayer": 0.5, "full": 0.595}, seed_sd=0.0)
    comparison = comparison_of(runs)
    score = comparison.scores["token_f1"]
    by_label = {setup.label: setup for setup in comparison.setups}
    real = type(by_label["lora"]).measure
    raised = {"toplayer": 0.9}
    monkeypatch.setattr(
        type(by_label["lora"]),
        "measure",
        lambda self, quantity: replace(real(self, quantity), mean=raised.get(self.label, real(self, quantity).mean)),
    )
    assert [setup.label for setup in ranked(comparison, score)] == ["lora", "full", "toplayer"]
    assert best(comparison, score) == {"lora", "full"}


def test_a_setup_that_could_not_be_compared_hides_no_verdict(study, write_cell, runs):
    study({"lora": 3, "toplayer": 3, "full": 2}, {"lora": 0.6, "toplayer": 0.5, "full": 0.7})
    write_cell("full", seed=2, **OOM)
    comparison = comparison_of(runs)
    score = comparison.scores["token_f1"]
    assert [setup.label for setup in ranked(comparison, score)] == ["lora", "toplayer"]
    assert best(comparison, score) == {"lora"}
    (picks,) = choices([comparison], "token_f1")
    assert (picks.picks[0].preference, picks.picks[0].answer) == ("Best Token F1", "lora")


def test_where_nothing_can_be_compared_the_page_says_why(study, runs):
    study({"lora": 2, "toplayer": 1}, {"lora": 0.6, "toplayer": 0.5})
    (picks,) = choices([comparison_of(runs)], "token_f1")
    assert picks.picks[0].answer == "cannot be said (fewer than 3 seeds have run)"


def test_the_table_says_what_bold_means_here(study, runs):
    study({"lora": 3, "toplayer": 3}, {"lora": 0.6, "toplayer": 0.5})
    comparison = comparison_of(runs)
    table, *_ = results_tables(comparison, "baseline", [comparison.scores["token_f1"]])
    bold = [remark for remark in table.remarks if remark.startswith("Bold")]
    assert bold == [
        "Bold: found worse than no other method at any look, so it may be the best. The best of several means is too "
        "good on average."
    ]


def test_how_many_documents_would_tell(study, runs):
    study({"lora": 3, "toplayer": 3}, {"lora": 0.505, "toplayer": 0.5}, seed_sd=0.0)
    _, sentence = comparison_of(runs).decision.sentences()
    assert sentence.startswith("lora and toplayer cannot be told apart: if their difference is 0.00")
    assert sentence.endswith(" documents would show it in four of five studies (there are 12).")


def test_without_its_score_nothing_is_decided(study, runs):
    study({"lora": 3}, {"lora": 0.5}, score="missing")
    decision = comparison_of(runs).decision
    assert decision.sentences() == [
        "Nothing could be compared.",
        "lora was not compared (no cell has missing).",
    ]


def test_a_method_without_a_record_counts_in_the_adjustment(study, runs):
    study({"lora": 3, "toplayer": 3, "full": 0}, {"lora": 0.51, "toplayer": 0.5, "full": 0.1})
    alone = comparison_of(runs).decision.looks[0].pairs[0].p_adjusted
    path = runs / "demo" / PLAN
    plan = Plan.model_validate_json(path.read_text())
    path.write_text(plan.model_copy(update={"n_setups": dict.fromkeys(plan.cells, 3)}).model_dump_json())
    assert comparison_of(runs).decision.looks[0].pairs[0].p_adjusted == min(1.0, 3 * alone)


def test_nothing_is_decided_by_a_score_of_unknown_direction(write_cell, runs):
    wer = ScoreInfo(title="WER", lowest=None, highest=None, better=None, pooling="mean")
    for seed in range(3):
        write_cell("lora", seed=seed, only_scores=True, scores={"wer": 0.1}, infos={"wer": wer})
    keys = tuple(f"lora{seed}" for seed in range(3))
    (runs / "demo" / PLAN).write_text(Plan(score="wer", looks=LOOKS, cells=keys).model_dump_json())
    decision = comparison_of(runs).decision
    assert (decision.score, decision.looks) == (None, ())
    assert decision.left_out == {"lora": "whether higher or lower WER is better is not known"}


def test_a_broken_plan_is_said(answered, runs):
    answered("lora", np.full(60, 0.5))
    (runs / "demo" / PLAN).write_text('{"looks": []}')
    (found,) = read_studies(runs)
    assert found.plan is None
    assert [(problem.path, problem.sentence) for problem in found.problems] == [
        (
            "demo/decide.json",
            "is not a plan of `tunebench decide`, so seeds count as planned, which they were not: restore it.",
        )
    ]
