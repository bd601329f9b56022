"""Valid JSON by the standard, required keys, and JSON Schemas."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.errors import InputError
from bench.metric import Answer
from bench.metric.json_valid import JsonValid

Answered = Callable[..., list[Answer]]

DRAFT_7 = "http://json-schema.org/draft-07/schema#"


def metric(required: tuple[str, ...] = (), json_schema: Path | None = None) -> JsonValid:
    return JsonValid(name="json_valid", required=required, json_schema=json_schema and str(json_schema))


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps({"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}))
    return path


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ('{"a": [1, 2.5, null, true, "x"]}', 1.0),
        (" 7\n", 1.0),
        ('"text"', 1.0),
        ("", 0.0),
        ("{'a': 1}", 0.0),
        ('{"a": 1,}', 0.0),
        ('{"a": 1} {"b": 2}', 0.0),
        ('Here it is: {"a": 1}', 0.0),
        ('```json\n{"a": 1}\n```', 0.0),
        ("NaN", 0.0),
        ('{"a": -Infinity}', 0.0),
        ("[" * 100_000, 0.0),
    ],
)
def test_valid_json(answered: Answered, text: str, valid: float) -> None:
    assert metric().score(answered((text, "ignored")), "en").examples == {"json_valid": (valid,)}


def test_required_keys(answered: Answered) -> None:
    answers = answered(('{"a": 1, "b": null, "c": 2}', ""), ('{"a": 1}', ""), ('["a", "b"]', ""), ("a b", ""))
    scores = metric(("a", "b")).score(answers, "en")
    assert scores.examples == {"json_valid": (1.0, 1.0, 1.0, 0.0), "json_conforms": (1.0, 0.0, 0.0, 0.0)}
    assert scores.values == {"json_valid": 0.75, "json_conforms": 0.25}
    fraction = {"lowest": 0.0, "highest": 1.0, "better": "higher", "pooling": "mean"}
    assert scores.model_dump()["info"] == {
        "json_valid": fraction | {"title": "Valid JSON"},
        "json_conforms": fraction | {"title": "JSON as required"},
    }
    assert scores.settings == dict.fromkeys(scores.values, "required:a,b|schema:sha256:none")


def test_a_schema(answered: Answered, schema: Path) -> None:
    answers = answered(('{"age": 7}', ""), ('{"age": "7"}', ""), ("null", ""), ("{", ""))
    assert metric(json_schema=schema).score(answers, "en").examples["json_conforms"] == (1.0, 0.0, 0.0, 0.0)


def test_a_schema_counts_by_its_content(schema: Path, tmp_path: Path) -> None:
    before, copy = metric(json_schema=schema).identity(), tmp_path / "copy.json"
    copy.write_text(schema.read_text())
    assert metric(json_schema=copy).identity() == before
    schema.write_text("{}")
    assert metric(json_schema=schema).identity() != before


def test_what_a_schema_refers_to_is_not_downloaded(answered: Answered, tmp_path: Path) -> None:
    path = tmp_path / "remote.json"
    path.write_text('{"$ref": "http://127.0.0.1:9/schema.json"}')
    with pytest.raises(Exception, match=r"Unresolvable: http://127\.0\.0\.1:9/schema\.json"):
        metric(json_schema=path).score(answered(("{}", "")), "en")


@pytest.mark.parametrize(
    ("schema", "ref"),
    [
        ({"properties": {"age": {"$ref": "#/$defs/nope"}}}, "#/$defs/nope"),
        ({"items": {"$ref": "other.json"}}, "other.json"),
        ({"not": {"$dynamicRef": "#nope"}}, "#nope"),
        ({"anyOf": [{}], "not": {"$ref": "#/anyOf/first"}}, "#/anyOf/first"),
        ({"kept": {"$ref": "#/nope"}, "$ref": "#/kept"}, "#/nope"),
        ({"$schema": DRAFT_7, "definitions": {}, "allOf": [{"$ref": "#/definitions/nope"}]}, "#/definitions/nope"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused_before_training(
    tmp_path: Path, schema: dict[str, Any], ref: str
) -> None:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(schema))
    with pytest.raises(InputError) as refused:
        metric(json_schema=path).check([])
    assert str(refused.value) == (
        "metric.json_valid.json_schema: each reference must lead to a part of the same file, since nothing is "
        f"downloaded, got {ref!r} in {path}"
    )


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": {"age": {"$anchor": "age"}}, "items": {"$ref": "#age"}, "properties": {"all": {"$ref": "#"}}},
        {"$id": "http://e.org/a/b", "$defs": {"c": {"$id": "d/e", "items": {"$ref": "e"}}}, "not": {"$ref": "d/e"}},
        {"enum": [{"$ref": "#/nope"}], "properties": {"$ref": {"type": "string"}}},
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        {"$schema": DRAFT_7, "definitions": {"age": {}}, "allOf": [{"$ref": "#/definitions/age"}]},
        True,
    ],
)
def test_references_within_the_file_are_accepted(tmp_path: Path, schema: Any) -> None:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(schema))
    metric(json_schema=path).check([])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"type": "objekt"}', "SchemaError: 'objekt' is not valid under any of the given schemas"),
        ("{", "JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (None, "FileNotFoundError: [Errno 2] No such file or directory: '{path}'"),
    ],
)
def test_a_file_that_is_no_schema_is_refused_before_training(tmp_path: Path, content: str | None, reason: str) -> None:
    path = tmp_path / "schema.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError) as refused:
        metric(json_schema=path).check([])
    assert str(refused.value) == (
        f"metric.json_valid.json_schema: must be a file with a JSON Schema, got {path} ({reason.format(path=path)})"
    )
