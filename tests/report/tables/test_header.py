from dataclasses import replace

import pytest

from bench.record_sections import Error, SplitCounts
from bench.report.compare.comparisons import comparisons_of
from bench.report.compare.family import Family
from bench.report.read.study import read_studies
from bench.report.tables.header import cautions, facts, summary

OOM = {"status": "oom", "error": Error(type="OutOfMemoryError", message="too large", phase="train")}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
DATA = "400 training examples, 40 tune examples, 60 test examples of 12 documents"


@pytest.fixture
def study(runs):
    return lambda: read_studies(runs)[0]


def test_a_header_says_what_was_run_on_which_data_and_where_the_weights_are(write_cell, study):
    write_cell("baseline")
    cell = write_cell("lora", seed=3)
    assert list(facts(study()).items()) == [
        ("Model", "tiny"),
        ("Data set", f"events: {DATA}"),
        ("Seeds", "0 and 3"),
        ("Learning rates", "as configured, not tuned"),
        ("Commit", COMMIT),
        ("Trained weights", f"demo/{cell.name}/adapter in the runs folder"),
    ]


def test_what_differs_is_counted(write_cell, study):
    for model in ("llama1b", "tiny"):
        write_cell("lora", model=model, dataset="events" if model == "tiny" else "squad_v2")
    assert list(facts(study()).items()) == [
        ("Model", "llama1b and tiny"),
        ("Data set", f"squad_v2: {DATA} (1 cell); events: {DATA} (1 cell)"),
        ("Seeds", "0"),
        ("Learning rates", "as configured, not tuned"),
        ("Commit", COMMIT),
        ("Trained weights", "demo/CELL/adapter in the runs folder; tables/cells.csv has the name of each cell"),
    ]


def test_endings_are_counted(write_cell, study):
    write_cell("baseline")
    write_cell("lora", **OOM)
    assert summary(study()) == "2 cells: 1 ok and 1 out of memory."


def test_data_that_a_failed_cell_did_not_reach_are_those_of_the_others(write_cell, study):
    def header():
        found = study()
        record = found.cells[0].record
        failed = record.model_copy(update={"data": None, "missing": record.missing | {"data": "not_reached"}})
        cells = [replace(found.cells[0], record=failed), *found.cells[1:]]
        return facts(replace(found, cells=tuple(cells)))["Data set"]

    write_cell("lora", **OOM)
    assert header() == "events (the cell ended before this)"
    write_cell("qlora")
    assert header() == f"events: {DATA}"


def test_cautions_are_of_the_deciding_score_and_of_the_data(write_cell, study):
    write_cell("lora", data={"train": SplitCounts(n_read=401, n_dropped=1, n_truncated=0)})
    family = Family(("bleu",), "bleu", ("WER does not decide.",))
    assert cautions(comparisons_of(study().cells), family) == [
        "WER does not decide.",
        "tiny: 1 of 401 training examples were dropped, because they are too long.",
    ]
