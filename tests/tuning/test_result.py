"""The file that says what a search found."""

from pathlib import Path

import pytest
import yaml

from bench.errors import InputError
from bench.record_sections import Tuning
from bench.tuning.result import SearchResult, Trial, path_of, read

TRIALS = (
    Trial(trial=0, settings={"learning_rate": 1e-05, "config.r": 8}, key="0" * 12, status="ok", score=0.25),
    Trial(trial=1, settings={"learning_rate": 0.001, "config.r": 16}, key="1" * 12, status="oom", score=None),
)
RESULT = SearchResult(
    study="t1",
    model="tiny",
    identities={"model": "a", "dataset": "b"},
    method="dora",
    dataset="events",
    chosen={"learning_rate": 1e-05, "config.r": 8},
    trial=0,
    key="0" * 12,
    metric="token_f1",
    better="higher",
    score=0.25,
    score_error=0.01,
    tied=(),
    n_trials=2,
    n_failed=1,
    search={"learning_rate": "log(1e-05, 0.01)", "config.r": "[8, 16]"},
    seed=0,
    train_seed=0,
    train_limit=None,
    epochs=None,
    tune_fingerprint="f" * 64,
    trials=TRIALS,
)


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = path_of(tmp_path, "t1", {"model": "tiny", "method": "dora", "dataset": "events"})
    assert path == tmp_path / "t1-tune" / "winners" / "tiny+dora+events.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(RESULT.text())
    assert read(path) == RESULT
    assert yaml.safe_load(RESULT.text())["chosen"] == {"learning_rate": 1e-05, "config.r": 8}
    assert RESULT.text().startswith("# What `tunebench tune` tried for dora on tiny and events, and what it chose.")


def test_what_the_records_of_a_tuned_study_say() -> None:
    assert RESULT.tuning(["config.r"]) == Tuning(
        study="t1",
        search={"learning_rate": "log(1e-05, 0.01)", "config.r": "[8, 16]"},
        n_trials=2,
        n_failed=1,
        metric="token_f1",
        better="higher",
        score=0.25,
        score_error=0.01,
        tune_fingerprint="f" * 64,
        trial_key="0" * 12,
        overridden=("config.r",),
    )


def test_trials_that_failed_have_ended_and_those_that_were_stopped_have_not() -> None:
    ended = {
        status: TRIALS[0].model_copy(update={"status": status}).ended for status in ("oom", "killed", "interrupted")
    }
    assert ended == {"oom": True, "killed": True, "interrupted": False}
    assert RESULT.complete
    assert not RESULT.model_copy(
        update={"trials": (*TRIALS, TRIALS[0].model_copy(update={"status": "not run"}))}
    ).complete


def test_the_budget_in_words() -> None:
    assert RESULT.budget == "2 trials"
    small = RESULT.model_copy(update={"epochs": 0.5, "train_limit": 100})
    assert small.budget == "2 trials of 0.5 epochs on 100 examples"


@pytest.mark.parametrize("text", ["[1, 2", "study: t1\n", "3"])
def test_a_file_that_is_no_result(tmp_path: Path, text: str) -> None:
    (tmp_path / "it.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        read(tmp_path / "it.yaml")
    assert str(caught.value) == f"{tmp_path}/it.yaml is not the result of a search; run `tunebench tune` again"
