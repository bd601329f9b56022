import csv
import io

import pytest

from bench.report.numbers import fixed
from bench.report.render.csv_table import csv_table, no_formula
from bench.report.render.table import Column, Row, Table, TableCell


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
    assert no_formula(text) == written


def test_csv_is_inert_wherever_text_stands():
    columns = (Column("a", "A"), Column("b", "B", format=fixed(1)))
    rows = (
        Row((TableCell("=1"), TableCell(-0.5, "+note"))),
        Row((TableCell("x"), TableCell(None, "@why"))),
        Row((TableCell("y"), TableCell(None)), instead="-2 of 3"),
    )
    assert csv_table(Table("t", "T", columns, rows)) == (
        "a,b,b_missing,note\n'=1,-0.5,,'+note\nx,,'@why,\ny,,'-2 of 3,\n"
    )


def test_csv_survives_its_own_separators():
    table = Table("t", "T", (Column("a", "A"), Column("b", "B")), (Row((TableCell('x,"y"\nz'), TableCell("", "n;o"))),))
    assert list(csv.reader(io.StringIO(csv_table(table)))) == [["a", "b", "note"], ['x,"y"\nz', "", "n;o"]]
