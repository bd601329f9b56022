"""`tuned=STUDY`: what a search chose becomes the settings of a method."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.cli import check, sweep, tuned
from bench.cli.compose import job_of
from bench.errors import InputError
from bench.job import Job
from bench.tuning.result import SearchResult, Trial, path_of

if TYPE_CHECKING:
    from omegaconf import DictConfig

Compose = Callable[..., "DictConfig"]


IDENTITIES: dict[str, str] = {}
"""Of the default model and data set."""


@pytest.fixture(autouse=True)
def _default(default_job: Job) -> None:
    IDENTITIES.update(tuned.identities(default_job.cell))


@pytest.fixture
def searched(tmp_path: Path) -> Callable[..., SearchResult]:
    """Writes what a search of t1 found; gives it."""

    def write(method: str, settings: dict[str, Any], n_trials: int = 2, **changes: Any) -> SearchResult:
        trials = [Trial(trial=it, settings=settings, key="k", status="ok", score=0.5) for it in range(n_trials)]
        found = SearchResult(
            **{"study": "t1", "model": "tiny", "identities": IDENTITIES, "method": method, "dataset": "events"}
            | {"chosen": settings, "trial": 0, "key": "abc", "metric": "token_f1", "better": "higher", "score": 0.5}
            | {"score_error": None, "tied": (), "n_trials": n_trials, "n_failed": 0}
            | {"search": dict.fromkeys(settings, "log(1, 2)"), "seed": 0, "train_seed": 0}
            | {"train_limit": None, "epochs": None, "tune_fingerprint": "f", "trials": tuple(trials)}
            | changes
        )
        path = path_of(tmp_path, "t1", found.model_dump())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found.text())
        return found

    return write


@pytest.fixture
def job(compose: Compose, tmp_path: Path) -> Callable[..., Job]:
    """The job of a command with tuned=t1."""
    return lambda *typed: job_of(compose(f"runs={tmp_path}", "tuned=t1", *typed))


def test_what_was_chosen_is_part_of_the_cell(
    job: Callable[..., Job], compose: Compose, searched: Callable[..., SearchResult]
) -> None:
    found = searched("lora", {"learning_rate": 0.00321, "rank": 4})
    final = job("method=lora")
    assert final.cell == job_of(compose("method=lora", "method.learning_rate=0.00321", "method.rank=4")).cell
    assert final.tuning == found.tuning()
    assert not list(tuned.remarks([final]))


def test_what_an_experiment_gives_for_a_model_is_replaced_too(
    job: Callable[..., Job], compose: Compose, searched: Callable[..., SearchResult]
) -> None:
    data = tuned.identities(job_of(compose("experiment=methods", "method=dora")).cell)
    searched("dora", {"learning_rate": 0.00321, "config.r": 4}, identities=data)
    method = job("experiment=methods", "method=dora").cell.method.model_dump()
    assert method["learning_rate"] == 0.00321
    assert method["config"]["r"] == 4
    assert method["config"]["target_modules"] == "all-linear"


def test_what_is_typed_wins_and_that_is_said(job: Callable[..., Job], searched: Callable[..., SearchResult]) -> None:
    searched("lora", {"learning_rate": 0.00321, "rank": 4})
    final = job("method=lora", "method.rank=32")
    assert final.tuning is not None
    assert final.tuning.overridden == ("rank",)
    assert final.cell.method.model_dump()["rank"] == 32
    assert list(tuned.remarks([final])) == [
        "method.rank=32 was typed, and is used for lora in place of what the search t1 chose."
    ]
    searched("dora", {"config.r": 4})
    whole = job("method=dora", "method.config={r:2,target_modules:[q_proj]}")
    assert whole.tuning is not None
    assert whole.tuning.overridden == ("config.r",)


def test_a_method_that_has_nothing_to_search_needs_no_search(
    job: Callable[..., Job], searched: Callable[..., SearchResult]
) -> None:
    assert job("method=baseline").tuning is None
    assert job("method=lora", "method.search=null").tuning is None
    # Its space was typed for the search alone.
    found = searched("lora", {"dropout": 0.25})
    assert job("method=lora", "method.search=null").tuning == found.tuning()


def test_limits_may_differ_between_trials_and_final_cells_but_not_the_data(
    job: Callable[..., Job], searched: Callable[..., SearchResult]
) -> None:
    searched("lora", {"learning_rate": 0.1})
    assert job("dataset.train_limit=100", "dataset.test_limit=10").tuning is not None
    with pytest.raises(InputError) as caught:
        job("dataset.seed=1")
    assert str(caught.value) == (
        "tuned=t1: its search of lora on tiny and events had other settings or files of the dataset; give those again, "
        "or search these with a study of their own"
    )


COMMAND = "run `tunebench tune model=tiny method=lora dataset=events study=t1`"
MISSING = "tuned=t1: there was no search for model=tiny method=lora dataset=events"


def test_a_search_that_there_was_not(
    job: Callable[..., Job], searched: Callable[..., SearchResult], tmp_path: Path
) -> None:
    def refusal() -> str:
        with pytest.raises(InputError) as caught:
            job("method=lora")
        return str(caught.value)

    assert refusal() == f"{MISSING}; {tmp_path}/t1-tune/winners holds no results; {COMMAND}"
    searched("full", {"learning_rate": 0.1})
    searched("lora", {"learning_rate": 0.1}, model="other")
    assert refusal() == f"{MISSING}; it has lora on other and events, full on tiny and events; {COMMAND}"


def _trial(status: str) -> Trial:
    return Trial(trial=0, settings={}, key="k", status=status, score=None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"identities": {"model": "another"}},
            "tuned=t1: its search of lora on tiny and events had other settings or files of the model; give those "
            "again, or search these with a study of their own",
        ),
        (
            {"trials": tuple(map(_trial, ("ok", "not run")))},
            "tuned=t1: 1 of 2 trials of lora on tiny and events have ended; type the command of the search again, and "
            "it goes on",
        ),
        (
            {"chosen": None},
            "tuned=t1: no trial of lora on tiny and events has a score; look at their records in {runs}/t1-tune",
        ),
    ],
)
def test_a_search_that_chose_nothing(
    job: Callable[..., Job],
    searched: Callable[..., SearchResult],
    tmp_path: Path,
    changes: dict[str, Any],
    message: str,
) -> None:
    searched("lora", {"learning_rate": 0.1}, **changes)
    with pytest.raises(InputError) as caught:
        job("method=lora")
    assert str(caught.value) == message.format(runs=tmp_path)


@pytest.fixture
def mixed(job: Callable[..., Job], searched: Callable[..., SearchResult]) -> Callable[..., list[str]]:
    """What is said of lora with 12 trials, qlora with 12 and full with 4."""
    searched("lora", {"learning_rate": 0.1}, 12)
    searched("qlora", {"learning_rate": 0.1}, 12)
    searched("full", {"learning_rate": 0.1}, 4)
    methods = ("baseline", "lora", "qlora", "full")
    return lambda *typed: list(tuned.unequal([job(f"method={method}", *typed) for method in methods]))


def test_unequal_budgets(mixed: Callable[..., list[str]], searched: Callable[..., SearchResult]) -> None:
    assert mixed() == [
        "tuned=t1: the searches for tiny and events had different budgets (full: 4 trials, chosen by token_f1; "
        "lora, qlora: 12 trials, chosen by token_f1); run them again with the same tune settings, or type --allow-mixed"
    ]
    assert mixed("allow_mixed=true") == []
    searched("full", {"learning_rate": 0.1}, 12)
    assert mixed() == []


def test_unequal_budgets_are_refused_before_anything_runs(
    mixed: Callable[..., list[str]],
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sweep, "planned", [])
    monkeypatch.setattr(check, "faults", lambda *_: [])
    # Full training is not among these, but may be compared with them.
    typed = (f"runs={tmp_path}", "tuned=t1", "method=lora,qlora", "method.learning_rate=1e-3")
    with pytest.raises(SystemExit):
        sweep.Plan().on_multirun_start(compose(*typed, multirun=True))
    assert capsys.readouterr().err.splitlines() == [
        mixed()[0],
        "Nothing was started.",
    ]
    sweep.planned.clear()
    sweep.Plan().on_multirun_start(compose(*typed, "allow_mixed=true", multirun=True))
    assert len(sweep.planned) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"method.learning_rate=0.001 was typed, and is used for {method} in place of what the search t1 chose."
        for method in ("lora", "qlora")
    ]
