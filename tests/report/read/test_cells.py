import json

import pytest

from bench.record import Record
from bench.record_sections import Error
from bench.report.read.cells import StoredCell
from bench.report.read.study import read_studies


def test_a_cell_has_its_record_and_its_names(write_cell, runs):
    folder = write_cell("lora", seed=3)
    (cell,) = read_studies(runs)[0].cells
    content = json.loads((folder / "record.json").read_text())
    assert cell.folder == f"demo/{folder.name}"
    assert cell.record == Record.model_validate(content)
    assert (cell.model, cell.method, cell.dataset, cell.seed) == ("tiny", "lora", "events", 3)
    assert json.loads(cell.setup) == {part: value for part, value in content["cell"].items() if part != "seed"}
    assert cell.settings["prompt.max_length"] == "512"
    assert "seed" not in cell.settings


def test_stretches_of_a_phase_are_summed_and_a_phase_that_never_was_has_a_reason(write_cell, runs):
    write_cell("baseline")
    write_cell("lora")
    baseline, lora = read_studies(runs)[0].cells
    assert lora.phase_seconds["train"] == 30.0
    assert "train" not in baseline.phase_seconds
    assert baseline.reason("phase_seconds.train") == "nothing is trained"


def test_phases_that_a_cell_has_not_have_their_reason_in_every_section(write_cell, runs):
    write_cell("baseline")
    write_cell("lora")
    baseline, lora = read_studies(runs)[0].cells
    for section in ("phase_seconds", "power.phases", "memory.phases", "host.phases"):
        assert [baseline.missing[f"{section}.{phase}"] for phase in ("train", "validate", "save", "prepare")] == [
            *("nothing_trained", "nothing_trained", "nothing_trained", "no_such_phase")
        ]
        assert lora.missing[f"{section}.validate"] == "no_such_phase"
        assert f"{section}.train" not in lora.missing


@pytest.mark.parametrize(
    ("status", "phase", "words"),
    [
        ("oom", "train", "out of memory in train"),
        ("timeout", "generate", "timed out in generate"),
        ("killed", None, "killed"),
    ],
)
def test_endings_in_words(make_record, status, phase, words):
    error = Error(type="E", message="", phase=phase)
    reasons = {} if phase else {"error.phase": "not_started"}
    assert StoredCell("demo/x", make_record("lora", status=status, error=error, missing=reasons)).ending == words
