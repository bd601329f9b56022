import numpy as np
import pytest
from scipy import stats

from bench.errors import InputError
from bench.record_sections import Error
from bench.report.compare.comparisons import comparisons_of
from bench.report.compare.effects import Difference, best, difference, effects, p_from_first, ranked, reference_of
from bench.report.read.study import read_studies
from bench.report.statistics.intervals import holm

OOM = {"status": "oom", "error": Error(type="OutOfMemoryError", message="too large", phase="train")}
NAMES = ("token_f1", "exact_match")


@pytest.fixture
def answered(write_cell, answer_lines, make_record):
    """Writes a cell whose examples have the token F1 given, and the exact match 1 where that is 1."""

    def write(method, values, *, alone=False, shuffled=False, renamed=None, folder=None, **changes):
        exact = [float(value == 1) for value in values]
        scores = {"token_f1": float(np.mean(values)), "exact_match": float(np.mean(exact))}
        lines = answer_lines(make_record(method, **changes))
        for at, (line, value) in enumerate(zip(lines, values, strict=True)):
            line["scores"] |= {"token_f1": value, "exact_match": exact[at]}
            line["cluster"] = f"own{at}" if alone else line["cluster"]
        if renamed:
            lines[0][renamed] = "other"
        if shuffled:
            lines = [lines[at] for at in np.random.default_rng(0).permutation(len(lines))]
        write_cell(method, folder=folder, scores=scores, answered=lines, **changes)

    return write


@pytest.fixture
def trained(answered):
    """As `answered`, at the seeds 0, 1 and 2, which answer alike."""

    def write(method, values, **changes):
        for seed in range(3):
            answered(method, values, seed=seed, folder=f"{changes.get('folder', method)}-{seed}", **changes)

    return write


def group_of(runs):
    study = read_studies(runs)[0]
    (group,) = comparisons_of(study.cells, study.predictions)
    return group


def best_of(group, score):
    return best(group, group.scores[score])


def graded(n_right):
    """Of 60 examples, as many with 1, and the others with 0.25, in an order that has some of both in each document."""
    values = np.full(60, 0.25)
    values[np.random.default_rng(1).permutation(60)[:n_right]] = 1.0
    return values.tolist()


def test_an_effect_is_the_difference_from_the_reference(trained, runs):
    trained("baseline", graded(20))
    trained("lora", graded(28))
    found = effects([group_of(runs)], "baseline", NAMES)
    assert [(each.setup, each.reference, each.score) for each in found] == [
        ("lora", "baseline", "token_f1"),
        ("lora", "baseline", "exact_match"),
    ]
    # 8 examples more of 60 are right, which is worth 0.75 each
    assert [each.difference for each in found] == pytest.approx([0.1, 8 / 60])
    # Seeds do not differ, so this is a paired t test of 12 documents of five examples
    gains = ((np.array(graded(28)) - graded(20)).reshape(12, 5)).mean(axis=1)
    assert [each.p for each in found] == pytest.approx([stats.ttest_1samp(gains, 0).pvalue] * 2)
    for each in found:
        assert each.interval.low < each.difference < each.interval.high
        assert each.interval.low > 0
    assert [each.p_adjusted for each in found] == holm([each.p for each in found])


def test_all_pairs_are_adjusted_together(trained, runs):
    for method, n_right in (("baseline", 20), ("lora", 30), ("qlora", 34)):
        trained(method, graded(n_right))
    found = effects([group_of(runs)], "lora", ["token_f1"], "all")
    assert [(each.setup, each.reference) for each in found] == [
        ("baseline", "lora"),
        ("qlora", "lora"),
        ("qlora", "baseline"),
    ]
    assert [each.difference for each in found] == pytest.approx([-0.125, 0.05, 0.175])
    assert [each.p_adjusted for each in found] == holm([each.p for each in found])


def test_what_was_trained_at_one_or_two_seeds_is_not_tested(answered, trained, runs):
    answered("baseline", graded(20))
    answered("lora", graded(40))
    for seed in range(2):
        answered("toplayer", graded(40), seed=seed)
    trained("qlora", graded(40))
    found = {each.setup: each for each in effects([group_of(runs)], "baseline", ["token_f1"])}
    assert (found["lora"].difference, found["lora"].interval, found["lora"].p) == (pytest.approx(0.25), None, None)
    assert found["lora"].reason == "one seed: run seed=0,1,2"
    # With two seeds, tests find too often what is not there
    assert (found["toplayer"].p, found["toplayer"].reason) == (None, "two seeds: run seed=0,1,2")
    # The reference trains nothing, so its seeds would not differ
    assert found["qlora"].p < 0.05
    assert best_of(group_of(runs), "token_f1") == frozenset()


def test_demonstrations_that_were_drawn_at_one_seed_are_not_tested(answered, runs):
    answered("baseline", graded(20))
    answered("fewshot", graded(40), trainable=0, data={"n_shots_mean": 4.0})
    (found,) = effects([group_of(runs)], "baseline", ["token_f1"])
    assert (found.interval, found.p, found.reason) == (None, None, "one seed: run seed=0,1,2")


def test_few_documents_are_not_tested(trained, runs):
    data = {"n_test": 45, "n_clusters_test": 9}
    trained("baseline", graded(20)[:45], data=data)
    trained("lora", graded(40)[:45], data=data)
    (found,) = effects([group_of(runs)], "baseline", ["token_f1"])
    assert (found.interval, found.p) == (None, None)
    assert found.reason == "9 documents: with fewer than 10, no test can separate methods"


def test_a_difference_is_the_mirror_of_its_opposite(trained, runs):
    trained("baseline", graded(20))
    trained("lora", graded(40))
    group = group_of(runs)
    there, back = (difference(*pair, group.scores["token_f1"]) for pair in (group.setups, group.setups[::-1]))
    assert (there.mean, there.interval.low, there.interval.high) == (
        -back.mean,
        -back.interval.high,
        -back.interval.low,
    )
    assert there.p == back.p


def test_pairs_are_of_ids_in_whatever_order_the_files_list_them(answered, runs):
    for shuffled, study in ((False, "a"), (True, "b")):
        for alone in (False, True):
            own = {"study": f"{study}{alone:d}", "alone": alone}
            answered("baseline", graded(20), **own)
            # A seed in another order than the others
            answered("qlora", graded(25), seed=0, **own)
            answered("qlora", graded(35), seed=1, shuffled=shuffled, **own)
            answered("qlora", graded(30), seed=2, **own)
    a0, a1, b0, b1 = (comparisons_of(study.cells, study.predictions) for study in read_studies(runs))
    assert effects(a0, "baseline", NAMES) == effects(b0, "baseline", NAMES)
    assert effects(a1, "baseline", NAMES) == effects(b1, "baseline", NAMES)
    assert all(each.interval and each.p for each in effects(b0, "baseline", NAMES))


@pytest.mark.parametrize("renamed", ["id", "cluster"])
def test_other_examples_or_documents_are_not_paired(answered, runs, renamed):
    answered("baseline", graded(20))
    answered("lora", graded(30), renamed=renamed)
    (found,) = effects([group_of(runs)], "baseline", ["token_f1"])
    assert (found.interval, found.p, found.p_adjusted) == (None, None, None)
    assert found.difference == pytest.approx(0.125)
    assert found.reason == "the two were not asked the same examples"
    untested = difference(*reversed(group_of(runs).setups), group_of(runs).scores["token_f1"])
    assert untested == Difference(found.difference, None, None, found.reason)


def test_seeds_that_were_not_asked_the_same_have_no_interval(answered, runs):
    answered("lora", graded(30), seed=0)
    answered("lora", graded(31), seed=1, renamed="id")
    measured = group_of(runs).setups[0].measure(group_of(runs).scores["token_f1"])
    assert measured.mean == pytest.approx((0.625 + 0.6375) / 2)
    assert (measured.interval, measured.interval_reason) == (None, "its seeds were not asked the same examples")


def test_a_score_that_its_answers_do_not_give_has_no_interval(write_cell, runs):
    write_cell("lora", scores={"answer_macro_f1": 0.2})
    measured = group_of(runs).setups[0].measure(group_of(runs).scores["answer_macro_f1"])
    assert (measured.mean, measured.interval) == (0.2, None)
    assert measured.interval_reason == "the answers give 0.25, and the record says 0.2"


def test_corpus_scores_are_tested_like_means(write_cell, answer_lines, make_record, runs):
    write_cell("baseline")
    for seed in range(3):
        lines = answer_lines(make_record("lora"))
        for line in lines:
            line["parts"] = {"answer_macro_f1": ("a", "a")}
        write_cell("lora", seed=seed, scores={"answer_macro_f1": 1.0}, answered=lines)
    (found,) = effects([group_of(runs)], "baseline", ["answer_macro_f1"])
    assert found.difference == 0.75
    # Three of the four classes are in one document, without which the baseline scores 1, too
    assert found.interval.high - found.interval.low == pytest.approx(2 * stats.t.ppf(0.975, 11) * 11 / 12 * 0.75)


def test_without_the_reference_there_are_no_effects(answered, runs):
    answered("lora", graded(20))
    answered("baseline", graded(20), model="other")
    found = comparisons_of(read_studies(runs)[0].cells, read_studies(runs)[0].predictions)
    assert effects(found, "baseline", NAMES) == []
    assert reference_of(found[1], "baseline") is None


def test_a_reference_that_failed_is_none(write_cell, answered, runs):
    write_cell("baseline", **OOM)
    answered("lora", graded(20))
    assert effects([group_of(runs)], "baseline", NAMES) == []


def test_several_setups_of_the_reference_must_be_told_apart(answered, runs):
    for rank, n_right in ((8, 20), (16, 30)):
        answered("lora", graded(n_right), folder=f"r{rank}", method_settings={"rank": rank})
    with pytest.raises(InputError) as error:
        effects([group_of(runs)], "lora", NAMES)
    assert str(error.value) == (
        "--reference lora: tiny has several setups of that method; name one of them: "
        "--reference 'lora (rank=8)', --reference 'lora (rank=16)'"
    )
    (found,) = effects([group_of(runs)], "lora (rank=8)", ["token_f1"])
    assert (found.setup, found.difference) == ("lora (rank=16)", pytest.approx(0.125))


def test_the_best_and_what_cannot_be_told_from_it(trained, runs):
    trained("baseline", graded(10))
    trained("lora", graded(50))
    trained("qlora", graded(49))
    assert best_of(group_of(runs), "token_f1") == {"lora", "qlora"}


def test_the_p_of_the_best_are_adjusted_for_each_other(trained, runs):
    for method, n_right in (("lora", 36), ("qlora", 33), ("toplayer", 20)):
        trained(method, graded(n_right))
    score = (group := group_of(runs)).scores["token_f1"]
    best, *others = ranked(group, score)
    close, far = (difference(each, best, score).p for each in others)
    assert far < 0.025 < close < 1
    # Holm: the smallest p of two counts twice, the largest once
    assert p_from_first([best, *others], score) == {"qlora": pytest.approx(close), "toplayer": pytest.approx(2 * far)}


def test_lower_perplexity_is_better(write_cell, runs):
    for seed in range(3):
        write_cell("baseline", seed=seed, scores={"perplexity": 9.0})
        write_cell("lora", seed=seed, scores={"perplexity": 3.0})
    # Every document has the ratio of the whole, so that all differences are the same, and none is chance
    assert best_of(group_of(runs), "perplexity") == {"lora"}


def test_none_is_best_where_all_are_alike_or_alone(trained, runs):
    trained("lora", graded(30))
    assert best_of(group_of(runs), "token_f1") == frozenset()
    trained("qlora", graded(30))
    assert best_of(group_of(runs), "token_f1") == frozenset()
