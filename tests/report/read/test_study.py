import json
import os
from pathlib import Path

import pytest

from bench.errors import InputError
from bench.record_sections import Error
from bench.report.read import study as study_module
from bench.report.read.problem import Problem
from bench.report.read.studies import natural
from bench.report.read.study import read_studies, read_study


def record_of(folder):
    return json.loads((folder / "record.json").read_text())


def test_no_runs_says_what_to_run(tmp_path):
    expected = (
        f"{tmp_path / 'runs'} holds no runs: run `tunebench -m model=tiny method=baseline,lora` first, "
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
    assert str(caught.value) == f"--study: {runs} holds no study '../demo', only demo, squad. Did you mean demo?"
    with pytest.raises(InputError) as caught:
        read_studies(runs, "other")
    assert str(caught.value) == f"--study: {runs} holds no study 'other', only demo, squad."


def test_a_study_in_the_place_of_all_studies_is_answered_with_what_to_type(write_cell, runs):
    write_cell(study="demo")
    with pytest.raises(InputError) as caught:
        read_studies(runs / "demo")
    assert str(caught.value) == f"{runs}/demo is one study: report it with --runs {runs} --study demo"


def test_many_cells_are_read_by_all_cores_to_the_same_study(write_cell, runs, monkeypatch):
    for method in ("baseline", "lora"):
        write_cell(method)
    (runs / "demo" / "unended").mkdir()
    (runs / "demo" / "stray.txt").write_text("")
    alone = read_study(runs / "demo")
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(study_module, "MANY", 1)
    together = read_study(runs / "demo")
    assert together.cells == alone.cells
    assert len(together.problems) >= 2
    assert (together.problems, together.predictions.keys()) == (alone.problems, alone.predictions.keys())


def test_cells_are_ordered_by_model_untrained_first_method_setting_and_seed(write_cell, runs):
    write_cell("zero_shot", trainable=0)
    write_cell("lora", model="llama8b")
    write_cell("lora", model="llama13b")
    for rank in (16, 8):
        for seed in (10, 2):
            write_cell("lora", seed=seed, folder=f"{rank}-{seed}", method_settings={"rank": rank})
    cells = read_studies(runs)[0].cells
    found = [(cell.model, cell.method, cell.record.cell["method"].get("rank"), cell.seed) for cell in cells]
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
    put("c-newer", text.replace('"schema_version": 3', '"schema_version": 4').encode())
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
    assert [cell.folder for cell in found.cells] == [f"demo/{good.name}"]
    assert found.problems == (
        Problem(
            "demo/a-torn/record.json", f"is cut off or broken JSON at line {torn_line}, column 3: {again}", broken=True
        ),
        Problem("demo/b-empty/record.json", f"is cut off or broken JSON at line 1, column 1: {again}", broken=True),
        Problem(
            "demo/c-newer/record.json",
            "was written by a newer tunebench (record schema 4, this one reads up to 3): "
            "upgrade tunebench to report it.",
            broken=True,
        ),
        Problem(
            "demo/d-foreign/record.json",
            "is not a record of this project (it has no schema_version): move it out of the runs folder.",
            broken=True,
        ),
        Problem(
            "demo/e-list/record.json",
            "is not a record of this project (it has no schema_version): move it out of the runs folder.",
            broken=True,
        ),
        Problem(
            "demo/f-invalid/record.json",
            "is not a valid record (status: Input should be 'ok', 'oom', 'failed', 'timeout', 'killed' or "
            f"'interrupted'): {again}",
            broken=True,
        ),
        Problem("demo/g-binary/record.json", f"cannot be read (it is not UTF-8 text): {again}", broken=True),
        Problem(
            "demo/h-no-method/record.json", f"is not a valid record (method: Field required): {again}", broken=True
        ),
        Problem(
            "demo/h-too-large/record.json",
            f"is not a valid record (the number 40000000... is too large): {again}",
            broken=True,
        ),
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

    assert [cell.seed for cell in study.cells] == [0, 1, 2, 3, 4]
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
    assert [cell.record.scores["bleu"] for cell in study.cells] == [0.75]
    assert study.problems == (
        Problem("demo/b-old", "is the same cell as demo/a-new, which was started later and is reported: delete one."),
    )


def test_cells_that_did_not_end_ok_are_rows_too(write_cell, runs):
    write_cell("lora", status="killed", error=Error(type="Killed", message="SIGKILL", phase="train"))
    (cell,) = read_studies(runs)[0].cells
    assert (cell.record.status, cell.record.scores, cell.ok, cell.ending) == ("killed", None, False, "killed in train")


def test_several_studies_come_in_the_order_of_their_names(write_cell, runs: Path):
    for study in ("s10", "s9"):
        write_cell(study=study)
    assert [study.name for study in read_studies(runs)] == ["s9", "s10"]
    assert [study.name for study in read_studies(runs, "s10")] == ["s10"]


def test_a_study_that_cannot_be_listed_is_a_problem(runs, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied")

    (runs / "demo").mkdir()
    monkeypatch.setattr("bench.report.read.study.visible", refuse)
    study = read_study(runs / "demo")
    assert (len(study.cells), study.problems) == (
        0,
        (Problem("demo", "cannot be read (Permission denied): check who may read it.", broken=True),),
    )


def test_traces_are_of_every_setup_s_first_seed_before_any_second_one(write_cell, runs):
    for seed in (0, 1, 2):
        for method in ("baseline", "lora"):
            write_cell(method, seed=seed, folder=f"{method}-{seed}")
    study = read_study(runs / "demo", n_traces=3)
    assert (list(study.traces), study.n_untraced) == (["demo/baseline-0", "demo/baseline-1", "demo/lora-0"], 3)
    assert len(study.predictions) == 6
    assert read_study(runs / "demo").n_untraced == 0


def test_models_of_one_name_are_told_apart_by_their_paths(write_cell, runs):
    for at, path in enumerate(("a/small", "b/small", "b/small", "c/large")):
        folder = write_cell("lora", model=path[2:], seed=at, folder=str(at))
        record = record_of(folder)
        record["cell"]["model"]["path"] = path
        (folder / "record.json").write_text(json.dumps(record))
    assert [cell.model for cell in read_study(runs / "demo").cells] == [
        "large",
        "small (a/small)",
        "small (b/small)",
        "small (b/small)",
    ]
