from bench.report.compare.choice import Pick, Picks
from bench.report.figures.chart import Chart
from bench.report.numbers import fixed
from bench.report.page.markdown import report_md
from bench.report.read.problem import Problem
from bench.report.render.table import Column, Row, Table, TableCell

LEAD = "1 cell: 1 ok. A cell is one run: one combination of model, method, data set, settings and seed."
MARKUP = "[a](javascript:alert(1)) ![b](http://example.org/x.png) `c` | d"
ESCAPED = "\\[a\\](javascript:alert(1)) !\\[b\\](http:&#47;&#47;example.org/x.png) \\`c\\` \\| d"


def table(name):
    columns, rows = (Column("a", "A", format=fixed(1)),), (Row((TableCell(1.0),)),)
    return Table(name, f"Table {name}", columns, rows, (MARKUP,), section=name)


def test_everything_is_in_it_in_reading_order(contents):
    text = report_md(
        contents(
            study=f"demo {MARKUP}",
            facts={"Model": "tiny", "Commit": MARKUP},
            cautions=["Examples were left out."],
            picks=[
                Picks("tiny", "tiny", "12 documents, 3 seeds", (Pick("Best score", f"lora_x {MARKUP}", "It has 0.9."),))
            ],
            tables=[table("provenance"), table("cells")],
            charts=[Chart("scores", "Scores", MARKUP, b"", b"")],
            traces=[Chart("traces/one-events-s0", "", "Lines.", b"", b"")],
            untraced="Some have none.",
            problems=[Problem("demo/x", "is *odd*.")],
        )
    )
    assert text == (
        f"# Report of the study demo {ESCAPED}\n"
        "\n"
        f"{LEAD}\n"
        "\n"
        "- Model: tiny\n"
        f"- Commit: {ESCAPED}\n"
        "\n"
        "**Note:** Examples were left out.\n"
        "\n"
        "### Which method?\n"
        "\n"
        "**tiny**, from 12 documents, 3 seeds\n"
        "\n"
        f"- Best score: **lora_x {ESCAPED}**. It has 0.9.\n"
        "\n"
        "### Table cells\n"
        "\n"
        "| A |\n"
        "| ---: |\n"
        "| 1.0 |\n"
        "\n"
        f"{ESCAPED}\n"
        "\n"
        "### Scores\n"
        "\n"
        f"![{ESCAPED}](figures/scores.png)\n"
        "\n"
        "### Power and memory over time\n"
        "\n"
        "Some have none.\n"
        "\n"
        "![Lines.](figures/traces/one-events-s0.png)\n"
        "\n"
        "### Not in this report\n"
        "\n"
        "- demo/x is \\*odd\\*.\n"
        "\n"
        "### Table provenance\n"
        "\n"
        "| A |\n"
        "| ---: |\n"
        "| 1.0 |\n"
        "\n"
        f"{ESCAPED}\n"
    )


def test_what_there_is_not_is_left_out(contents):
    assert report_md(contents()) == f"# Report of the study demo\n\n{LEAD}\n"
