import json
import os

import pytest

from bench.report import stamp
from bench.report.stamp import STAMP, inputs

SAID = {"n_cells": 1, "problems": []}


@pytest.fixture
def study(tmp_path):
    cell = tmp_path / "runs" / "demo" / "cell"
    cell.mkdir(parents=True)
    (cell / "record.json").write_text("{}")
    (cell / "adapter").mkdir()
    return cell.parent


@pytest.fixture
def written(tmp_path):
    """A report of inputs `a`."""
    folder = tmp_path / "reports"
    (folder / "tables").mkdir(parents=True)
    (folder / "index.html").write_text("page")
    (folder / "tables" / "cells.csv").write_text("1,2")
    stamp.write(folder, "a", SAID)
    return folder


def touch(path):
    facts = path.stat()
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))


def test_what_a_report_is_made_from_changes_with_its_files_and_options(study):
    record = study / "cell" / "record.json"
    changes = [
        lambda: touch(record),
        lambda: (study / "cell" / "predictions.jsonl").write_text(""),
        lambda: record.rename(study / "cell" / "record.old.json"),
        lambda: (study / "other").mkdir(),
        lambda: (study / "note").symlink_to("nowhere"),
    ]
    seen = [inputs(study, {})]
    for change in changes:
        change()
        seen.append(inputs(study, {}))
        assert inputs(study, {}) == seen[-1]
    seen.append(inputs(study, {"traces": 3}))
    assert len(set(seen)) == len(seen) == 7


def test_what_is_never_reported_changes_nothing(study):
    before = inputs(study, {})
    (study / "cell" / ".lock").write_text("")
    (study / "cell" / "adapter" / "weights").write_text("")
    assert inputs(study, {}) == before


def test_code_counts(study, monkeypatch):
    before = inputs(study, {})
    files = {line.partition(" ")[0] for line in stamp._code()}
    assert {"report/templates/index.html", "report/page/assets/page.css", "record.py"} <= files
    monkeypatch.setattr(stamp, "_code", lambda: iter(["report/page.py other"]))
    assert inputs(study, {}) != before


def test_a_whole_report_of_the_same_inputs_is_known(written):
    assert stamp.read(written, "a") == SAID
    assert stamp.read(written, "b") is None
    # What somebody else puts beside it is no part of it
    (written / "notes.txt").write_text("mine")
    assert stamp.read(written, "a") == SAID


@pytest.mark.parametrize("name", ["index.html", "tables/cells.csv"])
def test_a_report_that_is_not_whole_is_not_known(written, name):
    text = (written / name).read_text()
    (written / name).write_text(text[:-1])
    assert stamp.read(written, "a") is None
    (written / name).write_text(text)
    assert stamp.read(written, "a") == SAID
    (written / name).unlink()
    assert stamp.read(written, "a") is None


def test_while_a_report_is_written_it_is_not_known(written, tmp_path):
    stamp.remove(written)
    assert stamp.read(written, "a") is None
    stamp.remove(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"inputs": "a", "outputs": {}}', "[" * 100_000])
def test_a_broken_stamp_is_none(written, text):
    (written / STAMP).write_text(text)
    assert stamp.read(written, "a") is None


def test_the_stamp_is_the_same_for_the_same_report(written, tmp_path):
    first = (written / STAMP).read_bytes()
    stamp.write(written, "a", SAID)
    assert (written / STAMP).read_bytes() == first
    assert sorted(json.loads(first)["outputs"]) == ["index.html", "tables/cells.csv"]


def test_searches_that_were_read_are_inputs_and_others_are_not(tmp_path, written):
    runs = tmp_path / "searched"
    trials = [runs / f"{name}-tune" / "cell" / "record.json" for name in ("t1", "t2")]
    for trial in trials:
        trial.parent.mkdir(parents=True)
        trial.write_text("{}")
    before = stamp.searches(runs)
    assert sorted(before) == ["t1-tune", "t2-tune"]
    stamp.write(written, "a", SAID, {"t1-tune": before["t1-tune"], "t3-tune": before.get("t3-tune")})
    touch(trials[1])
    assert stamp.read(written, "a", stamp.searches(runs)) == SAID
    touch(trials[0])
    assert stamp.read(written, "a", stamp.searches(runs)) is None
    assert stamp.read(written, "a", before | {"t3-tune": "is there now"}) is None
