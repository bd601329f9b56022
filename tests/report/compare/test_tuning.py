import pytest

from bench.report.compare.comparisons import comparisons_of
from bench.report.compare.family import Family
from bench.report.compare.selection import selection
from bench.report.compare.tuning import tuned_by, unequal_chances
from bench.report.read.study import read_studies
from bench.report.tables.header import cautions


@pytest.fixture
def sentences(runs):
    def given():
        (comparison,) = comparisons_of(read_studies(runs)[0].cells)
        return unequal_chances(comparison.title, comparison.setups)

    return given


@pytest.fixture
def told(runs):
    return lambda: tuned_by(read_studies(runs)[0].cells)


def test_equal_budgets_need_no_sentence(write_cell, sentences, told):
    write_cell("baseline")
    write_cell("lora", tuning={})
    write_cell("toplayer", tuning={})
    assert sentences() == []
    assert told() == "tuned by t1 (12 trials each)"


def test_a_single_method_has_no_each(write_cell, told):
    write_cell("lora", tuning={})
    assert told() == "tuned by t1 (12 trials)"


def test_nothing_is_tuned(write_cell, sentences, told):
    write_cell("lora")
    write_cell("toplayer")
    assert sentences() == []
    assert told() == "as configured, not tuned"


def test_tuned_beside_untuned(write_cell, sentences, told):
    write_cell("baseline")
    write_cell("full", tuning={})
    write_cell("lora", tuning={})
    write_cell("toplayer")
    assert sentences() == [
        "tiny: full and lora were tuned, and toplayer was not. The best of several trials looks better than settings "
        "that were never chosen, even if the methods are equally good. Tune all with equally many trials."
    ]
    assert told() == "full and lora tuned by t1 (12 trials each); toplayer as configured, not tuned"


def test_unequal_budgets(write_cell, sentences, told):
    write_cell("full", tuning={"n_trials": 1})
    write_cell("lora", tuning={})
    write_cell("toplayer", tuning={})
    assert sentences() == [
        "tiny: full with 1 trial and lora and toplayer with 12 trials had unequal chances, since more trials find "
        "better settings. Compare the expected best tune scores at equally many trials, or tune all with equally many "
        "trials."
    ]
    assert told() == "full tuned by t1 (1 trial); lora and toplayer tuned by t1 (12 trials each)"


def test_settings_that_were_set_by_hand(write_cell, sentences, told):
    write_cell("lora", tuning={"overridden": ("learning_rate",)})
    write_cell("toplayer", tuning={"overridden": ("rank", "blocks")})
    assert sentences() == [
        "tiny, lora: learning_rate was set by hand, so these are not the settings that the search found.",
        "tiny, toplayer: rank and blocks were set by hand, so these are not the settings that the search found.",
    ]
    assert told() == "lora set by hand, not as tuned by t1; toplayer tuned by t1 (12 trials)"


def test_a_search_of_other_settings_leaves_learning_rates_as_they_are(write_cell, told):
    write_cell("lora", tuning={"search": {"rank": "[4, 8]", "alpha": "[8, 16]"}})
    assert told() == "as configured; t1 tuned rank and alpha (12 trials)"


def test_settings_chosen_by_the_examples_that_were_scored(write_cell, sentences):
    fingerprint = "5e6f7a8b" + 56 * "0"
    write_cell("lora", tuning={"tune_fingerprint": fingerprint}, test_fingerprint=fingerprint)
    assert sentences() == [
        "tiny, lora: settings were chosen by the very examples that were scored. These scores are too high; run with "
        "scored_on=test, and report that."
    ]


def test_a_tuned_method_beside_its_defaults_is_no_sweep_over_test(write_cell, runs):
    write_cell("lora", tuning={}, method_settings={"rank": 16}, folder="tuned")
    write_cell("lora")
    (comparison,) = comparisons_of(read_studies(runs)[0].cells)
    assert selection(comparison.title, comparison.setups) == []
    write_cell("lora", tuning={"overridden": ("rank",)}, method_settings={"rank": 64}, folder="typed")
    (comparison,) = comparisons_of(read_studies(runs)[0].cells)
    assert [sentence[:44] for sentence in selection(comparison.title, comparison.setups)] == [
        "tiny: several settings of lora were scored o"
    ]


def test_the_sentences_are_under_tables_and_at_the_top_of_the_page(write_cell, runs):
    write_cell("lora", tuning={})
    write_cell("toplayer")
    (comparison,) = comparisons_of(read_studies(runs)[0].cells)
    (sentence,) = unequal_chances(comparison.title, comparison.setups)
    assert sentence in comparison.warnings
    assert cautions([comparison], Family((), None)) == [sentence]
