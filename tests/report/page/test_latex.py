import re
import shutil
import subprocess

import pytest

from bench.record_sections import Error
from bench.report.compare.choice import Pick, Picks
from bench.report.figures.chart import Chart
from bench.report.numbers import fixed
from bench.report.page.latex import report_tex
from bench.report.read.study import read_studies
from bench.report.render.latex_table import latex_table, width_pt
from bench.report.render.table import Column, Row, Table, TableCell
from bench.report.request import Request
from bench.report.write import write_report

OOM = {"status": "oom", "error": Error(type="OutOfMemoryError", message="too large " * 30, phase="train")}


def lacking():
    """What the machine needs to compile the document and lacks; empty if nothing."""
    if not shutil.which("pdflatex"):
        return "pdflatex is not on the PATH"
    found = subprocess.run(["kpsewhich", "siunitx.sty", "pdflscape.sty"], capture_output=True, text=True).stdout
    return "" if len(found.split()) == 2 else "LaTeX has no siunitx or no pdflscape"


def compiled(folder):
    """What pdflatex says of the document in a folder."""
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "report.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


def numbers(n_columns, n_rows, name="t"):
    columns = (
        Column("method", "Method", align="left"),
        *(Column(str(at), "A score", format=fixed(4)) for at in range(n_columns)),
    )
    cells = (TableCell(0.5, "why", (0.25, 0.75), bold=True),) * n_columns
    return Table(name, "T", columns, tuple(Row((TableCell(f"m{at}"), *cells)) for at in range(n_rows)), ("r",))


def test_all_tables_and_figures_are_in_it_and_wide_tables_are_turned(contents):
    tables = [numbers(3, 2, "narrow"), numbers(9, 2, "wide")]
    assert width_pt(tables[0]) < 480 < width_pt(tables[1])
    charts = [Chart("scores", "Scores & more", "", b"", b"")]
    facts = {"Model": "tiny_1", "Seeds": "0, 1"}
    picks = [
        Picks("tiny_1", "tiny_1", "12 documents, 3 seeds", (Pick("Best score", "lora & co", "It has 50 %."),)),
        Picks("b", "b", "3 seeds", ()),
    ]
    text = report_tex(
        contents(
            study="a_b & \\input{x}",
            tables=tables,
            charts=charts,
            facts=facts,
            cautions=["50 % left out."],
            picks=picks,
        )
    )
    assert text.endswith(
        "\\title{Report of the study a\\_b \\& \\textbackslash{}input\\{x\\}}\n"
        "\\author{}\n"
        "\\date{}\n"
        "\\begin{document}\n"
        "\\maketitle\n"
        "\\noindent 1 cell: 1 ok. A cell is one run: one combination of model, method, data set, settings and seed.\n"
        "\\begin{description}\\raggedright\n"
        "\\item[Model] tiny\\_1\n"
        "\\item[Seeds] 0, 1\n"
        "\\end{description}\n"
        "\n"
        "\\noindent\\textbf{Note:} 50 \\% left out.\n"
        "\\section*{Which method?}\n"
        "\\subsection*{tiny\\_1}\n"
        "\\noindent From 12 documents, 3 seeds.\n"
        "\n"
        "\\noindent Best score: \\textbf{lora \\& co}. It has 50 \\%.\n"
        "\n"
        "\\subsection*{b}\n"
        "\\noindent From 3 seeds.\n"
        "\n"
        "\\input{tables/narrow.tex}\n"
        "\\begin{landscape}\\input{tables/wide.tex}\\end{landscape}\n"
        "\\clearpage\n"
        "\\begin{figure}[htbp]\n"
        "\\centering\n"
        "\\includegraphics[width=\\linewidth, height=0.85\\textheight, keepaspectratio]{figures/scores.pdf}\n"
        "\\caption{Scores \\& more}\n"
        "\\end{figure}\n"
        "\\end{document}\n"
    )


def test_a_table_longer_than_a_page_is_continued():
    text = latex_table(numbers(1, 40))
    # Two lines for each row: 17 rows on a page of 34
    assert [len(re.findall(r"(?m)^m\d+ &", part)) for part in text.split("\\begin{table}")[1:]] == [17, 17, 6]
    assert text.count("\\caption{T}") == 1
    assert text.count("\\clearpage\n\\begin{table}") == text.count("\\emph{T, continued}") == 2
    # Its notes are under the last one alone
    assert text.count("\\textsuperscript{a}~why") == 1
    assert text.index("m39 &") < text.index("\\textsuperscript{a}~why")


@pytest.mark.skipif(bool(lacking()), reason=lacking() or "nothing lacks")
def test_the_report_compiles_as_it_is_and_fits(write_cell, runs, tmp_path):
    for model in ("llama1b",):
        for method in ("baseline", "lora", "qlora", "toplayer"):
            for seed in (0, 1):
                bad = OOM if (method, seed) == ("qlora", 1) else {}
                watts = 301.5 + seed
                write_cell(
                    method, model=model, seed=seed, power_w=watts, device_bytes=(5 + seed) * 10**9, answers=True, **bad
                )
    (study,) = read_studies(runs)
    write_report(study, tmp_path / "report", Request(against="study"))
    said = compiled(tmp_path / "report")
    assert [line for line in said.splitlines() if re.match(r"Overfull|LaTeX Warning: Float too large", line)] == []
    for path in (tmp_path / "report" / "tables").glob("*.tex"):
        assert f"(./tables/{path.name}" in said.replace("\n", "")


@pytest.mark.skipif(bool(lacking()), reason=lacking() or "nothing lacks")
def test_very_wide_and_very_long_tables_fit(contents, tmp_path):
    (tmp_path / "tables").mkdir()
    notes = tuple(f"{at} " + "remark " * 40 for at in range(30))
    many = numbers(3, 200, "many")
    tables = [numbers(25, 30, "wide"), many, Table("noted", "N", many.columns, many.rows[:30], notes)]
    for table in tables:
        (tmp_path / "tables" / f"{table.name}.tex").write_text(latex_table(table))
    (tmp_path / "report.tex").write_text(report_tex(contents(tables=tables)))
    said = compiled(tmp_path)
    assert [line for line in said.splitlines() if re.match(r"Overfull|LaTeX Warning: Float too large", line)] == []
