"""What a report must not do in silence: compare what was not asked alike, or what was not measured whole."""

import json

import pytest

from bench.errors import InputError
from bench.record_sections import Error, Phase
from bench.report.compare.choice import choices
from bench.report.compare.comparisons import comparisons_of
from bench.report.compare.effects import best, effects
from bench.report.figures.tradeoff import tradeoff_figures
from bench.report.read.study import read_studies

OOM = {"status": "oom", "error": Error(type="OutOfMemoryError", message="too large", phase="train")}


@pytest.fixture
def group(runs):
    def only():
        study = read_studies(runs)[0]
        (found,) = comparisons_of(study.cells, study.predictions)
        return found

    return only


def best_of(group, score):
    return best(group, group.scores[score])


def picked(group, fits_gb=()):
    (only,) = choices([group], "token_f1", fits_gb)
    return {pick.preference: (pick.answer, pick.reason) for pick in only.picks}


def test_sets_of_other_content_are_not_paired_though_their_ids_are_alike(write_cell, group):
    write_cell("baseline", scores={"token_f1": 0.25})
    write_cell("lora", scores={"token_f1": 0.75}, test_fingerprint="1a2b3c4d" + 56 * "0")
    (effect,) = effects([group()], "baseline", ["token_f1"])
    assert (effect.difference, effect.interval, effect.p) == (0.5, None, None)
    assert effect.reason == "the two were not asked the same examples"
    told = picked(group())
    assert next(iter(told)) == "Warning"
    assert told["Best Token F1"][0] == "cannot be said (the two were not asked the same examples)"


def test_what_cannot_be_tested_is_not_bold(write_cell, runs, group):
    for method, f1 in (("baseline", 0.1), ("lora", 0.5), ("qlora", 0.9)):
        folder = write_cell(method, scores={"token_f1": f1})
        if method == "baseline":
            (folder / "predictions.jsonl").unlink()
    assert best_of(group(), "token_f1") == frozenset()


def test_a_resumed_cell_is_not_the_cheapest(write_cell, group):
    for seed in range(3):
        write_cell("lora", seed=seed, scores={"token_f1": 0.8})
        write_cell("qlora", seed=seed, scores={"token_f1": 0.79}, training={"resumed_from_step": 70})
    answer, _ = picked(group())["Within 5 % of the best Token F1, least training time"]
    assert answer == "lora"
    (figure,) = tradeoff_figures([group()], "token_f1")
    untold = "Not drawn: qlora (peak process memory: resumed from step 70: costs are those of the run since then)."
    assert any(text.get_text().replace("\n", " ").endswith(untold) for text in figure.texts)


def test_the_cheapest_is_said_to_follow_the_best_and_by_how_much(write_cell, group):
    shorter = (Phase(name="train", start_s=1.0, seconds=2.0),)
    for seed in range(3):
        write_cell("lora", seed=seed, scores={"token_f1": 0.8})
        write_cell("qlora", seed=seed, scores={"token_f1": 0.79}, phases=shorter)
    answer, reason = picked(group())["Within 5 % of the best Token F1, least training time"]
    assert answer == "qlora"
    assert reason.startswith(
        "qlora 0.7900, with 2.00 s of training time. The most expensive one that comes this close, lora, takes 30.0 s "
        "of training time."
    )
    assert "The best is lora 0.8000: a difference of 0.0100, p below 0.001." in reason


def test_what_ran_out_of_memory_once_does_not_fit(write_cell, group):
    write_cell("baseline", scores={"token_f1": 0.3}, rss_bytes=2 * 10**9)
    write_cell("lora", scores={"token_f1": 0.8}, rss_bytes=4 * 10**9)
    write_cell("lora", seed=1, **OOM)
    answer, reason = picked(group(), fits_gb=(6.0,))["Fits in 6 GB"]
    assert answer == "baseline"
    assert "For lora, it is not known." in reason


def test_a_score_of_which_nobody_knows_the_good_end_decides_nothing(write_cell, group):
    write_cell("baseline", scores={"wer": 0.9})
    write_cell("lora", scores={"wer": 0.1})
    assert best_of(group(), "wer") == frozenset()


def test_a_reference_that_is_nowhere_is_refused(write_cell, group):
    write_cell("lora")
    with pytest.raises(InputError, match=r"^--reference: there is no method or setup 'lroa', only lora\.$"):
        effects([group()], "lroa", ["token_f1"])
    assert effects([group()], "baseline", ["token_f1"]) == []


def test_labels_are_one_of_a_kind_however_long(write_cell, group):
    for rank in (8, 16):
        write_cell("lora", folder=f"r{rank}", method_settings={"note": 400 * "x" + str(rank)})
    labels = [setup.label for setup in group().setups]
    assert len(set(labels)) == 2
    assert [label[-2:] for label in labels] == ["#1", "#2"]


def test_the_settings_of_a_score_that_nobody_had_refuse_nothing(write_cell, group):
    write_cell("baseline", score_settings={"bertscore_f1": "no encoder here"})
    write_cell("lora", score_settings={"bertscore_f1": "none there"})
    assert group().refusals == []


def test_another_base_model_of_the_same_name_is_another_comparison(write_cell, runs):
    write_cell("baseline")
    path = write_cell("lora") / "record.json"
    record = json.loads(path.read_text())
    record["cell"]["model"]["path"] = "/elsewhere"
    path.write_text(json.dumps(record))
    found = comparisons_of(read_studies(runs)[0].cells)
    assert [(each.title, [setup.label for setup in each.setups]) for each in found] == [
        ("tiny ()", ["baseline"]),
        ("tiny (/elsewhere)", ["lora"]),
    ]
