"""SQuAD's normalisation, and Chinese text split into characters."""

# Chinese text is written with full-width characters.
# ruff: noqa: RUF001

import pytest

from bench.metric import Language
from bench.metric.words import compared_words, stated, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Eiffel Tower", ["eiffel", "tower"]),
        ("an apple, a pear and the rest", ["apple", "pear", "and", "rest"]),
        ("  U.S.\tNavy\n", ["us", "navy"]),
        ("3,000.5", ["30005"]),
        ("theatre an-other", ["theatre", "another"]),
        ("a.m.", ["am"]),
        # The curly quotation marks and the dash are not ASCII, so the official script keeps them.
        ("“Café” – 1990", ["“café”", "–", "1990"]),
        ("The", []),
        ("?!", []),
        ("", []),
    ],
)
def test_english_is_split_as_by_the_official_script(text: str, expected: list[str]) -> None:
    assert words(text, "en") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("北京是首都。", ["北", "京", "是", "首", "都"]),
        ("F-16战机，共12架", ["f", "16", "战", "机", "共", "12", "架"]),
        ("Ｆ１６", ["f16"]),
        ("A股上涨3.5%", ["a", "股", "上", "涨", "3", "5"]),
        ("the 军", ["the", "军"]),
        ("𠮷野家 二〇二一 人々", ["𠮷", "野", "家", "二", "〇", "二", "一", "人", "々"]),
        ("snake_case", ["snake", "case"]),
        ("。！", []),
        ("", []),
    ],
)
def test_every_chinese_character_is_a_word(text: str, expected: list[str]) -> None:
    assert words(text, "zh") == expected


def test_the_language_alone_decides_how_text_is_split() -> None:
    assert words("北京 the 2008", "en") == ["北京", "2008"]


@pytest.mark.parametrize(
    ("prediction", "references", "language", "expected"),
    [
        ("the Nile!", ["", "The Nile", "the"], "en", (["nile"], [["nile"]])),
        ("the", ["The Nile", "the"], "en", ([], [["nile"]])),
        # Abstaining is right, and as in the official script, an answer without words abstains
        (".", ["", " "], "en", ([], [[]])),
        ("", [], "en", ([], [[]])),
        # An operator, an emoji, and the letter of a choice are answers
        ("+", ["+", ""], "en", (["+"], [["+"]])),
        ("", ["+"], "en", ([], [["+"]])),
        ("-", ["+"], "en", (["-"], [["+"]])),
        ("A.", ["A", "the"], "en", (["a"], [["a"], ["the"]])),
        ("😀", ["😀"], "zh", (["😀"], [["😀"]])),
        ("。", ["！"], "zh", (["。"], [["!"]])),
    ],
)
def test_only_blank_references_mean_that_abstaining_is_right(
    prediction: str, references: list[str], language: Language, expected: tuple[list[str], list[list[str]]]
) -> None:
    assert compared_words(prediction, references, language) == expected


def test_blank_references_are_left_out() -> None:
    assert stated(["", "The Nile", " \n", "the"]) == ["The Nile", "the"]
    assert stated([" "]) == []
