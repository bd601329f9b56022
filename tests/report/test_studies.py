"""Several studies in one command: what is wrong with one is said, and costs no other one its report."""

import os
import subprocess
import sys
from pathlib import Path

from bench.record_sections import Error, ScoreInfo
from bench.report import write
from bench.report.__main__ import main

ROOT = Path(__file__).parents[2]
OOM = {"status": "oom", "error": Error(type="OutOfMemoryError", message="too large", phase="train")}
METEOR = ScoreInfo(title="METEOR X", lowest=0.0, highest=1.0, better="higher", pooling="mean")


def report(*arguments):
    """Runs the command as a user does."""
    command = [sys.executable, "-m", "bench.report", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_a_good_study_a_failed_one_and_a_broken_one_give_two_reports_and_one_sentence(write_cell, runs, tmp_path):
    write_cell("broken", study="broken", folder="cell")
    (runs / "broken" / "cell" / "record.json").write_text("{")
    write_cell("lora", study="failed", **OOM)
    for method in ("baseline", "lora"):
        write_cell(method, study="good")
    done = report("--runs", runs, "--out", tmp_path)
    assert done.returncode == 1
    assert done.stdout == f"{tmp_path}/failed/index.html: 1 cell\n{tmp_path}/good/index.html: 2 cells\n"
    assert done.stderr == (
        f"{runs}/broken/cell/record.json is cut off or broken JSON at line 1, column 2: delete it and run the cell "
        "again.\n"
    )
    assert not (tmp_path / "broken").exists()
    again = report("--runs", runs, "--out", tmp_path)
    assert (again.returncode, again.stderr) == (1, done.stderr)


def test_a_fault_in_one_report_is_a_sentence_and_the_next_study_has_its_report(
    write_cell, runs, tmp_path, capsys, monkeypatch
):
    for study in ("a", "b"):
        write_cell("lora", study=study)
    written = write.write_report

    def faulty(study, folder, request):
        if study.name == "a":
            raise StopIteration
        written(study, folder, request)

    monkeypatch.setattr(write, "write_report", faulty)
    assert main(["--runs", str(runs), "--out", str(tmp_path)]) == 1
    output = capsys.readouterr()
    assert output.out == f"{tmp_path}/b/index.html: 1 cell\n"
    assert output.err.startswith(
        f"{runs}/a could not be reported because of a fault in tunebench (StopIteration: , in test_studies.py line "
    )
    assert output.err.endswith(": please report it with this line.\n")
    assert output.err.count("\n") == 1


def test_a_study_that_is_still_running_is_no_failure(write_cell, runs, tmp_path):
    write_cell("lora", study="done")
    (runs / "running" / "cell").mkdir(parents=True)
    assert main(["--runs", str(runs), "--out", str(tmp_path)]) == 0


def test_a_model_without_an_ok_cell_has_its_place_in_the_report(write_cell, runs, tmp_path):
    write_cell("lora", model="llama1b")
    write_cell("lora", model="mistral7b", **OOM)
    assert main(["--runs", str(runs), "--out", str(tmp_path)]) == 0
    text = (tmp_path / "demo" / "report.md").read_text()
    assert "| lora: out of memory in train (peak process memory 1.50 GB) |" in text
    assert "2 cells: 1 ok and 1 out of memory." in text


def test_a_metric_that_nobody_here_knows_leads_the_report(write_cell, runs, tmp_path):
    """Adding METEOR needs no edit in the report: the record says how to read a score."""
    for method, meteor in (("baseline", 0.2), ("lora", 0.6)):
        for seed in range(3):
            own = {"scores": {"meteor_x": meteor, "bleu": 0.5}, "infos": {"meteor_x": METEOR}}
            write_cell(method, seed=seed, only_scores=True, **own)
    assert main(["--runs", str(runs), "--out", str(tmp_path)]) == 0
    text = (tmp_path / "demo" / "report.md").read_text()
    assert "- Best METEOR X: **lora**. lora 0.6000. Next is baseline 0.2000: a difference of 0.4000" in text
    assert "| Method | Trainable (M) | Trainable (%) | METEOR X | BLEU | Train time (s) | " in text
    assert "| lora | baseline | meteor_x | 0.4000<sup>a</sup> | <" not in text
    assert "| lora | baseline | meteor_x | 0.4000" in text
    assert "![Bars of METEOR X and BLEU by method, for tiny.](figures/scores.png)" in text
    assert "### METEOR X against energy, memory and time" in text


def test_a_study_without_token_f1_has_its_report_and_its_data_s_losses_in_it(write_cell, runs, tmp_path, capsys):
    for method in ("baseline", "lora"):
        write_cell(method, only_scores=True, scores={"bleu": 0.5}, data={"n_references_too_long": 7})
    assert main(["--runs", str(runs), "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().err == ""
    losses = "tiny: 7 of 60 references are longer than an answer can be (generation.max_new_tokens=32)."
    text = (tmp_path / "demo" / "report.md").read_text()
    assert text.index(f"**Note:** {losses}") < text.index("### Which method?")
    assert f"**Warning:** {losses}" in (tmp_path / "demo" / "tables" / "model-tiny.md").read_text()
    assert losses in (tmp_path / "demo" / "index.html").read_text()
