import pytest

from bench.report.compare.choice import choices
from bench.report.compare.comparisons import comparisons
from bench.report.read.study import read_studies
from bench.report.request import Request

ONCE = "With one seed this is of the models at hand; another seed may turn it round."
NO_OTHER = "No other method is at once as good and as cheap; by means, whatever their intervals."


@pytest.fixture
def picks(runs):
    """The answers for the only group, by preference, each with its reason."""

    def found(request=None):
        study = read_studies(runs)[0]
        (only,) = choices(comparisons(study.cells, study.predictions), request or Request())
        return {pick.preference: (pick.answer, pick.reason) for pick in only.picks}

    return found


def test_what_is_best_cheapest_and_fits(write_cell, runs, picks):
    # All examples of a cell score alike, so that scores have no intervals, and their differences no width
    write_cell("baseline", scores={"token_f1": 0.3}, rss_bytes=2 * 10**9)
    write_cell("lora", scores={"token_f1": 0.8}, rss_bytes=20 * 10**9)
    write_cell("qlora", scores={"token_f1": 0.78}, rss_bytes=6 * 10**9)
    told = picks(Request(fits_gb=(1.0, 10.0)))
    assert list(told) == [
        "Best token_f1",
        "Within 5 % of the best token_f1, least time",
        "Fits in 1 GB",
        "Fits in 10 GB",
        "Pareto-optimal",
    ]
    # 12 documents that all differ alike: 2 of 4096 flips, 0.0005
    answer, reason = told["Best token_f1"]
    assert answer == "lora"
    assert reason.startswith("lora 0.8000. Next is qlora 0.7800: a difference of 0.0200")
    assert reason.endswith("p below 0.001 before adjustment. " + ONCE)
    answer, reason = told["Within 5 % of the best token_f1, least time"]
    # The phases of every cell that trains take 36 s; 0.3 is not within 5 %
    assert answer == "lora"
    assert reason == (
        "lora 0.8000, with 36.0 s for all phases. The dearest of those as close, lora, takes 36.0 s. Energy was "
        "not measured (no NVML device on this machine): time in its place."
    )
    assert told["Fits in 1 GB"] == ("none", "Of peak process memory, the least is 2.00 GB.")
    assert told["Fits in 10 GB"] == (
        "qlora",
        "qlora 0.7800, with a peak process memory of 6.00 GB in its largest seed. lora takes more. Next is baseline "
        f"0.3000: a difference of 0.4800, p below 0.001 before adjustment. {ONCE} Another batch or a longer text needs "
        "other memory.",
    )
    assert told["Pareto-optimal"] == (
        "over time: lora and baseline; over peak process memory: lora, qlora and baseline",
        NO_OTHER,
    )


def test_what_the_data_cannot_separate_is_said(write_cell, runs, picks):
    for method in ("baseline", "lora", "qlora"):
        write_cell(method)
    answer, reason = picks()["Best token_f1"]
    assert answer == "baseline, but not separable: baseline, lora and qlora"
    assert reason == ("baseline 0.7000. Next is lora 0.7000: a difference of 0.0000, p 1.0 before adjustment. " + ONCE)


def test_one_setup_leaves_nothing_to_choose(write_cell, runs):
    write_cell("lora")
    study = read_studies(runs)[0]
    assert choices(comparisons(study.cells, study.predictions), Request()) == []
