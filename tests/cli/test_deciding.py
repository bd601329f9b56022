"""`python -m bench.decide`: which cells it may run, what it refuses, and a real run of it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench import decide
from bench.cli import deciding
from bench.cli.compose import job_of
from bench.cli.deciding import Deciding, points
from bench.cli.points import composed
from bench.errors import InputError
from bench.report.read.plan import PLAN, Plan

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from bench.record import Record

Compose = Callable[..., "DictConfig"]

REPOSITORY = Path(__file__).parents[2]
DECIDE = "hydra/sweeper=decide"
SMALL = (
    "metric=[token_f1]",
    "train.max_steps=2",
    "dataset.train_limit=32",
    "dataset.tune_limit=4",
    "dataset.test_documents=12",
    "dataset.questions_per_document=1",
    "generation.max_new_tokens=4",
    "latency.warmup_runs=0",
    "latency.runs=1",
    "latency.output_tokens=2",
    "telemetry.hz=2",
    "tracker=none",
)


def refused(compose: Compose, *typed: str) -> str:
    with pytest.raises(InputError) as caught:
        list(points(compose(DECIDE, *typed, multirun=True)))
    return str(caught.value)


def test_what_the_seed_changes_has_the_most_seeds_and_the_rest_has_one(compose: Compose, tmp_path: Path) -> None:
    methods = "method=baseline,fewshot,lora"
    found = list(points(compose(DECIDE, methods, f"runs={tmp_path}", "hydra.sweeper.max_seeds=4", multirun=True)))
    assert [(point[0], point[-1]) for point in found] == [
        ("method=baseline", "seed=0"),
        *(("method=fewshot", f"seed={seed}") for seed in range(4)),
        *(("method=lora", f"seed={seed}") for seed in range(4)),
    ]


def test_seeds_that_an_experiment_sweeps_are_left_to_the_looks(compose: Compose, tmp_path: Path) -> None:
    found = list(points(compose(DECIDE, "experiment=study", f"runs={tmp_path}", multirun=True)))
    assert {sum(override.startswith("seed=") for override in point) for point in found} == {1}


def test_the_last_look_is_at_the_most_seeds() -> None:
    looks = [Deciding(looks=(3, 5, 10), max_seeds=most, metric=None).seeds for most in (10, 7, 5, 3, 12)]
    assert looks == [(3, 5, 10), (3, 5, 7), (3, 5), (3,), (3, 5, 10, 12)]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (
            ["seed=0,1"],
            "seed=0,1: `tunebench decide` chooses the seeds itself; leave this out, and limit them with max_seeds=10",
        ),
        (["hydra.sweeper.max_seeds=2"], "decide.max_seeds: must be at least 3, got 2"),
        (["hydra.sweeper.looks=[2,5]"], "decide.looks: must rise, and begin with at least 3 seeds, got [2, 5]"),
        (["hydra.sweeper.looks=[5,3]"], "decide.looks: must rise, and begin with at least 3 seeds, got [5, 3]"),
        (["hydra.sweeper.looks=[3,x]"], "decide.looks.1: must be a whole number, got 'x'"),
        (["hydra.sweeper.looks=3"], "decide.looks: must be a list, got 3"),
    ],
)
def test_mistakes_are_one_sentence(compose: Compose, tmp_path: Path, typed: list[str], sentence: str) -> None:
    assert refused(compose, f"runs={tmp_path}", *typed) == sentence


def test_one_study_is_decided_at_a_time(compose: Compose, tmp_path: Path) -> None:
    assert refused(compose, f"runs={tmp_path}", "study=a,b") == (
        f"study: must be one for all cells, got {tmp_path}/a and {tmp_path}/b"
    )


def test_one_method_is_not_compared_with_itself(compose: Compose, tmp_path: Path) -> None:
    nothing = "method: there is nothing to compare; name at least two, such as method=baseline,lora"
    assert refused(compose, f"runs={tmp_path}", "method=lora") == nothing
    assert refused(compose, f"runs={tmp_path}", "method=lora", "dataset=events,alpaca") == nothing
    assert list(points(compose(DECIDE, f"runs={tmp_path}", "method=lora", "method.rank=4,8", multirun=True)))


def test_nothing_changes_on_the_way(compose: Compose, tmp_path: Path) -> None:
    (tmp_path / "which").mkdir()
    own = (f"runs={tmp_path}", "study=which", "method=baseline,lora", "hydra.sweeper.max_seeds=5")

    def planned(*typed: str) -> list[str]:
        configs = composed(config := compose(DECIDE, *own, *typed, multirun=True), list(points(config)))
        return [job_of(each).cell.key() for each in configs]

    plan = Plan(score="token_f1", looks=(3, 5), cells=tuple(planned()))
    file = tmp_path / "which" / PLAN
    file.write_text(plan.model_dump_json())
    assert sorted(planned()) == sorted(plan.cells)
    for other in ("hydra.sweeper.looks=[4]", "hydra.sweeper.metric=bleu"):
        assert refused(compose, *own, other) == (
            f"{file}: this study looks at token_f1 after 3 and 5 seeds; go on with these settings (max_seeds, "
            "decide.looks, decide.metric), or choose another study"
        )
    assert refused(compose, *own, "method=lora,toplayer") == (
        f"{file}: this study decides between other cells; go on with the methods, models and settings that it was "
        "begun with, or choose another study"
    )
    file.write_text("{")
    assert refused(compose, *own) == (
        f"{file}: cannot be read as the looks of this study; restore it, or choose another study"
    )


def test_its_own_settings_are_the_sweepers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.__main__.main", lambda: 0)
    monkeypatch.setattr(sys, "argv", ["decide"])
    assert decide.main(["-m", "method=lora", "max_seeds=5", "decide.looks=[3]", "decide.metric=bleu"]) == 0
    settings = ["hydra.sweeper.max_seeds=5", "hydra.sweeper.looks=[3]", "hydra.sweeper.metric=bleu"]
    assert sys.argv[1:] == ["-m", "hydra/sweeper=decide", "method=lora", *settings]


def test_costs_are_those_of_each_setups_own_cells(record: "Record") -> None:
    quick, slow = (record.model_copy(update={"seconds": seconds, "power": None}) for seconds in (30.0, 90.0))
    assert deciding._cost([quick, slow], 4) == (240.0, None)
    assert deciding._cost([], 0) == (0.0, 0.0)
    assert deciding._spent([(240.0, None), (60.0, 900.0)]) == ", about 5 min 00 s"
    assert deciding._spent([(240.0, 1500.0), (60.0, 900.0), (0.0, 0.0)]) == ", about 5 min 00 s and 2.4 kJ"


def test_a_study_is_decided_and_going_on_runs_nothing_again(tmp_path: Path) -> None:
    def run() -> list[str]:
        own = ("model=tiny", "method=baseline,toplayer", "study=which", "max_seeds=4", f"runs={tmp_path}")
        command = [sys.executable, "-m", "bench.decide", *own, *SMALL]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    first = run()
    assert sum(" save" in line for line in first) == 3, "three seeds of toplayer, and none of baseline saves"
    assert "tiny, after 3 seeds:" in first
    (verdict,) = (line for line in first if line.startswith("tiny: Token F1 was looked at after 3 of at most 4 seeds."))
    plan = json.loads((tmp_path / "which" / PLAN).read_text())
    assert (plan["score"], plan["looks"], len(plan["cells"])) == ("token_f1", [3, 4], 5)
    assert plan["n_setups"] == dict.fromkeys(plan["cells"], 2)
    assert [look["n_seeds"] for look in plan["decided"][0]["looks"]] == [3]
    second = run()
    assert not any(" save" in line for line in second)
    assert verdict in second


def test_other_commands_do_not_load_the_statistics() -> None:
    code = (
        "import sys\nfrom hydra.core.plugins import Plugins\nPlugins.instance()\n"
        "print('hydra_plugins.tunebench_decide' in sys.modules, 'scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"
