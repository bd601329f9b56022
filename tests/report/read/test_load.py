import json
import os
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from bench.errors import InputError
from bench.record import Error
from bench.report.read import load
from bench.report.read.load import Problem, natural, read_studies, read_study
from bench.report.read.trace import read_trace
from bench.telemetry.gather import Gathered
from bench.telemetry.trace import thin, to_json
from bench.telemetry.windows import Stretch


def record_of(folder):
    return json.loads((folder / "record.json").read_text())


def test_no_runs_says_what_to_run(tmp_path):
    expected = (
        f"{tmp_path / 'runs'} holds no runs: run `python -m bench -m model=tiny method=baseline,lora` first, "
        "or name another folder with --runs."
    )
    with pytest.raises(InputError) as missing:
        read_studies(tmp_path / "runs")
    (tmp_path / "runs").mkdir()
    with pytest.raises(InputError) as empty:
        read_studies(tmp_path / "runs")
    assert (str(missing.value), str(empty.value)) == (expected, expected)


def test_an_unknown_study_is_answered_with_the_known_ones(write_cell, runs):
    write_cell(study="demo")
    write_cell(study="squad")
    with pytest.raises(InputError) as caught:
        read_studies(runs, "../demo")
    assert str(caught.value) == f"--study: {runs} holds no study '../demo', only demo, squad."


def test_many_cells_are_read_by_all_cores_to_the_same_study(write_cell, runs, monkeypatch):
    for method in ("baseline", "lora"):
        write_cell(method)
    (runs / "demo" / "unended").mkdir()
    (runs / "demo" / "stray.txt").write_text("")
    alone = read_study(runs / "demo")
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(load, "MANY", 1)
    together = read_study(runs / "demo")
    assert_frame_equal(together.cells, alone.cells)
    assert len(together.problems) >= 2
    assert (together.problems, together.predictions.keys()) == (alone.problems, alone.predictions.keys())


def test_columns_are_named_as_in_the_record(write_cell, runs):
    folder = write_cell("lora", seed=3)
    (cell,) = read_studies(runs)[0].cells.to_dict("records")
    record = json.loads((folder / "record.json").read_text())
    assert cell["folder"] == f"demo/{folder.name}"
    assert cell["key"] == record["key"]
    assert cell["cell"] == record["cell"]
    assert cell["scores.bleu"] == 0.5
    assert cell["memory.rss_peak_bytes"] == 1_500_000_000
    assert cell["environment.packages.torch"] == "2.13.0"
    assert (cell["cell.model.name"], cell["cell.method.name"], cell["cell.dataset.name"]) == ("tiny", "lora", "events")
    assert cell["cell.seed"] == 3
    assert json.loads(cell["setup"]) == {part: value for part, value in record["cell"].items() if part != "seed"}


def test_stretches_of_a_phase_are_summed_and_a_phase_that_never_was_has_a_reason(write_cell, runs):
    write_cell("baseline")
    write_cell("lora")
    baseline, lora = read_studies(runs)[0].cells.to_dict("records")
    assert lora["phase_seconds.train"] == 30.0
    assert baseline["phase_seconds.train"] != baseline["phase_seconds.train"]
    assert baseline["missing"]["phase_seconds.train"] == "nothing_trained"


def test_cells_are_ordered_by_model_untrained_first_method_setting_and_seed(write_cell, runs):
    write_cell("zero_shot", trainable=0)
    write_cell("lora", model="llama8b")
    write_cell("lora", model="llama13b")
    for rank in (16, 8):
        for seed in (10, 2):
            write_cell("lora", seed=seed, folder=f"{rank}-{seed}", method_settings={"rank": rank})
    cells = read_studies(runs)[0].cells
    found = [
        (model, method, cell["method"].get("rank"), seed)
        for model, method, cell, seed in zip(
            cells["cell.model.name"], cells["cell.method.name"], cells["cell"], cells["cell.seed"], strict=True
        )
    ]
    assert found == [
        ("llama8b", "lora", None, 0),
        ("llama13b", "lora", None, 0),
        ("tiny", "zero_shot", None, 0),
        ("tiny", "lora", 8, 2),
        ("tiny", "lora", 8, 10),
        ("tiny", "lora", 16, 2),
        ("tiny", "lora", 16, 10),
    ]


def test_natural_order_reads_numbers_as_numbers():
    assert sorted(["r16", "r8", "lr 0.5", "lr 1e-5", "b", "r8b"], key=natural) == [
        "b",
        "lr 1e-5",
        "lr 0.5",
        "r8",
        "r8b",
        "r16",
    ]


def test_every_unreadable_thing_has_a_sentence_and_none_is_fatal(write_cell, runs):
    good = write_cell("lora")
    text = (good / "record.json").read_text()
    study = good.parent

    def put(name: str, content: bytes) -> None:
        (study / name).mkdir()
        (study / name / "record.json").write_bytes(content)

    put("a-torn", text[: text.index('"started_at"')].encode())
    put("b-empty", b"")
    put("c-newer", text.replace('"schema_version": 1', '"schema_version": 2').encode())
    put("d-foreign", b'{"loss": 3}')
    put("e-list", b"[]")
    put("f-invalid", text.replace('"status": "ok"', '"status": "fine"').encode())
    put("g-binary", b"\xff\xfe\x00")
    put("h-no-method", text.replace('"method": {', '"technique": {').encode())
    put("h-too-large", text.replace('"n_train": 400', '"n_train": 4' + 5000 * "0").encode())
    (study / "i-running").mkdir()
    (study / "i-running" / "config.yaml").write_text("seed: 0\n")
    (study / "notes.txt").write_text("mine")
    (study / ".lock").write_text("")
    (study / "multirun.yaml").write_text("hydra: {}\n")

    (found,) = read_studies(runs)

    torn_line = text[: text.index('"started_at"')].count("\n") + 1
    again = "delete it and run the cell again."
    assert list(found.cells["folder"]) == [f"demo/{good.name}"]
    assert found.problems == (
        Problem("demo/a-torn/record.json", f"is cut off or broken JSON at line {torn_line}, column 3: {again}"),
        Problem("demo/b-empty/record.json", f"is cut off or broken JSON at line 1, column 1: {again}"),
        Problem(
            "demo/c-newer/record.json",
            "was written by a newer tunebench (record schema 2, this one reads up to 1): "
            "upgrade tunebench to report it.",
        ),
        Problem(
            "demo/d-foreign/record.json",
            "is not a record of this project (it has no schema_version): move it out of the runs folder.",
        ),
        Problem(
            "demo/e-list/record.json",
            "is not a record of this project (it has no schema_version): move it out of the runs folder.",
        ),
        Problem(
            "demo/f-invalid/record.json",
            "is not a valid record (status: Input should be 'ok', 'oom', 'failed', 'timeout', 'killed' or "
            f"'interrupted'): {again}",
        ),
        Problem("demo/g-binary/record.json", f"cannot be read (it is not UTF-8 text): {again}"),
        Problem("demo/h-no-method/record.json", f"is not a valid record (method: Field required): {again}"),
        Problem("demo/h-too-large/record.json", f"is not a valid record (40000000... is no number of it): {again}"),
        Problem(
            "demo/i-running",
            "has no record.json, so this cell has not ended: wait for it, or run it again to finish it.",
        ),
        Problem("demo/notes.txt", "is not a run folder and was not read: move it out of the runs folder."),
    )


def test_telemetry_that_is_not_what_it_should_be_is_listed_and_the_record_still_counts(write_cell, runs):
    gone = write_cell("lora", folder="a-gone")
    (gone / "telemetry.jsonl").unlink()
    odd = write_cell("lora", seed=1, folder="b-odd")
    (odd / "telemetry.jsonl").unlink()
    (odd / "telemetry.jsonl").mkdir()
    write_cell("lora", seed=2, folder="c-empty", readings=())
    short = write_cell("lora", seed=3, folder="d-short", file_bytes=123)
    n_bytes = (short / "telemetry.jsonl").stat().st_size
    # A cell that ended before its first phase has nothing to be shown
    write_cell("lora", seed=4, folder="e-nothing", readings=(), phases=())

    (study,) = read_studies(runs)

    assert list(study.cells["cell.seed"]) == [0, 1, 2, 3, 4]
    assert list(study.traces) == ["demo/d-short"]
    unseen = "this cell's power and memory over time are not shown."
    assert study.problems == (
        Problem("demo/a-gone/telemetry.jsonl", f"cannot be read (No such file or directory): {unseen}"),
        Problem("demo/b-odd/telemetry.jsonl", f"cannot be read (Is a directory): {unseen}"),
        Problem(
            "demo/c-empty/telemetry.jsonl",
            "has no reading of power or memory in the cell's phases, so neither is shown over time.",
        ),
        Problem(
            "demo/d-short/telemetry.jsonl",
            f"has {n_bytes} bytes, and its record says 123: power and memory over time are shown as far as it can be "
            "read; the tables have the record's numbers.",
        ),
    )


def test_the_trace_that_the_supervisor_wrote_is_read_in_place_of_the_readings(write_cell, runs):
    cell = write_cell("lora")
    phases = [Stretch(phase["name"], phase["start_s"], phase["seconds"]) for phase in record_of(cell)["phases"]]
    thinned = read_trace(cell / "telemetry.jsonl", phases, hz=10.0)
    (cell / "trace.json").write_text(to_json(thinned))
    (cell / "telemetry.jsonl").unlink()
    (study,) = read_studies(runs)
    assert study.problems == ()
    assert study.traces[f"demo/{cell.name}"].rss_bytes.mean.tolist() == thinned.rss_bytes.mean.tolist()


def test_a_trace_that_is_of_another_run_or_broken_is_made_from_the_readings(write_cell, runs):
    other = write_cell("lora", folder="a-other")
    torn = write_cell("lora", seed=1, folder="b-torn")
    (other / "trace.json").write_text(to_json(thin(Gathered(), [Stretch("load", 0.0, 1.0)], hz=10.0)))
    (torn / "trace.json").write_text('{"n_bins":600')
    (study,) = read_studies(runs)
    assert sorted(study.traces) == ["demo/a-other", "demo/b-torn"]
    assert study.problems == (
        Problem("demo/b-torn/trace.json", "is cut off or broken, so telemetry.jsonl was read, which takes longer."),
    )


def test_phases_that_a_cell_has_not_have_their_reason_in_every_section(write_cell, runs):
    write_cell("baseline")
    write_cell("lora")
    baseline, lora = read_studies(runs)[0].cells.to_dict("records")
    for section in ("phase_seconds", "power.phases", "memory.phases", "host.phases"):
        assert [baseline["missing"][f"{section}.{phase}"] for phase in ("train", "validate", "save", "prepare")] == [
            *("nothing_trained", "nothing_trained", "nothing_trained", "no_such_phase")
        ]
        assert lora["missing"][f"{section}.validate"] == "no_such_phase"
        assert f"{section}.train" not in lora["missing"]


def test_a_folder_in_place_of_the_record_is_listed(write_cell, runs):
    write_cell("lora")
    (runs / "demo" / "odd" / "record.json").mkdir(parents=True)
    assert [problem.sentence for problem in read_studies(runs)[0].problems] == [
        "cannot be read (Is a directory): delete it and run the cell again."
    ]


def test_the_same_cell_twice_counts_once(write_cell, runs):
    write_cell("lora", folder="a-new", started_at="2026-07-02T00:00:00+00:00", scores={"bleu": 0.75})
    write_cell("lora", folder="b-old", started_at="2026-07-01T00:00:00+00:00", scores={"bleu": 0.25})
    (study,) = read_studies(runs)
    assert list(study.cells["scores.bleu"]) == [0.75]
    assert study.problems == (
        Problem("demo/b-old", "is the same cell as demo/a-new, which was started later and is reported: delete one."),
    )


def test_cells_that_did_not_end_ok_are_rows_too(write_cell, runs):
    write_cell("lora", status="killed", error=Error(type="Killed", message="SIGKILL", phase="train"))
    (cell,) = read_studies(runs)[0].cells.to_dict("records")
    assert (cell["status"], cell["error.phase"], cell["scores"]) == ("killed", "train", None)


def test_several_studies_come_in_the_order_of_their_names(write_cell, runs: Path):
    for study in ("s10", "s9"):
        write_cell(study=study)
    assert [study.name for study in read_studies(runs)] == ["s9", "s10"]
    assert [study.name for study in read_studies(runs, "s10")] == ["s10"]


def test_a_study_that_cannot_be_listed_is_a_problem(runs, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied")

    (runs / "demo").mkdir()
    monkeypatch.setattr("bench.report.read.load.visible", refuse)
    study = read_study(runs / "demo")
    assert (len(study.cells), study.problems) == (
        0,
        (Problem("demo", "cannot be read (Permission denied): see who may read it."),),
    )


def test_traces_are_of_every_setup_s_first_seed_before_any_second_one(write_cell, runs):
    for seed in (0, 1, 2):
        for method in ("baseline", "lora"):
            write_cell(method, seed=seed, folder=f"{method}-{seed}")
    study = read_study(runs / "demo", n_traces=3)
    assert (list(study.traces), study.n_untraced) == (["demo/baseline-0", "demo/baseline-1", "demo/lora-0"], 3)
    assert len(study.predictions) == 6
    assert read_study(runs / "demo").n_untraced == 0
