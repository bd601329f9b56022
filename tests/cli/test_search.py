"""The trials of a search, and what they found."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench import store
from bench.cli import check, found, search, sweep
from bench.cli.compose import job_of
from bench.cli.points import composed, points
from bench.errors import InputError
from bench.record import Record
from bench.tuning import result
from bench.tuning.result import SearchResult

if TYPE_CHECKING:
    from omegaconf import DictConfig

Compose = Callable[..., "DictConfig"]

TUNE = "hydra/sweeper=tune"
INFO = {"title": "F1", "lowest": 0.0, "highest": 1.0, "better": "higher", "pooling": "mean"}


@pytest.fixture
def trials(compose: Compose) -> Callable[..., list[list[str]]]:
    """The overrides of every trial of a command."""
    return lambda *typed: points(compose(TUNE, *typed, multirun=True))


def test_every_trial_is_a_cell_of_its_own(trials: Callable[..., list[list[str]]], compose: Compose) -> None:
    typed = ("model=llama1b", "method=baseline,lora,full", "study=t1", "hydra.sweeper.trials=2")
    own = ["study=t1-tune", "scored_on=tune", "seed=0"]
    setup = ["model=llama1b", "method=lora"]
    assert trials(*typed) == [
        [*setup, *own, "method.learning_rate=0.000879", "method.rank=4"],
        [*setup, *own, "method.learning_rate=3.5e-05", "method.rank=8"],
        ["model=llama1b", "method=full", *own, "method.learning_rate=5.23e-06"],
        ["model=llama1b", "method=full", *own, "method.learning_rate=0.000944"],
    ]
    config = compose(TUNE, *typed, multirun=True)
    first = job_of(next(composed(config, points(config))))
    assert (first.study, first.cell.scored_on, first.cell.seed) == ("t1-tune", "tune", 0)
    assert first.cell.method.learning_rate == 0.000879


def test_more_trials_extend_fewer(trials: Callable[..., list[list[str]]]) -> None:
    fewer, more = (
        [point[3:] for point in trials("method=lora", "study=t1", f"hydra.sweeper.trials={n}")] for n in (3, 5)
    )
    assert more[:3] == fewer
    assert len(more) == 5


def test_trials_can_be_shorter_than_final_cells(trials: Callable[..., list[list[str]]]) -> None:
    (point,) = trials(
        "method=full",
        "hydra.sweeper.trials=1",
        "hydra.sweeper.epochs=0.5",
        "hydra.sweeper.train_limit=100",
        "hydra.sweeper.train_seed=7",
    )
    assert point[-5:-1] == ["scored_on=tune", "seed=7", "train.epochs=0.5", "dataset.train_limit=100"]


def test_a_drawn_value_that_cannot_be_is_blamed_on_its_range(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sweep, "planned", [])
    typed = ("method=lora", "+method.search.dropout='uniform(0.5, 1.5)'", "method.alpha=-1", f"runs={tmp_path}")
    with pytest.raises(SystemExit):
        sweep.Plan().on_multirun_start(compose(TUNE, *typed, multirun=True))
    assert capsys.readouterr().err == (
        "method.alpha: must be more than 0.0, got -1 (conf/method/lora.yaml)\n"
        "method.search.dropout: must be less than 1.0, got uniform(0.5, 1.5) (conf/method/lora.yaml)\n"
        "Nothing was started.\n"
    )


def test_faults_for_a_model_are_blamed_on_the_range_of_their_method(compose: Compose) -> None:
    config = compose(TUNE, "method=lora,toplayer", multirun=True)
    blocks = "must be at most 1, the blocks this model has, got {} (model tiny, method {})"
    faults = [
        f"method.blocks: {blocks.format(2, 'toplayer')}",
        f"method.blocks: {blocks.format(2, 'other')}",
        "tiny: no",
    ]
    assert list(search.about_ranges(config, faults)) == [
        f"method.search.blocks: {blocks.format('[1, 2]', 'toplayer')}",
        f"method.blocks: {blocks.format(2, 'other')}",
        "tiny: no",
    ]


def test_a_choice_that_there_is_not_is_one_sentence(compose: Compose, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        sweep.Plan().on_multirun_start(compose(TUNE, "model=tiny,huge", multirun=True))
    assert capsys.readouterr().err == (
        "model: there is no 'huge'; choose one of hub, llama1b, llama3b, llama8b, local, mistral7b, tiny\n"
        "Nothing was started.\n"
    )


def test_a_range_does_not_change_what_a_cell_is(compose: Compose) -> None:
    keys = {
        job_of(compose("method=lora", *typed)).cell.key()
        for typed in ([], ["method.search.rank=[64]"], ["model.learning_rate_factor=7"])
    }
    assert len(keys) == 1


def test_a_models_size_shifts_learning_rates_unless_they_are_typed(compose: Compose) -> None:
    def space(*typed: str) -> dict[str, str]:
        (each,) = search.searches(compose(TUNE, "method=full", "hydra.sweeper.trials=1", *typed, multirun=True))
        return each.space.written()

    assert space("model=llama1b") == {"learning_rate": "log(1e-06, 0.001)"}
    assert space("model=tiny") == {"learning_rate": "log(3e-05, 0.03)"}
    # The factor is the embedded model's, not that of another one which takes its place
    assert space("model=tiny", "model.path=my/model") == {"learning_rate": "log(1e-06, 0.001)"}
    assert space("model.path=my/model", "model.learning_rate_factor=3") == {"learning_rate": "log(3e-06, 0.003)"}
    assert space("model=tiny", 'method.search.learning_rate="log(1e-4, 1e-2)"') == {
        "learning_rate": "log(0.0001, 0.01)"
    }
    own = '+method_by_model.tiny.full.search={learning_rate:"uniform(0.1, 0.2)"}'
    assert space("model=tiny", own) == {"learning_rate": "uniform(0.1, 0.2)"}


def test_what_is_typed_is_the_same_in_every_trial(compose: Compose) -> None:
    (each,) = search.searches(compose(TUNE, "method=lora", "method.rank=32", "hydra.sweeper.trials=2", multirun=True))
    assert set(each.space.written()) == {"learning_rate"}
    assert not any(override.startswith("method.rank") for override in each.points[1][2:])


def test_trials_that_draw_the_same_are_one_cell(compose: Compose) -> None:
    config = compose(TUNE, "method=lora", "method.learning_rate=1e-3", "hydra.sweeper.trials=12", multirun=True)
    (each,) = search.searches(config)
    assert len(each.points) == 12
    assert sorted(point[-1] for point in points(config)) == ["method.rank=16", "method.rank=4", "method.rank=8"]


def test_settings_inside_settings_and_texts(trials: Callable[..., list[list[str]]]) -> None:
    (point,) = trials(
        "method=dora", "hydra.sweeper.trials=1", "+method.search.config.target_modules=[[q_proj],all-linear]"
    )
    assert point[-1] in ('method.config.target_modules=["q_proj"]', "method.config.target_modules=all-linear")
    assert point[-2].startswith("method.config.r=")


def test_an_experiments_seeds_are_not_swept(trials: Callable[..., list[list[str]]]) -> None:
    found = trials("experiment=study", "hydra.sweeper.trials=2")
    # Three models, and three methods that train
    assert len(found) == 3 * 3 * 2
    assert {override for point in found for override in point if override.startswith("seed=")} == {"seed=0"}


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["seed=0,1"], "seed: cannot be given here, since every trial is trained with tune.train_seed"),
        (["scored_on=test"], "scored_on: cannot be given here, since a search scores the tune split"),
        (["tuned=t0"], "tuned: cannot be given here, since a search starts from what is configured"),
        (
            ["method=baseline,fewshot"],
            "none of these methods trains anything, so there is nothing to search; name one that does",
        ),
        (
            ["method.dropout=0,0.1"],
            "model=tiny method=lora dataset=events would be searched twice; a search tries settings of methods, so "
            "sweep only over model, method and dataset, and fix other settings or give each value a study of its own",
        ),
        (
            ["method=full", "method.learning_rate=1e-3"],
            "method=full has nothing left to search: a value was typed for learning_rate; leave one out, or the method",
        ),
        (
            ["method=full", "method.search=null"],
            "method=full has no setting to search; give it ranges, such as "
            "+method.search.learning_rate='log(1e-5, 1e-3)', or leave it out",
        ),
        (["hydra.sweeper.trials=0"], "tune.trials: must be at least 1, got 0"),
        (
            ["method.search.rank=3"],
            "method.search.rank: must be log(LOW, HIGH), uniform(LOW, HIGH), int(LOW, HIGH) or a list of values, got 3 "
            "(conf/method/lora.yaml)",
        ),
    ],
)
def test_what_is_no_search(compose: Compose, typed: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        points(compose(TUNE, *typed, multirun=True))
    assert str(caught.value) == message


def test_a_rank_that_is_drawn_counts_more_than_an_experiments(compose: Compose) -> None:
    config = compose(TUNE, "experiment=methods", "method=dora", "hydra.sweeper.trials=8", multirun=True)
    jobs = [job_of(each) for each in composed(config, points(config))]
    configs = [job.cell.method.model_dump()["config"] for job in jobs]
    assert {each["r"] for each in configs} == {4, 8, 16}
    assert {each["target_modules"] for each in configs} == {"all-linear"}


def test_a_search_goes_on_as_it_began(ended: "Ended", compose: Compose, tmp_path: Path) -> None:
    before = ended([{"token_f1": 0.2}, {"token_f1": 0.6}])
    path = result.path_of(tmp_path, "t1", before.model_dump())
    path.parent.mkdir(parents=True)
    path.write_text(before.text())

    def refusal(*typed: str) -> str:
        with pytest.raises(InputError) as caught:
            points(compose(TUNE, f"runs={tmp_path}", "study=t1", *typed, multirun=True))
        return str(caught.value)

    assert refusal("hydra.sweeper.trials=1") == (
        "tune.trials: lora on tiny and events had 2 trials already, which fewer would hide; give at least as many, or "
        "another study"
    )
    for other in ("hydra.sweeper.seed=1", "hydra.sweeper.epochs=1", "method.search.rank=[2]"):
        assert refusal("hydra.sweeper.trials=3", other) == (
            "study=t1 has a search of lora on tiny and events with other ranges or tune settings; give those again, or "
            "another study"
        )
    typed = (f"runs={tmp_path}", "study=t1", "hydra.sweeper.trials=3")
    assert len(points(compose(TUNE, *typed, multirun=True))) == 3


Ended = Callable[..., SearchResult]


@pytest.fixture
def ended(compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: Record) -> Ended:
    """What a search of lora found whose trials ended so: a status, scores, or None for no record."""

    def result_of(endings: Sequence[str | dict[str, float | None] | None], *typed: str, **info: Any) -> SearchResult:
        monkeypatch.setattr(sweep, "planned", [])
        monkeypatch.setattr(check, "faults", lambda *_: [])
        config = compose(
            TUNE, f"runs={tmp_path}", "study=t1", f"hydra.sweeper.trials={len(endings)}", *typed, multirun=True
        )
        sweep.Plan().on_multirun_start(config)
        for cell, ending in zip(sweep.planned, endings, strict=True):
            if ending is not None:
                cell.folder.mkdir(parents=True, exist_ok=True)
                store.write_record(cell.folder, _record(record, ending, info))
        (each,) = search.searches(config)
        return found.found(each, "t1")

    return result_of


def _record(record: Record, ending: str | dict[str, float | None], info: dict[str, Any]) -> Record:
    content = json.loads(record.model_dump_json())
    if isinstance(ending, str):
        error = {"type": "Stopped", "message": "it stopped", "phase": "train"}
        return Record.model_validate(content | {"status": ending, "error": error})
    infos = dict.fromkeys(ending, INFO | info)
    missing = {**content["missing"], "scores": "nobody knows"}
    return Record.model_validate(content | {"scores": ending, "score_info": infos, "missing": missing})


def test_the_best_trial_wins(ended: Ended) -> None:
    result = ended([{"token_f1": 0.2}, {"token_f1": 0.6}, "oom", {"token_f1": 0.4}])
    assert (result.trial, result.score, result.metric, result.tied) == (1, 0.6, "token_f1", ())
    assert result.chosen == {"learning_rate": 0.00105, "rank": 8}
    assert (result.n_trials, result.n_failed) == (4, 1)
    assert result.key == result.trials[1].key == sweep.planned[1].job.cell.key()
    assert result.search == {"learning_rate": "log(0.0003, 0.3)", "rank": "[4, 8, 16]"}
    assert found.said(result) == (
        "lora on tiny and events: learning_rate=0.00105 rank=8, trial 1 of 4, 1 of them without a score, token_f1 on "
        "tune 0.6"
    )


def test_where_lower_is_better_and_two_are_equal(ended: Ended) -> None:
    result = ended([{"ppl": 9.0}, {"ppl": 3.0}, {"ppl": 3.0}], better="lower")
    assert (result.trial, result.tied) == (1, (2,))
    assert found.said(result).endswith("ppl on tune 3; trial 2 scored the same, and the first is taken")


def test_a_score_that_is_missing_or_infinite_wins_nothing(ended: Ended) -> None:
    result = ended([{"token_f1": None}, {"token_f1": float("inf")}, {"token_f1": 0.1}])
    assert (result.trial, result.n_failed) == (2, 2)
    nothing = ended(["failed", "killed", "timeout"], "hydra.sweeper.seed=1")
    assert (nothing.chosen, nothing.n_failed, nothing.complete) == (None, 3, True)
    assert found.said(nothing) == "lora on tiny and events: none of 3 trials has a score"


def test_a_score_that_no_trial_has_does_not_decide(ended: Ended) -> None:
    result = ended([{"bertscore_f1": None, "token_f1": 0.2}, {"bertscore_f1": None, "token_f1": 0.6}])
    assert (result.metric, result.trial) == ("token_f1", 1)


@pytest.mark.parametrize("missing", [None, "interrupted"])
def test_nothing_is_chosen_before_all_trials_have_ended(ended: Ended, missing: str | None) -> None:
    result = ended([{"token_f1": 0.2}, missing])
    assert (result.chosen, result.complete) == (None, False)
    assert found.said(result) == "lora on tiny and events: 1 of 2 trials have ended"


def test_another_score_decides(ended: Ended) -> None:
    scores = [{"token_f1": 0.2, "chrf": 0.9}, {"token_f1": 0.6, "chrf": 0.1}]
    assert ended(scores, "metric=[token_f1,chrf]", "hydra.sweeper.metric=chrf").trial == 0
    # Its scores have names only when it scores.
    evaluate = ("metric=[token_f1,evaluate]", "metric.evaluate.metrics=[rouge]")
    with pytest.raises(InputError) as caught:
        ended(scores, *evaluate, "hydra.sweeper.metric=nope")
    assert str(caught.value) == (
        "tune.metric: no trial has a score 'nope' that ranks; choose one of token_f1, chrf and type the command again, "
        "which runs no trial twice"
    )


def test_the_end_names_the_files_and_the_next_command(
    ended: Ended, compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = ended([{"token_f1": 0.2}, {"token_f1": 0.6}])
    typed = ("method=baseline,lora", f"runs={tmp_path}", "study=t1", "hydra.sweeper.trials=2", "hydra/launcher=gpus")
    config = compose(TUNE, *typed, multirun=True)
    assert found.next_command(config) == (
        f"python -m bench -m method=baseline,lora runs={tmp_path} hydra/launcher=gpus seed=0,1,2 tuned=t1 "
        "study=t1-final"
    )
    capsys.readouterr()
    found.conclude(search.searches(config)[:0], "t1", tmp_path, found.next_command(config))
    path = result.path_of(tmp_path, "t1", {"model": "tiny", "method": "lora", "dataset": "events"})
    assert not path.exists()
    config = compose(TUNE, f"runs={tmp_path}", "study=t1", "hydra.sweeper.trials=2", multirun=True)
    found.conclude(search.searches(config), "t1", tmp_path, found.next_command(config))
    assert result.read(path) == expected
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"What was chosen: {tmp_path}/t1-tune/winners/*.yaml. To use it:",
        f"  python -m bench -m runs={tmp_path} seed=0,1,2 tuned=t1 study=t1-final",
    ]
