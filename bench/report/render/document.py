"""The sample document: LaTeX that inputs every table and figure of a report and compiles as it is."""

from collections.abc import Sequence

from bench.report.figures.chart import Chart
from bench.report.render.render import SIUNITX_SETUP, Column, Table, escape_latex, text_of, within_of
from bench.report.words import printable

PREAMBLE = rf"""% Compiles as it is, in this folder: pdflatex report.tex
\documentclass[a4paper]{{article}}
\usepackage[margin=2cm]{{geometry}}
\usepackage{{booktabs, graphicx, pdflscape, siunitx}}
{SIUNITX_SETUP}
% As many tables may wait for their pages as there are
\extrafloats{{100}}
"""

DIGIT_PT, SMALL_DIGIT_PT, GAP_PT = 4.3, 3.7, 6.0
"""Widths at \\footnotesize and \\scriptsize, and between two columns."""
PORTRAIT_PT = 480.0
"""How wide a table may be to stand upright; a wider one has a page of its own, turned."""
FIGURE_HEIGHT = r"0.85\textheight"


def document(study: str, shown: Sequence[Table], drawn: Sequence[Chart]) -> str:
    """`report.tex`, for the folder that has `tables/` and `figures/`."""
    parts = [PREAMBLE, rf"\title{{Report of the study {escape_latex(printable(study))}}}", r"\author{}", r"\date{}"]
    parts += [r"\begin{document}", r"\maketitle"]
    for table in shown:
        own = rf"\input{{tables/{table.name}.tex}}"
        wide = width_pt(table) > PORTRAIT_PT
        parts.append(rf"\begin{{landscape}}{own}\end{{landscape}}" if wide else own)
    parts += [r"\clearpage"]
    for chart in drawn:
        parts += [
            r"\begin{figure}[htbp]",
            r"\centering",
            rf"\includegraphics[width=\linewidth, height={FIGURE_HEIGHT}, keepaspectratio]{{figures/{chart.name}.pdf}}",
            rf"\caption{{{escape_latex(chart.title)}}}",
            r"\end{figure}",
        ]
    return "\n".join([*parts, r"\end{document}"]) + "\n"


def width_pt(table: Table) -> float:
    """About how wide the table is."""
    return sum(_column_pt(table, index, column) + GAP_PT for index, column in table.shown_columns)


def _column_pt(table: Table, index: int, column: Column) -> float:
    if column.align == "wrap":
        return 0.6 * PORTRAIT_PT
    widths = [DIGIT_PT * min(9, len(column.title))]
    for row in table.rows:
        if not (row.instead and column.shown):
            entry = row.entries[index]
            marked = 4.0 if entry.note else 0.0
            widths.append(DIGIT_PT * len(text_of(column, entry)) + marked)
            widths.append(SMALL_DIGIT_PT * len(within_of(column, entry)))
    return max(widths)
