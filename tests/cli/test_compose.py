from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from omegaconf import OmegaConf
from pydantic import ValidationError

from bench.cli.compose import job_of
from bench.errors import InputError
from bench.job import Job

if TYPE_CHECKING:
    from omegaconf import DictConfig

Compose = Callable[..., "DictConfig"]

LORA = "name, learning_rate, rank, alpha, dropout, target_modules, adapter_dtype"


@pytest.fixture
def refused(default_config: "DictConfig") -> Callable[[dict[str, Any]], str]:
    """Gives what is said of the default configuration with some keys set to other values."""

    def message(changes: dict[str, Any]) -> str:
        config = deepcopy(default_config)
        for key, value in changes.items():
            OmegaConf.update(config, key, value, force_add=True)
        with pytest.raises(InputError) as caught:
            job_of(config)
        return str(caught.value)

    return message


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("method.rank", 0, "method.rank: must be at least 1, got 0 (conf/method/lora.yaml)"),
        ("method.rank", -3, "method.rank: must be at least 1, got -3 (conf/method/lora.yaml)"),
        ("seed", -1, "seed: must be at least 0, got -1 (conf/config.yaml)"),
        ("seed", 2**32, f"seed: must be less than 4294967296, got {2**32} (conf/config.yaml)"),
        ("runs", "", "runs: must not be empty, got '' (conf/config.yaml)"),
        ("model.path", "", "model.path: must not be empty, got '' (conf/model/tiny.yaml)"),
        ("study", 41 * "a", f"study: must have at most 40 characters, got '{41 * 'a'}' (conf/config.yaml)"),
        ("latency.output_tokens", 1, "latency.output_tokens: must be at least 2, got 1 (conf/config.yaml)"),
        ("train.adam_beta1", 1.5, "train.adam_beta1: must be less than 1.0, got 1.5 (conf/train/default.yaml)"),
        ("telemetry.hz", 30, "telemetry.hz: must be at most 20.0, got 30 (conf/telemetry/default.yaml)"),
        ("train.epochs", 0, "train.epochs: must be more than 0.0, got 0 (conf/train/default.yaml)"),
        ("train.epochs", 0.0, "train.epochs: must be more than 0.0, got 0.0 (conf/train/default.yaml)"),
        ("method.learning_rate", -1, "method.learning_rate: must be more than 0.0, got -1 (conf/method/lora.yaml)"),
        ("timeout_s", 0, "timeout_s: must be more than 0.0, got 0 (conf/config.yaml)"),
    ],
)
def test_a_value_out_of_range(refused: Callable[..., str], key: str, value: Any, message: str) -> None:
    assert refused({key: value}) == message


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("method.rank", 2.5, "method.rank: must be a whole number, got 2.5 (conf/method/lora.yaml)"),
        ("method.rank", "many", "method.rank: must be a whole number, got 'many' (conf/method/lora.yaml)"),
        ("method.alpha", "much", "method.alpha: must be a number, got 'much' (conf/method/lora.yaml)"),
        ("method.alpha", True, "method.alpha: must be a number, got True (conf/method/lora.yaml)"),
        ("train.epochs", float("inf"), "train.epochs: must be a finite number, got inf (conf/train/default.yaml)"),
        ("force", 1, "force: must be true or false, got 1 (conf/config.yaml)"),
        ("runs", 7, "runs: must be a text, got 7 (conf/config.yaml)"),
        ("generation.stop", "###", "generation.stop: must be a list, got '###' (conf/config.yaml)"),
        ("model.architecture", 3, "model.architecture: must be a mapping, got 3 (conf/model/tiny.yaml)"),
        ("generation", 3, "generation: must be a mapping, got 3 (conf/config.yaml)"),
        ("method_by_model", 3, "method_by_model: must be a mapping, got 3 (conf/config.yaml)"),
        (
            "method_by_model",
            {"tiny": {"lora": 3}},
            "method_by_model.tiny.lora: must be a mapping, got 3 (conf/config.yaml)",
        ),
        ("model.name", [1], "model.name: must be a text, got [1] (conf/model/tiny.yaml)"),
        ("seed", None, "seed: must be a whole number, got None (conf/config.yaml)"),
    ],
)
def test_a_value_of_the_wrong_type(refused: Callable[..., str], key: str, value: Any, message: str) -> None:
    assert refused({key: value}) == message


def test_a_metric_without_a_package(refused: Callable[..., str]) -> None:
    assert refused({"metric": {"_target_": "my_pkg.metric.Length", "name": "length"}}) == (
        "metric: the first line of a file of conf/metric must be `# @package metric.NAME`, with its name as NAME"
    )


def test_a_choice_that_there_is_not(refused: Callable[..., str]) -> None:
    assert refused({"model.weights": "none"}) == (
        "model.weights: must be 'pretrained' or 'random', got 'none' (conf/model/tiny.yaml)"
    )
    assert refused({"train.optimizer": "sgd"}) == (
        "train.optimizer: must be 'adamw_torch', 'adamw_bnb_8bit' or 'paged_adamw_8bit', got 'sgd' "
        "(conf/train/default.yaml)"
    )


def test_a_key_that_there_is_not(refused: Callable[..., str]) -> None:
    assert refused({"method.rnk": 4}) == (
        f"method.rnk: there is no such setting; method has {LORA} (conf/method/lora.yaml)"
    )
    assert refused({"generation.bach": 4}) == (
        "generation.bach: there is no such setting; generation has batch, max_new_tokens, stop (conf/config.yaml)"
    )
    assert refused({"sed": 1}) == (
        "sed: there is no such setting; the top level has model, method, dataset, prompt, train, generation, latency, "
        "metric, seed, scored_on, telemetry, tracker, study, tuned, allow_mixed, runs, force, timeout_s, "
        "checkpoint_minutes, gpus_per_cell, gpu_locks (conf/config.yaml)"
    )


def test_a_part_among_several_is_named_with_its_file(refused: Callable[..., str]) -> None:
    assert refused({"metric.bertscore.batch_size": 0}) == (
        "metric.bertscore.batch_size: must be at least 1, got 0 (conf/metric/bertscore.yaml)"
    )
    assert refused({"metric.bleu.smooth": True}) == (
        "metric.bleu.smooth: there is no such setting; metric.bleu has name (conf/metric/bleu.yaml)"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train.micro_batch": 3},
            "train: effective_batch must be a multiple of micro_batch (3), got 16 (conf/train/default.yaml)",
        ),
        (
            {"train.early_stopping_epochs": 1},
            "train: early_stopping_epochs needs best_checkpoint=true, which keeps the weights of the best epoch "
            "(conf/train/default.yaml)",
        ),
        (
            {"generation.max_new_tokens": 512},
            "generation.max_new_tokens: must be less than prompt.max_length (512), got 512 (conf/config.yaml)",
        ),
    ],
)
def test_settings_that_do_not_go_together(refused: Callable[..., str], changes: dict[str, Any], message: str) -> None:
    assert refused(changes) == message


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "os.system",
            "_target_ must name a class of tunebench, got 'os.system'; to let the code of os run with your rights, "
            "start the command with TUNEBENCH_ALLOW=os",
        ),
        (
            "bench.method.lora.Nope",
            "_target_ names no class: 'bench.method.lora.Nope' (module 'bench.method.lora' has no attribute 'Nope')",
        ),
        ("bench.dataset.events.Events", "_target_ must name a Method, got 'bench.dataset.events.Events'"),
    ],
)
def test_a_target_that_is_no_method_of_the_project(refused: Callable[..., str], target: str, message: str) -> None:
    assert refused({"method._target_": target}) == f"method: {message} (conf/method/lora.yaml)"


def test_every_fault_has_a_line_of_its_own(refused: Callable[..., str]) -> None:
    assert refused({"method.rank": 0, "seed": "x", "study": 7}).splitlines() == [
        "method.rank: must be at least 1, got 0 (conf/method/lora.yaml)",
        "seed: must be a whole number, got 'x' (conf/config.yaml)",
        "study: must be a text, got 7 (conf/config.yaml)",
    ]


@pytest.mark.parametrize("study", ["../elsewhere", "a/b", ".hidden", "", "a b"])
def test_a_name_that_could_leave_the_folder(refused: Callable[..., str], study: str) -> None:
    assert refused({"study": study}) == (
        "study: must be letters, digits, underscores, dots and hyphens, with a letter or digit first, "
        f"got {study!r} (conf/config.yaml)"
    )


def test_a_learning_rate_for_the_method_that_trains_nothing(compose: Compose) -> None:
    with pytest.raises(InputError) as caught:
        job_of(compose("method=baseline", "method.learning_rate=1e-3"))
    assert str(caught.value) == "method.learning_rate: must be null, got 0.001 (conf/method/baseline.yaml)"


@pytest.mark.parametrize(
    ("deleted", "message"),
    [
        ("~method.rank", "method.rank: must be given (conf/method/lora.yaml)"),
        ("~seed", "seed: must be given (conf/config.yaml)"),
        ("~dataset", "dataset: must be given (conf/config.yaml)"),
        ("~method", "method: must be given (conf/config.yaml)"),
        ("~model", "model: must be given (conf/config.yaml)"),
        ("~method.name", "method.name: must be given (conf/method/lora.yaml)"),
    ],
)
def test_what_was_taken_away(compose: Compose, deleted: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        job_of(compose(deleted))
    assert str(caught.value) == message


def test_a_method_without_its_class(compose: Compose) -> None:
    with pytest.raises(InputError) as caught:
        job_of(compose("~method._target_"))
    assert str(caught.value) == "method: _target_ must name a Method; it is missing (conf/method/lora.yaml)"


def test_what_must_be_given_and_what_leads_nowhere(refused: Callable[..., str]) -> None:
    assert refused({"study": "???"}) == "study: Missing mandatory value: study"
    assert refused({"study": "${nowhere}"}) == "study: Interpolation key 'nowhere' not found"


def test_an_override_that_leads_nowhere_is_reported_at_its_setting(compose: Compose) -> None:
    with pytest.raises(InputError) as caught:
        job_of(compose("study=${nowhere}"))
    assert str(caught.value) == "study: Interpolation key 'nowhere' not found"


def test_settings_for_one_model_are_checked_like_any(refused: Callable[..., str]) -> None:
    assert refused({"method_by_model": {"tiny": {"lora": {"rnk": 4}}}}) == (
        f"method.rnk: there is no such setting; method has {LORA} (conf/method/lora.yaml)"
    )


def test_a_job_survives_the_way_through_json(default_job: Job) -> None:
    assert Job.model_validate_json(default_job.model_dump_json()) == default_job


def test_folder_and_title(default_job: Job) -> None:
    cell = default_job.cell
    assert default_job.folder() == Path("runs", "default", f"tiny-lora-events-s0-{cell.key()}")
    assert default_job.title() == "tiny lora events seed 0"


def test_nothing_composed_can_be_changed(default_job: Job) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        default_job.force = True  # type: ignore[misc]
