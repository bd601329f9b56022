import json
from typing import Any

from bench.record import SCHEMA_VERSION, Record
from bench.record_history import upgraded
from bench.record_sections import ScoreInfo


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
