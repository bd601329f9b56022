"""Metrics of the evaluate library: real ones, written to a folder, loaded by path and computed without a network."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import constants
from pydantic import ValidationError

from bench.metric import Answer
from bench.metric.evaluate import Evaluate

Answered = Callable[..., list[Answer]]
Written = Callable[..., str]

SCRIPT = """
import datasets
import evaluate
import numpy as np


class Written(evaluate.Metric):
    def _info(self):
        return evaluate.MetricInfo(
            description="", citation="", inputs_description="",
            features={features},
        )

    def _compute(self, predictions, references):
        {compute}
"""
ONE_REFERENCE = 'datasets.Features({"predictions": datasets.Value("string"), "references": datasets.Value("string")})'
MANY_REFERENCES = """[
    datasets.Features({
        "predictions": datasets.Value("string"), "references": datasets.Sequence(datasets.Value("string"))
    }),
    datasets.Features({"predictions": datasets.Value("string"), "references": datasets.Value("string")}),
]"""
SHARE_EQUAL = 'return {"share": sum(p == r for p, r in zip(predictions, references)) / len(predictions)}'


@pytest.fixture(autouse=True, scope="module")
def own_caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No hub, and nothing kept outside the tests' folder; one for all of them, because Python imports it once."""
    import evaluate.config

    with pytest.MonkeyPatch.context() as patch:
        # The library adds its folder, and a fork server that is started later inherits the path.
        patch.setattr(sys, "path", [*sys.path])
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        patch.setattr(evaluate.config, "HF_MODULES_CACHE", str(tmp_path_factory.mktemp("modules")))
        patch.setattr(evaluate.config, "HF_METRICS_CACHE", str(tmp_path_factory.mktemp("metrics")))
        yield


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Writes a metric's script and gives its path."""

    def write(name: str, compute: str, features: str = ONE_REFERENCE) -> str:
        path = tmp_path / f"{name}.py"
        path.write_text(SCRIPT.replace("{features}", features).replace("{compute}", compute))
        return str(path)

    return write


def metric(*metrics: str | dict[str, Any]) -> Evaluate:
    return Evaluate.model_validate({"name": "evaluate", "metrics": metrics})


def test_no_metrics(answered: Answered) -> None:
    assert metric().score(answered(("red", "red")), "en").model_dump() == {
        "values": {},
        "examples": {},
        "parts": {},
        "errors": {},
        "missing": {},
        "info": {},
        "settings": {},
    }


def test_one_number_has_the_metric_s_name(answered: Answered, written: Written) -> None:
    import evaluate

    scores = metric(written("equal_share", SHARE_EQUAL)).score(answered(("red", "red"), ("fox", "blue", "fox")), "en")
    assert scores.values == {"equal_share": 0.5}
    assert scores.examples == {}
    assert scores.missing == {}
    assert scores.settings.keys() == {"equal_share"}
    assert scores.settings["equal_share"].startswith(f"evaluate:{evaluate.__version__}|")


def test_all_references_go_to_a_metric_that_takes_several(answered: Answered, written: Written) -> None:
    path = written(
        "any_equal",
        'return {"share": sum(p in r for p, r in zip(predictions, references)) / len(predictions)}',
        MANY_REFERENCES,
    )
    answers = answered(("red", "red"), ("fox", "blue", "fox"), ("bird", "sky", "sea", "air"), ("", ""))
    assert metric(path).score(answers, "en").values == {"any_equal": 0.75}


def test_numbers_are_kept_and_lists_texts_and_truths_are_not(answered: Answered, written: Written) -> None:
    path = written(
        "many",
        'return {"mean": np.float32(0.5), "count": 3, "each": [0.5, 0.5], "note": "", "sure": True, "bad": np.nan}',
    )
    scores = metric(path).score(answered(("red", "red")), "en")
    assert scores.values == {"many_mean": 0.5, "many_count": 3.0, "many_bad": None}
    assert scores.missing == {"many_bad": "not_finite"}
    assert scores.settings.keys() == {"many_mean", "many_count", "many_bad"}
    undeclared = {"lowest": None, "highest": None, "better": None, "pooling": None}
    assert scores.model_dump()["info"] == {name: undeclared | {"title": name} for name in scores.values}


def test_how_a_score_is_read_can_be_declared(answered: Answered, written: Written) -> None:
    path = written("equal_share", SHARE_EQUAL)
    declared = {"path": path, "title": "Equal", "better": "higher", "lowest": 0.0, "highest": 1.0}
    read = {name: value for name, value in declared.items() if name != "path"} | {"pooling": None}
    scores = metric(declared).score(answered(("red", "red")), "en")
    assert scores.values == {"equal_share": 1.0}
    assert scores.model_dump()["info"] == {"equal_share": read}
    missing = metric(declared | {"path": "meteor"}).score(answered(("red", "red")), "en")
    assert missing.model_dump()["info"] == {"meteor": read}
    # Without a title, the score's name is one; of several numbers, each gets a title of its own.
    untitled = metric({"path": path, "better": "lower"}).score(answered(("red", "red")), "en")
    assert untitled.info["equal_share"].title == "equal_share"
    several = metric({"path": written("many", 'return {"mean": 0.5, "top_k": 3}'), "title": "Many"})
    assert {name: info.title for name, info in several.score(answered(("red", "red")), "en").info.items()} == {
        "many_mean": "Many mean",
        "many_top_k": "Many top k",
    }


def test_a_mean_is_computed_for_each_answer(answered: Answered, written: Written) -> None:
    answers = answered(("red", "red"), ("fox", "blue"), ("sky", "sky"), ("sea", "sea"))
    path = written("equal_share", SHARE_EQUAL)
    scores = metric({"path": path, "pooling": "mean"}).score(answers, "en")
    assert scores.values == {"equal_share": 0.75}
    assert scores.examples == {"equal_share": (1.0, 0.0, 1.0, 1.0)}
    assert scores.info["equal_share"].pooling == "mean"
    # One answer without a number costs the score, since a mean of the others would be of another set.
    some = written("some", 'return {"x": 1.0, "y": np.nan} if predictions == ["fox"] else {"x": 0.0, "y": 1.0}')
    scores = metric({"path": some, "pooling": "mean"}).score(answers, "en")
    assert scores.values == {"some_x": 0.25, "some_y": None}
    assert (scores.examples, scores.missing) == ({"some_x": (0.0, 1.0, 0.0, 0.0)}, {"some_y": "not_finite"})


def test_what_is_declared_is_written_as_it_was_typed(written: Written) -> None:
    path = written("equal_share", SHARE_EQUAL)
    both = metric("meteor", {"path": path, "better": "lower"})
    assert both.model_dump(mode="json")["metrics"] == ["meteor", {"path": path, "better": "lower"}]
    assert Evaluate.model_validate(both.model_dump(mode="json")) == both
    # A declaration changes what the record says, so that the cell runs again.
    content = metric(path).identity()["metrics"][0]
    assert both.identity()["metrics"] == ["meteor", {"path": content, "better": "lower"}]


@pytest.mark.parametrize(
    ("declared", "place", "message"),
    [
        ({"path": "meteor", "better": "more"}, ("better",), "Input should be 'higher' or 'lower'"),
        (
            {"path": "meteor", "bettr": "higher"},
            (),
            "Value error, must have nothing but path, title, better, lowest, highest, pooling, got 'bettr'",
        ),
        ({"better": "higher"}, ("path",), "Field required"),
    ],
)
def test_a_declaration_that_cannot_be(declared: dict[str, Any], place: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        metric(declared)
    assert [(error["loc"], error["msg"]) for error in refused.value.errors()] == [(("metrics", 0, *place), message)]


def test_a_folder_with_a_script_of_its_name(answered: Answered, tmp_path: Path, written: Written) -> None:
    (tmp_path / "shared").mkdir()
    Path(written("shared", SHARE_EQUAL)).rename(tmp_path / "shared" / "shared.py")
    assert metric(str(tmp_path / "shared")).score(answered(("red", "red")), "en").values == {"shared": 1.0}


def test_a_changed_script_is_another_metric(answered: Answered, written: Written) -> None:
    answers = answered(("red", "red"))
    before = metric(written("changing", 'return {"score": 0.25}')).score(answers, "en")
    after = metric(written("changing", 'return {"score": 0.75}')).score(answers, "en")
    assert (before.values, after.values) == ({"changing": 0.25}, {"changing": 0.75})
    assert before.settings != after.settings


def test_a_metric_that_resamples_gives_the_same_number_every_time(answered: Answered, written: Written) -> None:
    path = written("drawn", 'return {"draw": np.random.random()}')
    drawn = set()
    for seed in range(3):
        np.random.seed(seed)
        drawn |= set(metric(path).score(answered(("red", "red")), "en").values.values())
    assert drawn == {np.random.RandomState(1).random_sample()}


def test_one_that_fails_leaves_the_others(answered: Answered, written: Written) -> None:
    failing = written("failing", 'raise ZeroDivisionError("no words")')
    scores = metric(failing, written("equal_share", SHARE_EQUAL)).score(answered(("red", "red")), "en")
    assert scores.values == {"failing": None, "equal_share": 1.0}
    assert scores.missing == {"failing": "metric_failed"}
    assert scores.settings["failing"] == f"{failing} failed (ZeroDivisionError: no words)"


def test_one_that_exits_is_one_that_fails(answered: Answered, written: Written) -> None:
    exiting = written("exiting", 'raise SystemExit("bye")')
    scores = metric(exiting).score(answered(("red", "red")), "en")
    assert scores.missing == {"exiting": "metric_failed"}
    assert scores.settings == {"exiting": f"{exiting} failed (SystemExit: bye)"}


def test_one_that_takes_other_input(answered: Answered, written: Written) -> None:
    features = 'datasets.Features({"predictions": datasets.Value("string"), "sources": datasets.Value("string")})'
    scores = metric(written("translated", "return {}", features)).score(answered(("red", "red")), "en")
    assert scores.missing == {"translated": "metric_failed"}


def test_one_without_numbers(answered: Answered, written: Written) -> None:
    path = written("wordy", 'return {"note": "fine"}')
    scores = metric(path).score(answered(("red", "red")), "en")
    assert scores.values == {"wordy": None}
    assert scores.missing == {"wordy": "metric_failed"}
    assert scores.settings == {"wordy": f"{path} gave no number"}


def test_one_that_cannot_be_loaded(answered: Answered, tmp_path: Path) -> None:
    script = str(tmp_path / "nowhere.py")
    scores = metric("meteor", "owner/special", script).score(answered(("red", "red")), "en")
    assert scores.values == {"meteor": None, "special": None, "nowhere": None}
    assert scores.missing == dict.fromkeys(("meteor", "special", "nowhere"), "metric_not_available")
    assert set(scores.info) == set(scores.values)
    assert scores.settings["nowhere"] == (
        f"{script} cannot be loaded (FileNotFoundError: Couldn't find a metric script at {script})"
    )


def test_one_with_a_broken_script(answered: Answered, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def (")
    scores = metric(str(tmp_path / "broken.py")).score(answered(("red", "red")), "en")
    assert scores.missing == {"broken": "metric_not_available"}
    assert "SyntaxError: invalid syntax" in scores.settings["broken"]


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (["meteor", "./meteor.py"], "metrics: each must have a name of its own, got 'meteor' more than once"),
        (["a b"], "metrics: must be names on the hub or paths of scripts or folders, got 'a b'"),
        (["/"], "metrics: must be names on the hub or paths of scripts or folders, got '/'"),
    ],
)
def test_names_that_are_not_unique_or_cannot_be_used(metrics: list[str], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        metric(*metrics)
    assert [error["msg"] for error in refused.value.errors()] == [f"Value error, {message}"]
