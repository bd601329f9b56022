import pytest
from rich.console import Console
from rich.text import Text

from bench.data.layout import barred, folded, numbered, printed, section, table


def test_lines_that_go_on_are_told_from_lines_of_the_text() -> None:
    text = barred(Text("one two three four\n\nfive"), width=14)
    assert text.plain == "│ one two \n┊ three four\n│ \n│ five"


def test_a_command_is_folded_between_words_that_fit() -> None:
    assert folded(["tunebench", "data", "a=1", "b=2"], width=20) == "tunebench data \\\n    a=1 b=2"
    assert folded(["tunebench", "x" * 30, "b=2"], width=20) == f"tunebench \\\n    {'x' * 30} \\\n    b=2"


def test_nothing_is_printed_after_the_end_of_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    grid = table(
        "name", ">count", "text", rows=[("a", "1", Text("x" * 90, no_wrap=True, overflow="ellipsis")), ("bb", "22", "")]
    )
    printed(Console(width=40), section("Title", "a remark", grid, numbered(["one " * 12, "two"], "")))
    assert capsys.readouterr().out == (
        "\nTitle  a remark\n"
        "  name   count   text\n"
        f"  a          1   {'x' * 22}…\n"
        "  bb        22\n"
        "  1. one one one one one one one one one\n"
        "     one one one\n"
        "  2. two\n"
    )
