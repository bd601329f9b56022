import pytest

from bench.report.read.problem import Problem
from bench.report.read.searches import SearchId, read_searches
from bench.report.read.study import read_studies

LORA = SearchId("t1", "tiny", "events", "lora")


def test_a_search_has_its_trials_in_their_order(write_search, runs):
    write_search("lora", [0.5, None, 0.75])
    searches, problems = read_searches(runs / "t1-tune")
    search = searches[LORA]
    assert problems == []
    assert (search.space, search.metric, search.better) == ({"learning_rate": "log(1e-05, 0.01)"}, "token_f1", "higher")
    assert [cell.record.key for cell in search.trials] == ["tiny-lora-0", "tiny-lora-1", "tiny-lora-2"]
    assert (search.n_trials, search.winner) == (3, "tiny-lora-2")


def test_trials_that_have_not_ended_are_not_among_them(write_search, runs):
    write_search("lora", [0.5, 0.6], n_trials=12)
    (runs / "t1-tune" / "tiny-lora-events-1" / "record.json").write_text("{")
    (runs / "t1-tune" / "notes.txt").write_text("mine")
    searches, _ = read_searches(runs / "t1-tune")
    assert (searches[LORA].n_trials, len(searches[LORA].trials)) == (12, 1)


def test_a_search_that_is_missing_is_a_sentence(write_cell, runs):
    write_cell("lora", tuning={})
    (study,) = read_studies(runs)
    assert (study.searches, study.searched_in) == ({}, ("t1-tune",))
    assert study.problems == (
        Problem(
            "t1-tune", "has no result of a search, so what t1 tried is not shown: put the folder beside the study."
        ),
    )


@pytest.mark.parametrize("content", [b"", b"study: [", b"study: t1\n", b"\xff"])
def test_a_search_that_cannot_be_read_is_a_sentence(write_cell, write_search, runs, content):
    write_search("lora", [0.5])
    write_search("toplayer", [0.5])
    write_cell("lora", tuning={})
    broken = next((runs / "t1-tune" / "winners").glob("*toplayer*"))
    broken.write_bytes(content)
    (study,) = read_studies(runs, "demo")
    assert list(study.searches) == [LORA]
    sentence = "cannot be read, so this search is not shown: type the command of the search again."
    assert study.problems == (Problem(f"t1-tune/winners/{broken.name}", sentence),)


def test_what_a_search_chose_is_no_cell(write_search, runs):
    write_search("lora", [0.5])
    (study,) = read_studies(runs)
    assert (len(study.cells), study.problems, study.searched_in) == (1, (), ("t1-tune",))
