import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from bench.record import SCHEMA_VERSION, UNEXPLAINED, Record, null_paths, schema_version_of
from bench.record_sections import Tuning

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
