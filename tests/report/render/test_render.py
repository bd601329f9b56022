import csv
import io
import shutil
import subprocess

import pytest

from bench.report.render.render import (
    SIUNITX_SETUP,
    Column,
    Entry,
    Row,
    Table,
    csv_text,
    decimals_within,
    defused,
    escape_latex,
    escape_markdown,
    fixed,
    html_text,
    latex,
    letter,
    markdown,
    significant,
)

HOSTILE = (
    "<script>alert(1)</script> \\input{/etc/passwd} $x^2$ a_b _c_ [l](javascript:x) ![i](u) `c` | 50% & #1 ~ {} -- ''"
)

TABLE = Table(
    name="model-tiny",
    title="tiny: a & b",
    columns=(
        Column("key", ""),
        Column("method", "Method", align="left"),
        Column("scores.bleu", "BLEU", shown=fixed(3)),
        Column("memory.rss_peak_bytes", "Peak process memory", "GB", scale=1e-9, shown=fixed(2)),
    ),
    rows=(
        Row((Entry("k1"), Entry("baseline"), Entry(1 / 3), Entry(None, "no NVML"))),
        Row((Entry("k2"), Entry("lora", "2 of 3 seeds"), Entry(None, "no NVML"), Entry(1_234_567_890))),
        Row((Entry("k3"), Entry("qlora"), Entry(None), Entry(None)), instead="out of memory in train"),
    ),
    remarks=("60 examples.",),
    warnings=("prompts differ.",),
)


def test_markdown():
    assert markdown(TABLE) == (
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
    assert csv_text(TABLE) == (
        "key,method,scores.bleu,scores.bleu_missing,memory.rss_peak_bytes,memory.rss_peak_bytes_missing,note\n"
        "k1,baseline,0.3333333333333333,,,no NVML,\n"
        "k2,lora,,no NVML,1234567890,,2 of 3 seeds\n"
        "k3,qlora,,out of memory in train,,out of memory in train,\n"
    )


def test_latex():
    assert latex(TABLE) == (
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
    assert html_text(TABLE) == (
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
        Column("f1", "F1", shown=fixed(4)),
        Column("bytes", "Memory", "GB", scale=1e-9, shown=fixed(2)),
        Column("s", "Time", "s", shown=fixed(1)),
    ),
    (
        Row(
            (
                Entry(0.58123, None, (0.5512, 0.6187), bold=True),
                Entry(2e9, "n", (1e9, 4e9)),
                Entry(30.0, None, (30.0, 30.0)),
            )
        ),
        Row((Entry(-0.5, None, (-0.75, 0.75)), Entry(None, "why"), Entry(5.25))),
    ),
)


def test_intervals_in_every_format():
    # Half a width of 0.03 supports three decimals, one of 1.5 GB one, one of 0.75 two; none of no width is shown
    assert markdown(BRACKETED).splitlines()[4:6] == [
        "| **0.581**<br><sub>\\[0.551, 0.619\\]</sub> | 2.0<sup>a</sup><br><sub>\\[1.0, 4.0\\]</sub> | 30.0 |",
        "| -0.50<br><sub>\\[-0.75, 0.75\\]</sub> | —<sup>b</sup> | 5.2 |",
    ]
    assert csv_text(BRACKETED) == (
        "f1,f1_missing,f1_low,f1_high,bytes,bytes_missing,bytes_low,bytes_high,s,s_missing,s_low,s_high,note\n"
        "0.58123,,0.5512,0.6187,2000000000,,1000000000,4000000000,30,,30,30,n\n"
        "-0.5,,-0.75,0.75,,why,,,5.25,,,,\n"
    )
    lines = latex(BRACKETED).splitlines()
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
    cells = html_text(BRACKETED).splitlines()[5:7]
    assert cells == [
        '<tr><td class="right" data-value="0.58123"><strong>0.581</strong><br><small>[0.551, 0.619]</small></td>'
        '<td class="right" data-value="2000000000">2.0<sup>a</sup><br><small>[1.0, 4.0]</small></td>'
        '<td class="right" data-value="30">30.0</td></tr>',
        '<tr><td class="right" data-value="-0.5">-0.50<br><small>[-0.75, 0.75]</small></td>'
        '<td class="right">&#8212;<sup>b</sup></td><td class="right" data-value="5.25">5.2</td></tr>',
    ]


@pytest.mark.parametrize(
    ("low", "high", "decimals"),
    [(0.55, 0.62, 3), (0.0, 0.002, 4), (10.0, 30.0, 0), (1.0, 5.0, 1), (1.0, float("inf"), 0)],
)
def test_no_more_decimals_than_two_digits_of_half_the_width(low, high, decimals):
    assert decimals_within(low, high) == decimals


def test_a_row_must_fit_under_the_columns():
    with pytest.raises(ValueError, match=r"^t: 1 entries under 2 columns$"):
        Table("t", "T", (Column("a", "A"), Column("b", "B")), (Row((Entry("x"),)),))


def test_markdown_is_inert():
    assert escape_markdown(HOSTILE) == (
        "&lt;script&gt;alert(1)&lt;/script&gt; \\\\input{/etc/passwd} \\$x^2\\$ a_b \\_c\\_ \\[l\\](javascript:x) "
        "!\\[i\\](u) \\`c\\` \\| 50% &amp; \\#1 \\~ {} -- ''"
    )


def test_latex_is_inert():
    assert escape_latex(HOSTILE) == (
        "\\textless{}script\\textgreater{}alert(1)\\textless{}/script\\textgreater{} "
        "\\textbackslash{}input\\{/etc/passwd\\} \\$x\\textasciicircum{}2\\$ a\\_b \\_c\\_ {[}l{]}(javascript:x) "
        "!{[}i{]}(u) \\textasciigrave{}c\\textasciigrave{} \\textbar{} 50\\% \\& \\#1 \\textasciitilde{} \\{\\} "
        "-{}- '{}'"
    )
    assert escape_latex("中*—…") == "{[}U+4E2D{]}{*}---\\ldots{}"


def test_html_is_inert():
    table = Table('"><b>', HOSTILE, (Column("a", HOSTILE),), (Row((Entry(HOSTILE, HOSTILE),)),), (HOSTILE,), (HOSTILE,))
    text = html_text(table)
    assert "<script" not in text
    assert "<b>" not in text
    # Caption, heading, entry, its footnote, remark and warning
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 6


def test_a_row_may_have_attributes_in_a_page():
    text = html_text(TABLE, lambda row: {"data-method": f'"{row.entries[1].value}"'} if row.instead else {})
    assert text.count("<tr>") == 3
    assert '<tr data-method="&quot;qlora&quot;"><td class="left">qlora</td>' in text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\uff1d1", "'\uff1d1"),
        ("-0.5", "-0.5"),
        ("+1e-3", "+1e-3"),
        ("a=1", "a=1"),
        ("'=1", "'=1"),
        ("", ""),
    ],
)
def test_a_spreadsheet_takes_no_text_for_a_formula(text, written):
    assert defused(text) == written


def test_csv_is_inert_wherever_text_stands():
    columns = (Column("a", "A"), Column("b", "B", shown=fixed(1)))
    rows = (
        Row((Entry("=1"), Entry(-0.5, "+note"))),
        Row((Entry("x"), Entry(None, "@why"))),
        Row((Entry("y"), Entry(None)), instead="-2 of 3"),
    )
    assert csv_text(Table("t", "T", columns, rows)) == (
        "a,b,b_missing,note\n'=1,-0.5,,'+note\nx,,'@why,\ny,,'-2 of 3,\n"
    )


def test_csv_survives_its_own_separators():
    table = Table("t", "T", (Column("a", "A"), Column("b", "B")), (Row((Entry('x,"y"\nz'), Entry("", "n;o"))),))
    assert list(csv.reader(io.StringIO(csv_text(table)))) == [["a", "b", "note"], ['x,"y"\nz', "", "n;o"]]


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not on the PATH")
def test_latex_compiles_in_a_plain_document(tmp_path):
    hostile = Table(
        "hostile",
        HOSTILE,
        (Column("a", HOSTILE, "%", align="wrap"), Column("b", "B", shown=fixed(1))),
        (
            Row((Entry("[1] 中 é", HOSTILE), Entry(1.0))),
            Row((Entry("*x"), Entry(None, HOSTILE))),
            Row((Entry("[2]"), Entry(None)), instead=HOSTILE),
        ),
        (HOSTILE,),
        (HOSTILE,),
    )
    body = latex(TABLE) + latex(hostile)
    packages = f"\\usepackage{{booktabs, graphicx, siunitx}}\n{SIUNITX_SETUP}"
    document = f"\\documentclass{{article}}\n{packages}\n\\begin{{document}}\n{body}\\end{{document}}\n"
    (tmp_path / "sample.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "sample.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "sample.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("number", "digits", "shown"),
    [
        (0.0688912, 4, "0.06889"),
        (4.92157, 4, "4.922"),
        (18.5305, 4, "18.53"),
        (0.0, 4, "0"),
        (100.0, 4, "100.0"),
        (99.996, 4, "100.0"),
        (128256.4, 4, "128256"),
        (0.00012345, 3, "0.000123"),
        (-2.5, 2, "-2.5"),
    ],
)
def test_significant_digits_without_exponents(number, digits, shown):
    assert significant(digits)(number) == shown


def test_what_rounds_to_zero_has_no_sign():
    assert [fixed(1)(number) for number in (-0.04, 0.0, -0.06)] == ["0.0", "0.0", "-0.1"]


def test_letters_go_on_after_z():
    assert [letter(index) for index in (0, 25, 26, 27, 701, 702)] == ["a", "z", "aa", "ab", "zz", "aaa"]
