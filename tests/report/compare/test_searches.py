from dataclasses import replace
from types import SimpleNamespace

import pytest

from bench.report.compare.comparisons import comparisons_of
from bench.report.compare.searches import leader_sentence, leaders, searched
from bench.report.read.searches import SearchId
from bench.report.read.study import read_studies
from bench.report.statistics.expected_best import Best


@pytest.fixture
def found(runs):
    """The searches behind the first study with this name, of its first comparison."""

    def find(name="demo"):
        (study,) = read_studies(runs, name)
        (comparison,) = comparisons_of(study.cells)
        return searched(study, comparison)

    return find


def curve_of(method, *expected, better="higher"):
    curve = [Best(k, value, None, None) for k, value in enumerate(expected, start=1)]
    return SimpleNamespace(method=method, curve=curve, search=SimpleNamespace(better=better))


def test_trials_failures_time_and_winner(write_cell, write_search, found):
    write_search("lora", [0.5, None, 0.75])
    write_cell("lora", tuning={})
    write_cell("baseline")
    (own,) = found()
    assert (own.method, own.scores, own.n_failed) == ("lora", [0.5, None, 0.75], 1)
    assert (own.winner.record.key, own.winning_score, own.chosen) == ("tiny-lora-2", 0.75, "learning_rate=0.0003")
    assert own.why_no_winner is None
    # Every cell of the fixture takes 42.25 s
    assert own.seconds == pytest.approx(126.75)
    # The failed trial counts as 0: pairs have the best scores .5, .75, .75
    assert [best.expected for best in own.curve] == pytest.approx([1.25 / 3, 2 / 3, 0.75])


def test_trials_that_drew_the_same_settings_were_run_once(write_cell, write_search, found):
    write_search("lora", [0.5, 0.75])
    write_cell("lora", tuning={})
    (own,) = found()
    twice = replace(own, search=replace(own.search, trials=(*own.search.trials, own.search.trials[0])))
    assert (twice.scores, twice.seconds) == ([0.5, 0.75, 0.5], pytest.approx(84.5))


def test_energy_is_the_sum_where_every_trial_was_measured(
    write_cell, write_search, found, gpu_readings, measured_of, phases_of
):
    readings = list(gpu_readings(lambda _: 100.0, lambda _: 10**9))
    measured = measured_of(readings, phases_of(1))
    write_search("lora", [0.5, 0.75], measured=measured)
    write_cell("lora", tuning={})
    (own,) = found()
    one = own.search.trials[0].record.power.energy_j
    assert one > 0
    assert own.energy_j == pytest.approx(2 * one)
    without = replace(own.search.trials[1], record=own.search.trials[1].record.model_copy(update={"power": None}))
    some = replace(own, search=replace(own.search, trials=(own.search.trials[0], without)))
    assert (some.energy_j, some.why_no_energy) == (None, "1 of 2 trials: not in this cell's record")


def test_energy_that_nobody_measured_is_none_with_the_reason(write_cell, write_search, found):
    write_search("lora", [0.5])
    write_cell("lora", tuning={})
    (own,) = found()
    assert (own.energy_j, own.why_no_energy) == (None, "no NVML device on this machine")


def test_a_search_without_any_score(write_cell, write_search, found):
    write_search("lora", [None, None])
    write_cell("lora", tuning={})
    (own,) = found()
    assert (own.score, own.curve, own.n_failed, own.winner, own.why_no_winner) == (
        None,
        [],
        2,
        None,
        "no trial has a score",
    )
    assert leader_sentence([own]) == ""


def test_the_study_of_a_search_shows_its_own(write_search, found):
    write_search("lora", [0.5, 0.6])
    write_search("toplayer", [0.7, 0.4])
    assert [(own.method, own.scores) for own in found("t1-tune")] == [
        ("lora", [0.5, 0.6]),
        ("toplayer", [0.7, 0.4]),
    ]


def test_a_study_that_used_no_search_shows_none(write_cell, write_search, found):
    write_search("lora", [0.5])
    write_cell("lora")
    assert found() == []


def test_open_ends_of_an_interval_are_the_bounds_of_the_score(write_cell, write_search, found):
    write_search("lora", [at / 100 for at in range(1, 13)])
    write_cell("lora", tuning={})
    (own,) = found()
    assert own.interval(own.curve[0]) == (0.0, 1.0)
    assert own.interval(own.curve[-1]) == (0.08, 1.0)


def test_the_leader_by_number_of_trials():
    early, late = curve_of("toplayer", 0.6, 0.62, 0.63, 0.63), curve_of("lora", 0.4, 0.62, 0.7, 0.75, 0.8)
    # At two trials both are equal, and who led leads on. Five trials were made by lora alone
    assert leaders([early, late]) == ["toplayer", "toplayer", "lora", "lora"]
    assert leader_sentence([early, late]) == (
        "The leader depends on the number of trials: toplayer from 1 to 2 and lora from 3 to 4."
    )


def test_one_leader_throughout():
    one, other = curve_of("lora", 0.6, 0.7), curve_of("toplayer", 0.5, 0.6)
    assert leader_sentence([one, other]) == "lora has the best expected score at every number of trials up to 2."
    assert leader_sentence([one]) == ""


def test_lower_may_be_better():
    assert leaders([curve_of("lora", 3.0, better="lower"), curve_of("full", 4.0, better="lower")]) == ["lora"]


def test_searches_are_told_apart_by_model_data_set_and_method(write_cell, write_search, runs):
    for model in ("tiny", "llama1b"):
        write_search("lora", [0.5], model=model)
    write_cell("lora", tuning={})
    (study,) = read_studies(runs, "demo")
    assert list(study.searches) == [SearchId("t1", model, "events", "lora") for model in ("llama1b", "tiny")]
