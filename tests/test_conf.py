"""Every shipped configuration is built as the command would build it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from bench.cli import check, sweep
from bench.cli.compose import NOT_OF_THE_CELL, job_of
from bench.job import Job
from bench.method import Method
from bench.settings import Part
from bench.tuning.space import Space, put
from tests.shipped import shipped

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONF = Path(__file__).parents[1] / "conf"
GROUPS = sorted({file.parent.name for file in CONF.glob("*/*.yaml")})
FILES = {group: sorted(file.stem for file in (CONF / group).glob("*.yaml")) for group in GROUPS}
NESTED = {"tracker", "metric"}
"""Groups of which a cell can have several: a mapping of names to parts."""

# The settings that reproduce the study's column of trainable percentages, cell by cell.
STUDY: dict[tuple[str, str], dict[str, Any]] = {
    ("llama1b", "baseline"): {},
    ("llama1b", "lora"): {"rank": 8, "target_modules": ("q_proj", "v_proj")},
    ("llama1b", "qlora"): {"rank": 8, "target_modules": ("q_proj", "v_proj"), "bits": 4},
    ("llama1b", "toplayer"): {"blocks": 1, "output_embedding": False, "final_norm": False},
    ("llama3b", "baseline"): {},
    ("llama3b", "lora"): {"rank": 32, "target_modules": ("q_proj", "v_proj")},
    ("llama3b", "qlora"): {"rank": 32, "target_modules": ("q_proj", "v_proj"), "bits": 4},
    ("llama3b", "toplayer"): {"blocks": 2, "output_embedding": True, "final_norm": False},
    ("mistral7b", "baseline"): {},
    ("mistral7b", "lora"): {"rank": 8, "target_modules": ("q_proj", "v_proj")},
    ("mistral7b", "qlora"): {"rank": 8, "target_modules": ("q_proj", "v_proj"), "bits": 4},
    ("mistral7b", "toplayer"): {"blocks": 2, "output_embedding": True, "final_norm": False},
}

Compose = Callable[..., "DictConfig"]


def content(group: str, name: str) -> dict[str, Any]:
    loaded = yaml.safe_load((CONF / group / f"{name}.yaml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def parts(group: str, job: Job) -> list[Part]:
    """The parts of the job that came from `group`."""
    owner: Any = job if group in Job.model_fields else job.cell
    found = getattr(owner, group)
    return list(found.values()) if group in NESTED else [found]


def lists_every_field(part: Part, given: dict[str, Any]) -> None:
    """So that each can be overridden on the command line without a `+`, in parts within the part as well."""
    assert set(given) == {"_target_", *type(part).model_fields}
    assert given["_target_"] == f"{type(part).__module__}.{type(part).__qualname__}"
    for name, value in part:
        if isinstance(value, Part):
            lists_every_field(value, given[name])


def without_search(group: str, given: dict[str, Any]) -> dict[str, Any]:
    """The settings of a file but for the one that says how a search tries values, which is no part of a cell."""
    return {name: value for name, value in given.items() if name != NOT_OF_THE_CELL[group]}


def planned(monkeypatch: pytest.MonkeyPatch, config: "DictConfig") -> list[Job]:
    """The jobs that the command would run for a multirun, whose data and models are not checked."""
    monkeypatch.setattr(sweep, "planned", [])
    monkeypatch.setattr(check, "faults", lambda *_: [])
    sweep.Plan().on_multirun_start(config)
    return [cell.job for cell in sweep.planned]


def test_the_groups_are_those_of_the_help() -> None:
    assert GROUPS == [
        "dataset",
        "experiment",
        "method",
        "metric",
        "model",
        "prompt",
        "telemetry",
        "tracker",
        "train",
    ]


@pytest.mark.parametrize("group", GROUPS)
def test_nothing_but_configurations_lies_in_a_group(group: str) -> None:
    assert sorted(file.name for file in (CONF / group).iterdir()) == sorted(f"{name}.yaml" for name in FILES[group])
    assert [file.name for file in CONF.iterdir() if file.is_file()] == ["config.yaml"]


# Either is composed without a look at the other.
@pytest.mark.parametrize(
    ("model", "method"),
    [*((model, "lora") for model in FILES["model"]), *(("tiny", method) for method in FILES["method"])],
)
def test_every_model_and_every_method(compose: Compose, model: str, method: str) -> None:
    given = content("model", model)
    path = [] if given["path"] else ["model.path=someone/Small-0.1B"]
    cell = job_of(compose(f"model={model}", f"method={method}", *path)).cell
    assert (cell.model.name, cell.method.name) == ({"tiny": "tiny"}.get(model, given["name"] or "Small-0.1B"), method)
    lists_every_field(cell.model, without_search("model", given))
    lists_every_field(cell.method, without_search("method", content("method", method)))


@pytest.mark.parametrize("name", FILES["method"])
def test_whatever_a_search_draws_is_accepted(name: str) -> None:
    space = Space.model_validate({"search": content("method", name).get("search")})
    for path, values in space.search.items():
        for quantile in (0.0, 0.25, 0.5, 0.75, 1.0):
            settings = shipped("method", name)
            put(settings, path, values.at(quantile))
            Method.model_validate(settings)


GOES_WITH = {"text": ["prompt=plain"], "plain": ["dataset=text"]}


@pytest.mark.parametrize(
    ("group", "name"),
    [
        (group, name)
        for group in GROUPS
        if group not in ("model", "method", "metric", "experiment")
        for name in FILES[group]
    ],
)
def test_every_other_choice(compose: Compose, group: str, name: str) -> None:
    built = parts(group, job_of(compose(f"{group}={name}", *GOES_WITH.get(name, []))))
    if name == "none":
        assert built == []
        return
    (part,) = built
    assert part.name == name
    given = content(group, name)
    lists_every_field(part, given.get(name, given))


def test_every_metric(compose: Compose) -> None:
    metrics = job_of(compose(f"metric=[{','.join(FILES['metric'])}]")).cell.metric
    assert sorted(metrics) == FILES["metric"]
    for name, metric in metrics.items():
        assert metric.name == name
        lists_every_field(metric, content("metric", name))


def test_the_default_cell(default_job: Job) -> None:
    cell = default_job.cell
    assert (cell.model.name, cell.method.name, cell.dataset.name, cell.prompt.name) == (
        "tiny",
        "lora",
        "events",
        "squad",
    )
    assert list(cell.metric) == [
        "token_f1",
        "exact_match",
        "answer_macro_f1",
        "bleu",
        "rouge",
        "perplexity",
        "bertscore",
        "evaluate",
    ]
    assert (default_job.study, default_job.runs, default_job.force, default_job.timeout_s) == (
        "default",
        "runs",
        False,
        None,
    )
    assert default_job.title() == "tiny lora events seed 0"


def test_every_setting_of_the_top_level_is_in_the_file(default_config: "DictConfig") -> None:
    settings = {str(key) for key in default_config} - {"hydra", "method_by_model"}
    assert settings == {*type(job_of(default_config).cell).model_fields, *Job.model_fields} - {"cell", "tuning"}


def test_the_users_own_sentence(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    config = compose("model=llama1b,llama3b,mistral7b", "method=lora,qlora,toplayer", multirun=True)
    jobs = planned(monkeypatch, config)
    assert [(job.cell.model.name, job.cell.method.name) for job in jobs] == [
        (model, method) for model in ("llama1b", "llama3b", "mistral7b") for method in ("lora", "qlora", "toplayer")
    ]
    assert len({job.folder() for job in jobs}) == 9


def test_seeds_sweep(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = planned(monkeypatch, compose("method=baseline", "seed=0,1,2", "study=mine", multirun=True))
    assert [(job.cell.seed, job.study) for job in jobs] == [(0, "mine"), (1, "mine"), (2, "mine")]


def test_the_demo(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = planned(monkeypatch, compose("experiment=demo", multirun=True))
    assert [job.title() for job in jobs] == [
        f"tiny {method} events seed 0" for method in ("baseline", "lora", "qlora", "toplayer")
    ]
    assert {job.study for job in jobs} == {"demo"}


def test_the_study_is_the_published_one_at_three_seeds(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    published, study = (
        {
            (job.cell.model.name, job.cell.method.name, job.cell.seed): job.cell.model_copy(update={"seed": 0})
            for job in planned(monkeypatch, compose(f"experiment={name}", multirun=True))
        }
        for name in ("study-published", "study")
    )
    assert study == {
        (model, method, seed): cell for (model, method, _), cell in published.items() for seed in (0, 1, 2)
    }


def test_the_experiment_with_all_methods(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = planned(monkeypatch, compose("experiment=methods", multirun=True))
    methods = {job.cell.method.name for job in jobs}
    # Llama has no biases, and `peft` is a method only with a type.
    assert methods == {*FILES["method"]} - {"bitfit", "peft"}
    assert len(methods) >= 19
    assert sorted((job.cell.method.name, job.cell.seed) for job in jobs) == [
        (method, seed) for method in sorted(methods) for seed in range(3)
    ]
    assert {(job.cell.model.name, job.study) for job in jobs} == {("tiny", "methods")}


def test_its_methods_fit_its_model(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.child import check

    jobs = planned(monkeypatch, compose("experiment=methods", "seed=0", multirun=True))
    assert [fault for job in jobs for fault in check._in_model(job.cell, {}, [])] == []


def test_the_study_has_its_twelve_cells_and_settings(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = planned(monkeypatch, compose("experiment=study-published", multirun=True))
    found = {(job.cell.model.name, job.cell.method.name): job.cell.method for job in jobs}
    assert len(jobs) == 12
    assert {names: {setting: getattr(found[names], setting) for setting in STUDY[names]} for names in found} == STUDY
    assert {(job.study, job.cell.dataset.name, job.cell.prompt.name) for job in jobs} == {
        ("study", "squad_v2", "alpaca")
    }
    assert {job.cell.model.weights for job in jobs} == {"pretrained"}
    assert all(job.cell.model.revision and len(job.cell.model.revision) == 40 for job in jobs)


@pytest.mark.parametrize(
    ("typed", "rank"), [([], 32), (["method.rank=4"], 4), (["++method.rank=4"], 4), (["method.alpha=4"], 32)]
)
def test_what_is_typed_goes_before_the_experiments_settings(
    compose: Compose, monkeypatch: pytest.MonkeyPatch, typed: list[str], rank: int
) -> None:
    overrides = ("experiment=study-published", "model=llama3b", "method=lora", *typed)
    (job,) = planned(monkeypatch, compose(*overrides, multirun=True))
    assert job.cell.method.model_dump()["rank"] == rank


def test_a_models_settings_are_for_its_methods_alone(compose: Compose) -> None:
    by_model = "+method_by_model={llama3b: {lora: {rank: 32}, toplayer: {blocks: 2}}}"
    assert job_of(compose(by_model, "model=llama3b", "method=qlora")).cell.method.model_dump()["rank"] == 8
    assert job_of(compose(by_model, "model=llama1b", "method=lora")).cell.method.model_dump()["rank"] == 8
    assert job_of(compose(by_model, "model=llama3b", "method=lora")).cell.method.model_dump()["rank"] == 32
