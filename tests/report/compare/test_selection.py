from bench.report.compare.comparisons import comparisons_of
from bench.report.compare.selection import selection
from bench.report.read.study import read_studies


def sentences(runs):
    (comparison,) = comparisons_of(read_studies(runs)[0].cells)
    return selection(comparison.title, comparison.setups)


def test_what_is_scored_on_test_after_training_on_other_examples_needs_no_sentence(write_cell, runs):
    write_cell("baseline")
    for seed in (0, 1):
        write_cell("lora", seed=seed, training={"best_step": 40})
    assert sentences(runs) == []


def test_scores_of_the_tune_split_are_for_choosing(write_cell, runs):
    write_cell("lora", data={"scored_on": "tune"}, training={"best_step": 40})
    write_cell("lora", method_settings={"rank": 64}, folder="other", data={"scored_on": "tune"})
    assert sentences(runs) == [
        "tiny: these scores are of the tune split, by which settings and checkpoints are chosen. They are for choosing "
        "only; run what was chosen with scored_on=test, and report that."
    ]


def test_weights_chosen_by_the_examples_that_were_scored(write_cell, runs):
    older = {"scored_on": "validation", "n_tune": 0, "tune_fingerprint": None}
    missing = {"data.tune_fingerprint": "no_tune_split"}
    write_cell("lora", data=older, missing=missing, training={"best_step": 40})
    write_cell("toplayer", data=older, missing=missing)
    assert sentences(runs) == [
        "tiny, lora: the epoch whose weights were kept was chosen by the examples that were scored, since these "
        "records are from before there was a tune split. These scores are too high."
    ]


def test_several_settings_of_a_method_that_were_scored_on_test(write_cell, runs):
    write_cell("lora")
    write_cell("lora", method_settings={"rank": 64}, folder="other")
    write_cell("baseline")
    write_cell("toplayer")
    assert sentences(runs) == [
        "tiny: several settings of lora were scored on the same test examples, and the best of several looks better "
        "than it is. Choose with scored_on=tune, and report the score of the choice on test."
    ]
