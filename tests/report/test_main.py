import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bench.record_sections import Error
from bench.report.__main__ import main
from bench.report.render.escape import escape_markdown

ROOT = Path(__file__).parents[2]
COSTS = ["costs-memory", "costs-time"]
HEAVY = {"torch", "transformers", "peft", "trl", "datasets", "evaluate", "bert_score", "sacrebleu", "rouge_score"}
OOM = {"status": "oom", "error": Error(type="OutOfMemoryError", message="</td><script>x</script>", phase="train")}


def report(*arguments, hash_seed="0", cwd=ROOT, stdout=subprocess.PIPE):
    """Runs the command as a user does."""
    command = [sys.executable, "-m", "bench.report", *map(str, arguments)]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True)


def files_under(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_report_per_study_and_problems_said(write_cell, runs, tmp_path, capsys):
    write_cell("baseline")
    write_cell("lora", **OOM)
    write_cell("lora", study="other")
    (runs / "demo" / "half").mkdir()
    (runs / "hollow" / "half").mkdir(parents=True)
    out = tmp_path / "reports"

    assert main(["--runs", str(runs), "--out", str(out)]) == 0

    said = capsys.readouterr()
    assert said.out == f"{out}/demo/index.html: 2 cells\n{out}/other/index.html: 1 cell\n"
    unfinished = "has no record.json, so this cell has not ended: wait for it, or run it again to finish it."
    assert said.err == f"{runs}/demo/half {unfinished}\n{runs}/hollow/half {unfinished}\n"
    expected = [
        ".stamp.json",
        *(
            f"figures/{name}.{kind}"
            for name in ("costs", "distribution", "scores", "tradeoff")
            for kind in ("pdf", "png")
        ),
        *(
            f"figures/traces/tiny-{method}-events-s0-{method}0.{kind}"
            for method in ("baseline", "lora")
            for kind in ("pdf", "png")
        ),
        *("index.html", "report.md", "report.tex"),
        *(
            f"tables/{table}.{kind}"
            for table in ("cells", *COSTS, "failures", "model-tiny", "provenance", "scores-tiny", "settings-shared")
            for kind in ("csv", "html", "md", "tex")
        ),
    ]
    assert sorted(files_under(out / "demo")) == sorted(expected)
    assert sorted(path.name for path in out.iterdir()) == ["demo", "other"]


def test_the_page_is_self_contained_and_inert(write_cell, runs, tmp_path):
    write_cell("baseline")
    write_cell("lora", **OOM)
    write_cell("lora", model="<img src=x onerror=alert(1)>", folder="hostile")
    (runs / "demo" / "<b>half<b>").mkdir()
    assert main(["--runs", str(runs), "--out", str(tmp_path)]) == 0

    tags = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.append((tag, dict(attrs)))

    page = (tmp_path / "demo" / "index.html").read_text()
    Reader().feed(page)
    assert {tag for tag, _ in tags} & {"b", "link", "iframe"} == set()
    # The page's own, which its policy allows by their hashes, after a block of data
    assert [attributes for tag, attributes in tags if tag == "script"] == [
        {"type": "application/json", "id": "predictions"},
        {},
        {},
        {},
    ]
    images = [attributes for tag, attributes in tags if tag == "img"]
    # Two over all cells, and one of each cell over time
    assert [image["src"][:32] for image in images] == ["data:image/png;base64,iVBORw0KGg"] * 7
    assert not any(name.startswith("on") for _, attributes in tags for name in attributes)
    assert re.findall(r"(?:src|href)=\"(?!data:|#)", page) == []
    assert "&lt;/td&gt;&lt;script&gt;x&lt;/script&gt;" in page
    assert "<code>demo/&lt;b&gt;half&lt;b&gt;</code> has no record.json" in page
    assert "3 cells: 2 ok and 1 out of memory." in page
    # The model's name is no path either
    names = sorted(path.name for path in (tmp_path / "demo" / "tables").glob("model-*.md"))
    assert [re.sub(r"-[0-9a-f]{8}\.md$", "", name) for name in names] == [
        "model-img-src-x-onerror-alert-1-",
        "model-tiny.md",
    ]


def test_the_markdown_report_links_what_is_there(write_cell, runs, tmp_path):
    write_cell("baseline")
    (runs / "demo" / "half").mkdir()
    assert main(["--runs", str(runs), "--out", str(tmp_path)]) == 0
    text = (tmp_path / "demo" / "report.md").read_text()
    assert text.startswith(
        "# Report of the study demo\n\n1 cell: 1 ok. A cell is one run: one combination of model, method, data set, "
        "settings and seed.\n\n"
        "- Model: tiny\n"
        "- Data set: events: 400 training examples, 40 tune examples, 60 test examples of 12 documents\n"
        "- Seeds: 0\n"
        "- Commit: 0123456789abcdef0123456789abcdef01234567\n\n"
        "### tiny: quality and cost of each method\n\n|"
    )
    links = re.findall(r"!\[[^]]*\]\(([^)]+)\)", text)
    trace = "figures/traces/tiny-baseline-events-s0-baseline0.png"
    over_all = [f"figures/{name}.png" for name in ("scores", "tradeoff", "distribution", "costs")]
    assert links == [*over_all, trace]
    alt = "Power and memory over time, with the phases shaded: tiny, baseline, seed 0."
    assert f"### Power and memory over time\n\n![{alt}]({trace})\n" in text
    assert all((tmp_path / "demo" / link).is_file() for link in links)
    assert "### Not in this report\n\n- demo/half has no record.json, so this cell has not ended" in text
    assert (tmp_path / "demo" / "tables" / "model-tiny.md").read_text() in text


def test_what_an_earlier_report_left_goes_and_what_is_not_a_report_s_stays(write_cell, runs, tmp_path):
    write_cell("baseline")
    tables = tmp_path / "demo" / "tables"
    tables.mkdir(parents=True)
    (tables / "model-gone.csv").write_text("old")
    traces = tmp_path / "demo" / "figures" / "traces"
    traces.mkdir(parents=True)
    (traces / "gone.png").write_text("old")
    (tables / "notes.txt").write_text("mine")
    (tmp_path / "demo" / "own.md").write_text("mine")
    assert main(["--runs", str(runs), "--out", str(tmp_path)]) == 0
    assert not (tables / "model-gone.csv").exists()
    assert not (traces / "gone.png").exists()
    assert (tables / "notes.txt").read_text() == (tmp_path / "demo" / "own.md").read_text() == "mine"


def test_nothing_to_report_is_one_sentence_and_a_failure(runs, tmp_path, capsys):
    assert main(["--runs", str(runs), "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr() == (
        "",
        f"{runs} holds no runs: run `tunebench -m model=tiny method=baseline,lora` first, "
        "or name another folder with --runs.\n",
    )
    (runs / "demo" / "half").mkdir(parents=True)
    assert main(["--runs", str(runs), "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr() == (
        "",
        f"{runs}/demo/half has no record.json, so this cell has not ended: wait for it, or run it again to finish it.\n"
        f"{runs} holds no record that can be read: run a cell to its end, such as `tunebench model=tiny "
        "method=baseline`, and report again.\n",
    )
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_a_message(write_cell, runs, tmp_path, capsys):
    write_cell("baseline")
    (tmp_path / "file").write_text("")
    assert main(["--runs", str(runs), "--out", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err == (
        f"{tmp_path}/file/demo/tables cannot be used (Not a directory): check it and its permissions.\n"
    )


def test_scores_that_cannot_be_compared_are_refused_and_other_studies_reported(write_cell, runs, tmp_path, capsys):
    write_cell("baseline")
    write_cell("lora", test_fingerprint="99999999" + 56 * "0", prompt={"name": "alpaca\u202e", "max_length": 512})
    write_cell("lora", study="other")
    assert main(["--runs", str(runs), "--out", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out == f"{tmp_path}/other/index.html: 1 cell\n"
    assert said.err == (
        "demo: its scores cannot be compared: the cells of tiny differ in prompt._target_: bench.prompt.Template for "
        "baseline; not set for lora. the cells of tiny differ in prompt.name: squad for baseline; alpaca\\u202e for "
        "lora. the cells of tiny differ in the fingerprint of the examples that were scored: 5e6f7a8b for baseline; "
        "99999999 for lora. Give each its own study, or report them side by side with --allow-mixed.\n"
    )
    assert not (tmp_path / "demo").exists()


def test_what_is_mixed_is_reported_when_asked_for_and_said_under_the_table(write_cell, runs, tmp_path, capsys):
    write_cell("baseline")
    write_cell("lora", test_fingerprint="99999999" + 56 * "0")
    assert main(["--runs", str(runs), "--out", str(tmp_path), "--allow-mixed"]) == 0
    assert capsys.readouterr().err == ""
    told = "the cells of tiny differ in the fingerprint of the examples that were scored: 5e6f7a8b for baseline; "
    told += "99999999 for lora."
    tables = tmp_path / "demo" / "tables"
    for name in ("model-tiny", "effects"):
        assert f"\n**Warning:** {told}\n" in (tables / f"{name}.md").read_text()
        assert f"\\textbf{{Warning:}} {told}\n" in (tables / f"{name}.tex").read_text()
        assert f'<p class="warning"><strong>Warning:</strong> {told}</p>' in (tables / f"{name}.html").read_text()


def test_a_reference_that_is_several_setups_must_be_named(write_cell, runs, tmp_path, capsys):
    for rank in (8, 16):
        write_cell("lora", folder=f"r{rank}", method_settings={"rank": rank})
    options = ["--runs", str(runs), "--out", str(tmp_path), "--reference"]
    assert main([*options, "lora"]) == 1
    assert capsys.readouterr().err == (
        "--reference lora: tiny has several setups of that method; name one of them: "
        "--reference 'lora (rank=8)', --reference 'lora (rank=16)'\n"
    )
    assert main([*options, "lora (rank=8)"]) == 0
    assert "| lora (rank=16) | lora (rank=8) |" in (tmp_path / "demo/tables/effects.md").read_text()


def test_an_unknown_score_is_refused_with_those_there_are(write_cell, runs, tmp_path, capsys):
    write_cell("lora")
    assert main(["--runs", str(runs), "--out", str(tmp_path), "--family", "token_f1,f2"]) == 1
    assert capsys.readouterr().err == (
        "--family: no cell of demo has the score f2; there are answer_macro_f1, bertscore_f1, bleu, exact_match, "
        "perplexity, rouge1, rouge2, rougeL, token_f1.\n"
    )


@pytest.mark.parametrize(
    ("option", "given", "said"),
    [
        ("--family", ",", "needs the name of a score, such as token_f1"),
        ("--fits-gb", "16,x", "needs sizes in GB, such as 24 or 16,24,80, got '16,x'"),
        ("--fits-gb", "0", "needs sizes in GB, such as 24 or 16,24,80, got '0'"),
        ("--traces", "-1", "must be a whole number of at least 0, got '-1'"),
        ("--pairs", "some", "invalid choice: 'some' (choose from 'reference', 'all')"),
    ],
)
def test_options_that_make_no_sense_are_refused(option, given, said, capsys):
    with pytest.raises(SystemExit):
        main([f"{option}={given}"])
    assert capsys.readouterr().err.endswith(f"error: argument {option}: {said}\n")


def test_one_study_may_be_asked_for(write_cell, runs, tmp_path, capsys):
    for study in ("one", "two"):
        write_cell(study=study)
    assert main(["--runs", str(runs), "--out", str(tmp_path), "--study", "two"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/two/index.html: 1 cell\n"
    assert not (tmp_path / "one").exists()


def test_the_same_runs_give_the_same_bytes(write_cell, runs, tmp_path):
    # Enough cells for their figures to be drawn on all cores
    for seed in range(5):
        for method in ("baseline", "qlora"):
            write_cell(method, seed=seed, **(OOM if method == "qlora" else {}))
    (runs / "demo" / "half").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    one = report("--runs", runs, "--out", tmp_path / "first", hash_seed="1")
    other = report("--runs", "../runs", "--out", ".", hash_seed="2", cwd=elsewhere)
    assert (one.returncode, one.stdout) == (0, f"{tmp_path}/first/demo/index.html: 10 cells\n")
    assert (other.returncode, other.stdout) == (0, "demo/index.html: 10 cells\n")
    first, second = files_under(tmp_path / "first"), files_under(elsewhere)
    # 2 pages and a document, 4 figures over all cells and 10 of one in 2 formats, 8 tables in 4, and the stamp
    assert len(first) == 64
    assert first == second


def test_a_report_that_would_come_out_the_same_is_left_alone(write_cell, runs, tmp_path, capsys):
    cell = write_cell("baseline")
    (runs / "demo" / "half").mkdir()
    out = tmp_path / "reports"

    def said(*arguments):
        assert main(["--runs", str(runs), "--out", str(out), *arguments]) == 0
        return capsys.readouterr()

    first = said()
    assert first.out == f"{out}/demo/index.html: 1 cell\n"
    written = {path: path.stat().st_mtime_ns for path in (out / "demo").rglob("*")}
    second = said()
    assert second.out == f"{out}/demo/index.html: 1 cell, unchanged\n"
    # What is wrong with the runs is said every time
    assert second.err == first.err != ""
    assert {path: path.stat().st_mtime_ns for path in (out / "demo").rglob("*")} == written

    (out / "demo" / "tables" / "cells.csv").unlink()
    assert said().out == f"{out}/demo/index.html: 1 cell\n"
    assert (out / "demo" / "tables" / "cells.csv").is_file()
    (cell / "telemetry.jsonl").write_bytes(b"")
    assert said().out == f"{out}/demo/index.html: 1 cell\n"
    assert said("--traces", "0").out == f"{out}/demo/index.html: 1 cell\n"
    assert said("--traces", "0").out == f"{out}/demo/index.html: 1 cell, unchanged\n"


def test_of_many_cells_some_are_shown_over_time_and_how_to_see_all_is_said(write_cell, runs, tmp_path):
    for seed in (0, 1, 2):
        for method in ("baseline", "lora"):
            write_cell(method, seed=seed)
    assert main(["--runs", str(runs), "--out", str(tmp_path), "--traces", "3"]) == 0
    text = (tmp_path / "demo" / "report.md").read_text()
    # The first seed of each setup, then the second of the first one
    assert re.findall(r"\(figures/traces/(\S+)\.png\)", text) == [
        "tiny-baseline-events-s0-baseline0",
        "tiny-baseline-events-s1-baseline1",
        "tiny-lora-events-s0-lora0",
    ]
    note = (
        "Power and memory over time are shown for 3 of the 6 cells, one seed of each setup before the second of any. "
        "To see all: `tunebench report --study demo --traces 6`."
    )
    assert f"### Power and memory over time\n\n{escape_markdown(note)}\n" in text
    assert f'<p class="note">{note}</p>' in (tmp_path / "demo" / "index.html").read_text()


def test_a_number_of_traces_that_is_none_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--traces", "-1"])
    assert capsys.readouterr().err.endswith("argument --traces: must be a whole number of at least 0, got '-1'\n")


@pytest.mark.parametrize(
    ("typed", "hint"),
    [("faq", "; --study faq reports one study"), ("study=faq", "; --study faq reports one study"), ("--stduy", "")],
)
def test_what_is_no_option_is_answered_in_one_sentence(typed, hint, capsys):
    with pytest.raises(SystemExit) as ended:
        main([typed])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"{typed}: there is no such option; see `tunebench report --help`{hint}\n"


def test_a_file_among_the_studies_is_listed(write_cell, runs, tmp_path, capsys):
    write_cell("baseline")
    (runs / "notes.txt").write_text("mine")
    assert main(["--runs", str(runs), "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().err == (
        f"{runs}/notes.txt is not a study and was not read: move it out of the runs folder.\n"
    )


def test_the_command_never_loads_torch_or_its_kin(write_cell, runs, tmp_path):
    write_cell("lora")
    code = (
        "import sys; from bench.report.__main__ import main; "
        f"assert main(['--runs', {str(runs)!r}, '--out', {str(tmp_path)!r}]) == 0; "
        f"print(sorted({HEAVY!r} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == f"{tmp_path}/demo/index.html: 1 cell\n[]\n"


def test_help_loads_nothing_that_takes_time():
    done = report("--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: tunebench report [-h] [--runs RUNS] [--out OUT] [--study NAME]\n")
    code = (
        "import sys; from bench.report.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print(sorted({'pandas', 'numpy', 'matplotlib', 'pydantic'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_all_reports_are_written_even_if_nobody_reads_the_output(write_cell, runs, tmp_path, unread):
    write_cell("lora", study="one")
    write_cell("lora", study="two")
    done = report("--runs", str(runs), "--out", str(tmp_path / "out"), stdout=unread)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.parent.name for path in tmp_path.glob("out/*/index.html")) == ["one", "two"]
