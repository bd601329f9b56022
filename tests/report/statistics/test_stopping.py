import numpy as np

from bench.report.statistics.jackknife import Spread
from bench.report.statistics.stopping import looks_at

LOOKS = (3, 5, 10)
DOCUMENTS = np.random.default_rng(0).normal(0, 0.02, 40)
DOCUMENTS -= DOCUMENTS.mean()


def spread(*seeds: float) -> Spread:
    """A setup whose score at each seed is given, and on documents that hardly differ from setup to setup."""
    scores = np.array(seeds)[:, np.newaxis] + DOCUMENTS
    own = np.random.default_rng(round(1000 * seeds[0])).normal(0, 0.001, scores.shape)
    scores = scores + own - own.mean(axis=1, keepdims=True)
    return Spread(scores.mean(axis=1), (scores.sum(axis=1, keepdims=True) - scores) / (scores.shape[1] - 1))


def around(mean: float, n_seeds: int) -> Spread:
    """Seeds that differ by a hundredth."""
    return spread(*(mean + 0.01 * (-1) ** at for at in range(n_seeds)))


def test_a_clear_winner_ends_the_study_at_the_first_look():
    looks = looks_at({"a": around(0.9, 10), "b": around(0.5, 10), "c": around(0.3, 10)}, LOOKS, 3)
    assert len(looks) == 1
    assert (looks[0].n_seeds, looks[0].may_be_best, looks[0].going_on) == (3, ("a",), ())
    assert {(pair.one, pair.other): (pair.state, pair.worse) for pair in looks[0].pairs} == {
        ("a", "b"): ("decided", "b"),
        ("a", "c"): ("decided", "c"),
        ("b", "c"): ("decided", "c"),
    }
    assert all(pair.p_adjusted < 0.05 for pair in looks[0].pairs)


def test_the_lowest_wins_where_lower_is_better():
    (look,) = looks_at({"a": around(0.9, 3), "b": around(0.5, 3)}, LOOKS, 2, sign=-1)
    assert look.may_be_best == ("b",)


def test_the_worse_one_stops_and_the_others_go_on():
    wide = {"a": spread(0.58, 0.68, 0.60), "b": spread(0.72, 0.62, 0.71), "c": around(0.1, 3)}
    (look,) = looks_at(wide, LOOKS, 3)
    assert look.may_be_best == ("a", "b")
    assert look.going_on == ("a", "b")
    assert {(pair.one, pair.other): pair.state for pair in look.pairs} == {
        ("a", "b"): "open",
        ("a", "c"): "decided",
        ("b", "c"): "decided",
    }


def test_the_next_look_waits_for_its_seeds_and_compares_the_stopped_one_as_it_was():
    first = {"a": spread(0.58, 0.68, 0.60), "b": spread(0.72, 0.62, 0.71), "c": around(0.1, 3)}
    more = {
        "a": spread(0.58, 0.68, 0.60, 0.62, 0.66),
        "b": spread(0.72, 0.62, 0.71, 0.70, 0.69),
        "c": first["c"],
    }
    one, two = looks_at(more, LOOKS, 3)
    assert one == looks_at(more | {name: more[name].first(3) for name in "ab"}, LOOKS, 3)[0]
    assert two.n_seeds == 5
    reached = {(pair.one, pair.other): pair.repeated.n_seeds for pair in two.pairs}
    assert reached == {("a", "b"): 5, ("a", "c"): 3, ("b", "c"): 3}
    assert len(looks_at(more | {"a": more["a"].first(4)}, LOOKS, 3)) == 1


def test_setups_that_documents_cannot_tell_apart_get_no_more_seeds():
    (look,) = looks_at({"a": spread(0.6001, 0.6, 0.6), "b": spread(0.6, 0.6001, 0.6)}, LOOKS, 2)
    assert [pair.state for pair in look.pairs] == ["futile"]
    assert (look.may_be_best, look.going_on) == (("a", "b"), ())


def test_nothing_goes_on_after_the_last_look():
    wide = {"a": spread(*[0.60, 0.75] * 5), "b": spread(*[0.74, 0.63] * 5)}
    looks = looks_at(wide, LOOKS, 2)
    assert [look.n_seeds for look in looks] == [3, 5, 10][: len(looks)]
    assert looks[-1].going_on == ()


def test_setups_without_a_score_count_in_the_adjustment():
    pair = {"a": spread(0.60, 0.62, 0.61), "b": spread(0.56, 0.58, 0.54)}
    alone, among = (looks_at(pair, LOOKS, n_setups)[0].pairs[0] for n_setups in (2, 4))
    assert alone.repeated == among.repeated
    assert among.p_adjusted == min(1.0, 6 * alone.p_adjusted)


def test_a_setup_that_no_seed_changes_has_one_and_is_compared_at_every_look():
    looks = looks_at({"base": spread(0.64), "a": spread(*[0.60, 0.75] * 5)}, LOOKS, 2)
    assert [look.pairs[0].repeated.n_seeds for look in looks] == [3, 5, 10][: len(looks)]


def test_a_setup_that_lost_a_cell_stops_with_the_seeds_that_it_has_and_the_others_go_on():
    both = {"a": spread(0.58, 0.68, 0.60, 0.62), "b": spread(0.72, 0.62, 0.71)}
    (look,) = looks_at(both, LOOKS, 2, lost={"a"})
    assert (look.may_be_best, look.going_on) == (("a", "b"), ())
    three = both | {"b": spread(0.72, 0.62, 0.71, 0.62, 0.71), "c": spread(0.58, 0.66, 0.60, 0.58, 0.66)}
    one, two = looks_at(three, LOOKS, 3, lost={"a"})
    assert one.going_on == ("b", "c")
    assert {(pair.one, pair.other): pair.repeated.n_seeds for pair in two.pairs} == {
        ("a", "b"): 3,
        ("a", "c"): 3,
        ("b", "c"): 5,
    }


def test_two_setups_that_no_seed_changes_need_no_more_seeds():
    (look,) = looks_at({"a": spread(0.64), "b": spread(0.6395)}, LOOKS, 2)
    assert look.going_on == ()


def test_two_setups_that_score_alike_need_no_more_seeds():
    same = around(0.6, 3)
    (look,) = looks_at({"a": same, "b": same}, LOOKS, 2)
    assert [pair.state for pair in look.pairs] == ["futile"]
    assert look.going_on == ()
