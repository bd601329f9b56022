import csv
import io
import json
import re
import shutil
import subprocess
import unicodedata
from html.parser import HTMLParser

import pytest

from bench.record_sections import Error
from bench.report.read.study import read_studies
from bench.report.render.templates import SIUNITX_SETUP
from bench.report.request import Request
from bench.report.write import write_report

SCRIPT = "</script></td><script>alert(1)</script><!-- <img src=x onerror=alert(1)>"
LATEX = r"\input{/etc/passwd} \write18{id} $\immediate$ % & # ~ ^"
MARKS = "\u202egnp.exe\u202c \u2066\u200f \x1b[31m"
MARKDOWN = "[a](javascript:alert(1)) ![b](http://example.org/x.png) `c` | d"
FORMULA = "=HYPERLINK(1)"
HOSTILE = f"{FORMULA} {SCRIPT} {LATEX} {MARKS} {MARKDOWN}"


class Reader(HTMLParser):
    """Gathers the tags that a page opens."""

    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def rewrite(cell, change):
    """Puts what `change` makes of each line of a cell's predictions in its place."""
    path = cell / "predictions.jsonl"
    lines = [json.dumps(change(json.loads(line))) for line in path.read_text().splitlines()]
    path.write_text("".join(f"{line}\n" for line in lines))


def without_question(line):
    """As it was written before questions were kept."""
    return {name: value for name, value in line.items() if name not in ("question", "context")}


def hostile(line):
    texts = {name: f"{HOSTILE} {line[name]}" for name in ("id", "question", "context", "prediction")}
    return line | texts | {"references": [HOSTILE]}


@pytest.fixture
def written(write_cell, runs, tmp_path):
    """The report of a study in which every text that others write is hostile, as text by file name."""
    failed = {"status": "failed", "error": Error(type=FORMULA, message=HOSTILE, phase="train")}
    names = {"model": f"{FORMULA}{SCRIPT}", "dataset": f"{LATEX} \u202e"}
    rewrite(write_cell("lora", folder="one", **names), hostile)
    rewrite(write_cell("=cmd", folder="two", trainable=7, **names), hostile)
    write_cell("toplayer", folder="three", **failed, **names)
    (study,) = read_studies(runs)
    assert len(study.predictions) == len(study.asked) == 2
    out = tmp_path / "report"
    write_report(study, out, Request())
    texts = (".md", ".csv", ".tex", ".html")
    return {
        str(path.relative_to(out)): path.read_bytes().decode()
        for path in sorted(out.rglob("*"))
        if path.suffix in texts
    }


def test_hostile_text_is_inert_in_every_format(written):
    assert {name.rpartition(".")[2] for name in written} == {"md", "csv", "tex", "html"}
    for name, text in written.items():
        hidden = {character for character in text if unicodedata.category(character) in ("Cc", "Cf", "Cs")}
        assert hidden <= {"\n"}, name
    html_is_inert({name: text for name, text in written.items() if name.endswith(".html")})
    for name, text in written.items():
        if name.endswith(".md"):
            assert not re.search(r"<(?!/?su[bp]>|br>)", text), name
            assert not re.search(r"(?<!\\)\]\((?!figures/)", text), name
        if name.endswith(".csv"):
            csv_is_inert(name, text)
        if name.endswith(".tex"):
            assert text.isascii(), name
            # Of its own, the document inputs its tables and nothing else
            own = re.sub(r"\\input\{tables/[A-Za-z0-9_.-]+\.tex\}", "", text) if name == "report.tex" else text
            assert not re.search(r"\\(input|write|immediate)", own), name


def html_is_inert(pages):
    for name, page in pages.items():
        reader = Reader()
        reader.feed(page)
        scripts = sum(tag == "script" for tag, _ in reader.tags)
        assert scripts == (4 if name == "index.html" else 0), name
        assert all(attributes["src"].startswith("data:") for tag, attributes in reader.tags if tag == "img"), name
        assert not any(attribute.startswith("on") for _, attributes in reader.tags for attribute in attributes), name


def csv_is_inert(name, text):
    for row in csv.reader(io.StringIO(text)):
        for cell in row:
            # Otherwise a number, which float would refuse
            assert not re.match(r"[=+\-@\t\r]", cell) or float(cell) <= 0, (name, cell)


def test_hostile_text_can_be_read(written):
    page = written["index.html"]
    assert "\\u202egnp.exe\\u202c" in page
    assert "\\\\u202egnp.exe\\\\u202c" in page[page.index('id="predictions"') :]
    failures = written["tables/failures.csv"]
    assert "'=HYPERLINK(1): =HYPERLINK(1) </script>" in failures
    assert "=cmd" in written["tables/cells.md"]
    assert "'=cmd" in written["tables/cells.csv"]


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not on the PATH")
def test_hostile_text_compiles_to_itself(written, tmp_path):
    body = "".join(text for name, text in written.items() if re.fullmatch(r"tables/.*\.tex", name))
    packages = f"\\usepackage{{booktabs, graphicx, siunitx}}\n{SIUNITX_SETUP}"
    document = f"\\documentclass{{article}}\n{packages}\n\\begin{{document}}\n{body}\\end{{document}}\n"
    (tmp_path / "sample.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "sample.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    # As it would say of a file that it has read
    assert "(/etc/passwd" not in done.stdout


def test_what_was_asked_is_found_once_for_a_test_set(write_cell, runs):
    rewrite(write_cell("baseline", folder="a"), without_question)
    write_cell("lora", folder="b")
    rewrite(write_cell("qlora", folder="c", test_fingerprint=64 * "0"), without_question)
    (study,) = read_studies(runs)
    assert study.problems == ()
    assert set(study.asked) == {"demo/a", "demo/b"}
    assert study.asked["demo/a"] is study.asked["demo/b"]
    assert study.asked["demo/a"].questions[:2] == ("Question 0?", "Question 1?")


@pytest.mark.parametrize("also_good", [True, False])
def test_a_model_without_a_single_ok_cell_is_in_every_format(also_good, write_cell, runs, tmp_path):
    oom = {"status": "oom", "error": Error(type="OutOfMemoryError", message="too large", phase="train")}
    for method in ("baseline", "lora"):
        write_cell(method, model="llama1b", folder=f"bad-{method}", **oom)
        if also_good:
            write_cell(method, model="tiny", folder=f"good-{method}", answers=True)
    (study,) = read_studies(runs)
    write_report(study, tmp_path / "report", Request())
    assert "| lora: out of memory in train" in (tmp_path / "report" / "report.md").read_text()
    page = (tmp_path / "report" / "index.html").read_text()
    assert re.search(r'<td class="left">\s*lora: out of memory in train', page)
