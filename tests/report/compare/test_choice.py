import pytest

from bench.record import Phase
from bench.report.compare.choice import choices
from bench.report.compare.comparisons import comparisons_of
from bench.report.read.study import read_studies

ONE_SEED = "With one seed this is about these trained models; another seed may reverse it."
NO_OTHER = "No other method is at least as good and as cheap. Only means are compared, not intervals."


@pytest.fixture
def picks(runs):
    """The answers for the only comparison, by preference, each with its reason."""

    def found(*fits_gb):
        study = read_studies(runs)[0]
        (only,) = choices(comparisons_of(study.cells, study.predictions), "token_f1", fits_gb)
        return {pick.preference: (pick.answer, pick.reason) for pick in only.picks}

    return found


def test_what_is_best_cheapest_and_fits(write_cell, runs, picks):
    # All examples of a cell score alike, so that scores have no intervals, and their differences no width
    write_cell("baseline", scores={"token_f1": 0.3}, rss_bytes=2 * 10**9)
    write_cell("lora", scores={"token_f1": 0.8}, rss_bytes=20 * 10**9)
    write_cell("qlora", scores={"token_f1": 0.78}, rss_bytes=6 * 10**9)
    answers = picks(1.0, 10.0)
    # 12 documents that all differ alike: 2 of 4096 flips, 0.0005
    assert answers["Best Token F1"] == (
        "lora",
        "lora 0.8000. Next is qlora 0.7800: a difference of 0.0200, p below 0.001 before adjustment. " + ONE_SEED,
    )
    # Training takes 30 of the 36 s that every such cell takes; 0.3 is not within 5 %
    assert answers["Within 5 % of the best Token F1, least training time"] == (
        "lora",
        "lora 0.8000, with 30.0 s of training time. All others that come so close take as much. Energy was not "
        "measured (no NVML device on this machine), so time decides.",
    )
    assert answers["Fits in 1 GB"] == ("none", "The smallest peak process memory is 2.00 GB.")
    assert answers["Fits in 10 GB"] == (
        "qlora",
        "qlora 0.7800, with a peak process memory of 6.00 GB in its largest seed. lora takes more. Next is baseline "
        f"0.3000: a difference of 0.4800, p below 0.001 before adjustment. {ONE_SEED} Other batch sizes and "
        "text lengths need other amounts.",
    )
    assert answers["Pareto-optimal"] == (
        "over training time: lora and baseline; over peak process memory: lora, qlora and baseline",
        NO_OTHER,
    )
    assert len(answers) == 5


def test_the_cost_is_that_of_training_and_not_of_the_latency_benchmark(write_cell, runs, picks):
    slow = Phase(name="latency", start_s=40.0, seconds=1000.0)
    for method, seconds, others in (("lora", 20.0, (slow,)), ("qlora", 25.0, ())):
        write_cell(method, phases=(Phase(name="train", start_s=1.0, seconds=seconds), *others))
    answer, reason = picks()["Within 5 % of the best Token F1, least training time"]
    assert answer == "lora"
    assert reason.startswith(
        "lora 0.7000, with 20.0 s of training time. The most expensive one that comes so close, qlora, takes 25.0 s "
        "of training time."
    )


def test_what_trains_nothing_costs_nothing(write_cell, runs, picks):
    write_cell("baseline", scores={"token_f1": 0.79})
    write_cell("lora", scores={"token_f1": 0.8})
    answer, reason = picks()["Within 5 % of the best Token F1, least training time"]
    assert answer == "baseline"
    assert reason.startswith("baseline 0.7900, with no training time. The most expensive one")


def test_what_the_data_cannot_separate_is_one_answer(write_cell, runs, picks):
    for method in ("baseline", "lora", "qlora"):
        write_cell(method)
    answer, reason = picks()["Best Token F1"]
    assert answer == "baseline, lora or qlora: no significant difference"
    assert reason == (
        "baseline 0.7000. Next is lora 0.7000: a difference of 0.0000, p 1.0 before adjustment. " + ONE_SEED
    )


def test_one_setup_or_no_deciding_score_leaves_nothing_to_choose(write_cell, runs):
    write_cell("lora")
    study = read_studies(runs)[0]
    assert choices(comparisons_of(study.cells, study.predictions), "token_f1") == []
    write_cell("qlora")
    study = read_studies(runs)[0]
    assert choices(comparisons_of(study.cells, study.predictions), None) == []
