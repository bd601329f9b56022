import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from bench.record import SCHEMA_VERSION, UNEXPLAINED, Record, ScoreInfo, Tuning, null_paths, schema_version_of
from bench.record_history import upgraded

SCHEMA = Path(__file__).parents[1] / "docs" / "record.schema.json"


def sections(record: Record, **changes: Any) -> dict[str, Any]:
    """The arguments of `build`: the sections as they are, without `missing`."""
    return {name: getattr(record, name) for name in Record.model_fields if name != "missing"} | changes


def test_the_published_schema_is_in_step() -> None:
    """If not, run the command in the message."""
    command = (
        "python -c 'import json; from bench.record import Record; print(json.dumps(Record.model_json_schema(), "
        "indent=1))' > docs/record.schema.json"
    )
    assert SCHEMA.read_text() == json.dumps(Record.model_json_schema(), indent=1) + "\n", command


def test_a_record_fits_the_published_schema(record: Record) -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    content = json.loads(record.model_dump_json())
    assert list(validator.iter_errors(content)) == []
    (extra,) = validator.iter_errors(content | {"accuracy": 1})
    assert extra.message == "Additional properties are not allowed ('accuracy' was unexpected)"
    (wrong,) = validator.iter_errors(content | {"status": "fine"})
    assert wrong.message == "'fine' is not one of ['ok', 'oom', 'failed', 'timeout', 'killed', 'interrupted']"
    del content["environment"]
    (lacking,) = validator.iter_errors(content)
    assert lacking.message == "'environment' is a required property"


def test_a_record_comes_back_from_json_as_it_was(record: Record) -> None:
    assert Record.model_validate_json(record.model_dump_json(indent=1)) == record


def test_an_infinite_score_comes_back_as_it_was(record: Record) -> None:
    infinite = Record.build(record.missing, **sections(record, scores={"perplexity": math.inf}))
    text = infinite.model_dump_json()
    # Infinity is no JSON, and the file has to be read by others.
    assert json.loads(text, parse_constant=pytest.fail)["scores"] == {"perplexity": "Infinity"}
    assert Record.model_validate_json(text).scores == {"perplexity": math.inf}


def test_a_null_without_a_reason_is_refused(record: Record) -> None:
    missing = {path: reason for path, reason in record.missing.items() if path != "scores.bertscore_f1"}
    with pytest.raises(ValidationError) as caught:
        Record(**sections(record), missing=missing)
    (error,) = caught.value.errors()
    assert error["msg"] == "Value error, null without a reason in `missing`: scores.bertscore_f1"


def test_a_parents_reason_covers_its_nulls_and_no_others(record: Record) -> None:
    environment = {"environment": "no_nvml"}
    missing = {path: reason for path, reason in record.missing.items() if not path.startswith("environment.")}
    assert Record(**sections(record), missing=missing | environment).missing["environment"] == "no_nvml"
    with pytest.raises(ValidationError, match=r"environment\.gpu, environment\.driver, environment\.cuda"):
        Record(**sections(record), missing=missing | {"environ": "no_nvml"})


def test_settings_of_the_cell_may_be_null_without_a_reason(record: Record) -> None:
    assert record.cell["model"]["revision"] is None
    assert not any(path.startswith("cell") for path in record.missing)


def test_a_cell_that_no_search_tuned_needs_no_reason(record: Record) -> None:
    assert record.tuning is None
    tuning = Tuning(
        study="t1",
        search={"learning_rate": "log(1e-05, 0.01)"},
        n_trials=12,
        n_failed=1,
        metric="token_f1",
        better="higher",
        score=0.625,
        tune_fingerprint=64 * "c",
        trial_key="0123456789ab",
    )
    tuned = Record.build(record.missing, **sections(record, tuning=tuning))
    assert tuned.missing == record.missing
    assert Record.model_validate_json(tuned.model_dump_json()).tuning == tuning


def test_build_keeps_the_closest_reason_of_every_null(record: Record) -> None:
    reasons = {
        "scores": "too wide",
        "scores.bertscore_f1": "the closest",
        "scores.token_f1": "it is not null",
        "environment": "wide",
        "environment.gpu": "close",
        "phases": "it has no null",
    }
    built = Record.build(record.missing | reasons, **sections(record)).missing
    assert built["scores.bertscore_f1"] == "the closest"
    assert built["environment.gpu"] == "close"
    # These two have reasons of their own still, so the wide one is needed by nobody.
    assert (built["environment.driver"], built["environment.cuda"]) == ("no_nvml", "no_nvml")
    assert {"scores", "scores.token_f1", "environment", "phases"} & built.keys() == set()

    without = Record.build(record.missing | reasons, **sections(record, scores=None)).missing
    assert without["scores"] == "too wide"
    assert "scores.bertscore_f1" not in without


def test_a_null_that_nobody_explains_says_so_and_costs_no_record(record: Record) -> None:
    built = Record.build(record.missing, **sections(record, latency=None))
    assert built.missing == record.missing | {"latency": UNEXPLAINED}


@pytest.mark.parametrize("field", ["start_s", "seconds"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-0.1, "Input should be greater than or equal to 0"),
        (1e300, "Input should be less than or equal to 31622400"),
        (math.inf, "Input should be a finite number"),
        (math.nan, "Input should be a finite number"),
    ],
)
def test_the_time_of_a_phase_is_bounded(record: Record, field: str, value: float, message: str) -> None:
    content = record.model_dump(mode="json")
    content["phases"][0][field] = value
    with pytest.raises(ValidationError) as caught:
        Record.model_validate(content)
    (error,) = caught.value.errors()
    assert (error["loc"], error["msg"]) == (("phases", 0, field), message)


def test_null_paths() -> None:
    value = {"a": None, "b": {"c": [1, None, {"d": None}], "e": ()}, 3: (None,), "f": 0, "g": "", "h": False}
    assert list(null_paths(value)) == ["a", "b.c.1", "b.c.2.d", "3.0"]
    assert list(null_paths(None, "all")) == ["all"]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('{"schema_version": 7}', 7),
        (b'{"schema_version": 7}', 7),
        ('{"schema_version": "7"}', None),
        ('{"schema": 7}', None),
        ('{"schema_version": 7', None),
        ("[7]", None),
        (100_000 * "[", None),
        ('{"schema_version": 7, "n": ' + 6_000 * "9" + "}", None),
        ("7", None),
        ("", None),
        (b"\xff\xfe\xfd", None),
    ],
)
def test_schema_version_of(text: str | bytes, version: int | None) -> None:
    assert schema_version_of(text) == version


def test_records_of_this_version_say_so(record: Record) -> None:
    assert schema_version_of(record.model_dump_json()) == SCHEMA_VERSION
    with pytest.raises(ValidationError):
        Record(**sections(record, schema_version=SCHEMA_VERSION + 1), missing=record.missing)


def test_only_records_of_older_versions_are_upgraded() -> None:
    for untouched in ({"schema_version": SCHEMA_VERSION, "data": {}}, {"schema_version": [1]}, {"data": {}}):
        assert upgraded(untouched) == untouched


def as_version_2(record: Record) -> dict[str, Any]:
    """The record's content as it was when one split served to choose and to report."""
    content = record.model_dump(mode="json") | {"schema_version": 2}
    data = {name: value for name, value in content["data"].items() if "tune" not in name and name != "scored_on"}
    content["data"] = {name.replace("test", "validation"): value for name, value in data.items()}
    content["data"]["left_out"] = [
        {"step": "duplicate", "split": "training", "n_dropped": 2},
        {"step": "duplicate", "split": "validation", "n_dropped": 1},
    ]
    return content


def test_the_one_held_out_split_of_version_2_is_the_test_split(record: Record) -> None:
    read = Record.model_validate(as_version_2(record))
    assert read.schema_version == SCHEMA_VERSION
    assert read.data is not None
    assert record.data is not None
    assert (read.data.n_train, read.data.n_test) == (record.data.n_train, record.data.n_test)
    assert (read.data.train_fingerprint, read.data.test_fingerprint) == (64 * "a", 64 * "b")
    assert read.data.test == record.data.test
    assert [(step.split, step.n_dropped) for step in read.data.left_out] == [("train", 2), ("test", 1)]
    assert (read.data.scored_on, read.data.n_tune, read.data.tune.n_read) == ("validation", 0, 0)
    assert read.missing["data.tune_fingerprint"] == "no_tune_split"
    assert (read.data.n_scored, read.data.n_clusters_scored, read.data.scored_fingerprint) == (8, 3, 64 * "b")
    missing = record.missing | {"data": "not_reached"}
    assert Record.model_validate(as_version_2(record) | {"data": None, "missing": missing}).missing == missing


def test_the_scored_split_is_test_or_tune(record: Record) -> None:
    assert record.data is not None
    on_tune = record.data.model_copy(update={"scored_on": "tune"})
    for data, expected in ((record.data, (8, 3, 64 * "b")), (on_tune, (5, 2, 64 * "c"))):
        assert (data.n_scored, data.n_clusters_scored, data.scored_fingerprint) == expected


def test_scores_of_version_1_are_described(record: Record) -> None:
    older = as_version_2(record) | {"schema_version": 1}
    del older["score_info"]
    del older["data"]["n_references_too_long"]
    older["scores"] = {"bleu2.bleu": 0.5, "meteor": 0.25, "perplexity": 3.0}
    read = Record.model_validate(older)
    assert Record.model_validate_json(json.dumps(older)) == read
    assert read.schema_version == SCHEMA_VERSION
    assert read.missing["data.n_references_too_long"] == "not_in_record"
    assert read.score_info == {
        "bleu2.bleu": ScoreInfo(title="BLEU", lowest=0.0, highest=1.0, better="higher", pooling="mean"),
        "meteor": ScoreInfo(title="meteor", lowest=None, highest=None, better=None, pooling=None),
        "perplexity": ScoreInfo(title="Perplexity", lowest=1.0, highest=None, better="lower", pooling="exp_ratio"),
    }
