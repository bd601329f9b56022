import shutil
import subprocess

import pytest

from bench.report.numbers import fixed
from bench.report.render.formats import csv_table, html_table, latex_table, markdown_table
from bench.report.render.table import Column, Row, Table, TableCell
from bench.report.render.templates import SIUNITX_SETUP

HOSTILE = (
    "<script>alert(1)</script> \\input{/etc/passwd} $x^2$ a_b _c_ [l](javascript:x) ![i](u) `c` | 50% & #1 ~ {} -- ''"
)

TABLE = Table(
    name="model-tiny",
    title="tiny: a & b",
    columns=(
        Column("key", ""),
        Column("method", "Method", align="left"),
        Column("scores.bleu", "BLEU", format=fixed(3)),
        Column("memory.rss_peak_bytes", "Peak process memory", "GB", scale=1e-9, format=fixed(2)),
    ),
    rows=(
        Row((TableCell("k1"), TableCell("baseline"), TableCell(1 / 3), TableCell(None, "no NVML"))),
        Row((TableCell("k2"), TableCell("lora", "2 of 3 seeds"), TableCell(None, "no NVML"), TableCell(1_234_567_890))),
        Row((TableCell("k3"), TableCell("qlora"), TableCell(None), TableCell(None)), instead="out of memory in train"),
    ),
    remarks=("60 examples.",),
    warnings=("prompts differ.",),
)


def test_markdown():
    assert markdown_table(TABLE) == (
        "### tiny: a &amp; b\n"
        "\n"
        "| Method | BLEU | Peak process memory (GB) |\n"
        "| :--- | ---: | ---: |\n"
        "| baseline | 0.333 | —<sup>a</sup> |\n"
        "| lora<sup>b</sup> | —<sup>a</sup> | 1.23 |\n"
        "| qlora: **out of memory in train** | — | — |\n"
        "\n"
        "**Warning:** prompts differ.\n"
        "\n"
        "<sup>a</sup> no NVML\n"
        "\n"
        "<sup>b</sup> 2 of 3 seeds\n"
        "\n"
        "60 examples.\n"
    )


def test_csv():
    assert csv_table(TABLE) == (
        "key,method,scores.bleu,scores.bleu_missing,memory.rss_peak_bytes,memory.rss_peak_bytes_missing,note\n"
        "k1,baseline,0.3333333333333333,,,no NVML,\n"
        "k2,lora,,no NVML,1234567890,,2 of 3 seeds\n"
        "k3,qlora,,out of memory in train,,out of memory in train,\n"
    )


def test_latex():
    assert latex_table(TABLE) == (
        "% Needs \\usepackage{booktabs, graphicx, siunitx} and, for bold numbers, \\sisetup{detect-weight = true, "
        "mode = text, group-minimum-digits = 9}.\n"
        "\\begin{table}[htbp]\n"
        "\\centering\n"
        "\\footnotesize\n"
        "\\setlength{\\tabcolsep}{3pt}\n"
        "\\caption{tiny: a \\& b}\n"
        "\\smallskip\n"
        "\\setbox0=\\hbox{%\n"
        "\\begin{tabular}{@{}lS[table-format=1.3]S[table-format=1.2]@{}}\n"
        "\\toprule\n"
        "{Method} & {BLEU} & {\\begin{tabular}[b]{@{}r@{}}Peak\\\\process\\\\memory\\\\(GB)\\end{tabular}} "
        "\\\\\n"
        "\\midrule\n"
        "baseline & 0.333 & {---\\textsuperscript{a}} \\\\\n"
        "lora\\textsuperscript{b} & {---\\textsuperscript{a}} & 1.23 \\\\\n"
        "qlora & \\multicolumn{2}{l@{}}{\\emph{out of memory in train}} \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}}%\n"
        "\\leavevmode\\ifdim\\wd0>\\linewidth\\resizebox{\\linewidth}{!}{\\box0}\\else\\box0\\fi\n"
        "\n"
        "\\smallskip\n"
        "\\begin{minipage}{\\linewidth}\\raggedright\n"
        "\\textbf{Warning:} prompts differ.\n"
        "\\par \\textsuperscript{a}~no NVML\n"
        "\\par \\textsuperscript{b}~2 of 3 seeds\n"
        "\\par 60 examples.\n"
        "\\end{minipage}\n"
        "\\end{table}\n"
    )


def test_html():
    assert html_table(TABLE) == (
        '<section class="table" id="model-tiny">\n'
        "<table>\n"
        "<caption>tiny: a &amp; b</caption>\n"
        '<thead><tr><th scope="col" class="left">Method</th><th scope="col" class="right">BLEU</th>'
        '<th scope="col" class="right">Peak process memory<br>(GB)</th></tr></thead>\n'
        "<tbody>\n"
        '<tr><td class="left">baseline</td><td class="right" data-value="0.3333333333333333">0.333</td>'
        '<td class="right">&#8212;<sup>a</sup></td></tr>\n'
        '<tr><td class="left">lora<sup>b</sup></td><td class="right">&#8212;<sup>a</sup></td>'
        '<td class="right" data-value="1234567890">1.23</td></tr>\n'
        '<tr><td class="left">qlora</td><td class="instead" colspan="2">out of memory in train</td></tr>\n'
        "</tbody>\n"
        "</table>\n"
        '<p class="warning"><strong>Warning:</strong> prompts differ.</p>\n'
        '<p class="note"><sup>a</sup> no NVML</p>\n'
        '<p class="note"><sup>b</sup> 2 of 3 seeds</p>\n'
        '<p class="note">60 examples.</p>\n'
        "</section>\n"
    )


BRACKETED = Table(
    "b",
    "B",
    (
        Column("f1", "F1", format=fixed(4)),
        Column("bytes", "Memory", "GB", scale=1e-9, format=fixed(2)),
        Column("s", "Time", "s", format=fixed(1)),
    ),
    (
        Row(
            (
                TableCell(0.58123, None, (0.5512, 0.6187), bold=True),
                TableCell(2e9, "n", (1e9, 4e9)),
                TableCell(30.0, None, (30.0, 30.0)),
            )
        ),
        Row((TableCell(-0.5, None, (-0.75, 0.75)), TableCell(None, "why"), TableCell(5.25))),
    ),
)


def test_intervals_in_every_format():
    # Half a width of 0.03 supports three decimals, one of 1.5 GB one, one of 0.75 two; none of no width is shown
    assert markdown_table(BRACKETED).splitlines()[4:6] == [
        "| **0.581**<br><sub>\\[0.551, 0.619\\]</sub> | 2.0<sup>a</sup><br><sub>\\[1.0, 4.0\\]</sub> | 30.0 |",
        "| -0.50<br><sub>\\[-0.75, 0.75\\]</sub> | —<sup>b</sup> | 5.2 |",
    ]
    assert csv_table(BRACKETED) == (
        "f1,f1_missing,f1_low,f1_high,bytes,bytes_missing,bytes_low,bytes_high,s,s_missing,s_low,s_high,note\n"
        "0.58123,,0.5512,0.6187,2000000000,,1000000000,4000000000,30,,30,30,n\n"
        "-0.5,,-0.75,0.75,,why,,,5.25,,,,\n"
    )
    lines = latex_table(BRACKETED).splitlines()
    assert lines[8:10] == [
        "\\begin{tabular}{@{}S[table-format=-1.3]"
        "S[table-format=1.1, table-space-text-post={\\textsuperscript{a}}]S[table-format=2.1]@{}}",
        "\\toprule",
    ]
    assert lines[12:16] == [
        "\\bfseries 0.581 & 2.0 {\\textsuperscript{a}} & 30.0 \\\\",
        "{\\scriptsize {[}0.551, 0.619{]}} & {\\scriptsize {[}1.0, 4.0{]}} &  \\\\",
        "-0.50 & {---\\textsuperscript{b}} & 5.2 \\\\",
        "{\\scriptsize {[}-0.75, 0.75{]}} &  &  \\\\",
    ]
    cells = html_table(BRACKETED).splitlines()[5:7]
    assert cells == [
        '<tr><td class="right" data-value="0.58123"><strong>0.581</strong><br><small>[0.551, 0.619]</small></td>'
        '<td class="right" data-value="2000000000">2.0<sup>a</sup><br><small>[1.0, 4.0]</small></td>'
        '<td class="right" data-value="30">30.0</td></tr>',
        '<tr><td class="right" data-value="-0.5">-0.50<br><small>[-0.75, 0.75]</small></td>'
        '<td class="right">&#8212;<sup>b</sup></td><td class="right" data-value="5.25">5.2</td></tr>',
    ]


def test_html_is_inert():
    table = Table(
        '"><b>', HOSTILE, (Column("a", HOSTILE),), (Row((TableCell(HOSTILE, HOSTILE),)),), (HOSTILE,), (HOSTILE,)
    )
    text = html_table(table)
    assert "<script" not in text
    assert "<b>" not in text
    # Caption, heading, entry, its footnote, remark and warning
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 6


def test_a_row_may_have_attributes_in_a_page():
    text = html_table(TABLE, lambda row: {"data-method": f'"{row.cells[1].value}"'} if row.instead else {})
    assert text.count("<tr>") == 3
    assert '<tr data-method="&#34;qlora&#34;"><td class="left">qlora</td>' in text


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not on the PATH")
def test_latex_compiles_in_a_plain_document(tmp_path):
    hostile = Table(
        "hostile",
        HOSTILE,
        (Column("a", HOSTILE, "%", align="wrap"), Column("b", "B", format=fixed(1))),
        (
            Row((TableCell("[1] 中 é", HOSTILE), TableCell(1.0))),
            Row((TableCell("*x"), TableCell(None, HOSTILE))),
            Row((TableCell("[2]"), TableCell(None)), instead=HOSTILE),
        ),
        (HOSTILE,),
        (HOSTILE,),
    )
    body = latex_table(TABLE) + latex_table(hostile)
    packages = f"\\usepackage{{booktabs, graphicx, siunitx}}\n{SIUNITX_SETUP}"
    document = f"\\documentclass{{article}}\n{packages}\n\\begin{{document}}\n{body}\\end{{document}}\n"
    (tmp_path / "sample.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "sample.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "sample.pdf").read_bytes().startswith(b"%PDF")


def test_columns_of_wrapped_text_share_the_line_in_latex():
    for n_columns, share in ((1, "0.6"), (2, "0.3")):
        columns = tuple(Column(str(at), "Text", align="wrap") for at in range(n_columns))
        table = Table("wide", "Wide", columns, (Row(tuple(TableCell("x") for _ in columns)),))
        assert latex_table(table).count(f"p{{{share}\\linewidth}}") == n_columns
