import pytest

from bench.report.figures.canvas import HEADING, MARGIN, NOTE, Canvas


def inches(ax):
    """Left, bottom, width and height of a panel."""
    width, height = ax.figure.get_size_inches()
    box = ax.get_position()
    return box.x0 * width, box.y0 * height, box.width * width, box.height * height


def test_what_is_added_lies_below_each_other_down_to_the_foot_and_the_key():
    canvas = Canvas(4.0, ["How to read it, in a key", "that is longer than a single line of the figure."], foot=0.4)
    canvas.text("A heading " * 20)
    canvas.text("a note that is too long for a single line of the figure, which is of four inches", NOTE, max_lines=2)
    canvas.skip(0.1)
    canvas.row([(0.5, 1.0), (2.0, 1.5)], 2.0)
    canvas.skip(0.3)
    canvas.row([(0.5, 3.0)], 1.0)
    key = MARGIN + 2 * NOTE.line
    height = MARGIN + HEADING.line + 2 * NOTE.line + 0.1 + 2.0 + 0.3 + 1.0 + 0.4 + key
    assert (canvas.height, canvas.key_height) == (pytest.approx(height), pytest.approx(key))

    figure, ((left, right), (below,)) = canvas.build()
    assert tuple(figure.get_size_inches()) == pytest.approx((4.0, height))
    lowest = key + 0.4
    assert inches(below) == pytest.approx((0.5, lowest, 3.0, 1.0))
    assert inches(left) == pytest.approx((0.5, lowest + 1.3, 1.0, 2.0))
    assert inches(right) == pytest.approx((2.0, lowest + 1.3, 1.5, 2.0))
    heading, note, foot = figure.texts
    assert [text.get_text() for text in (heading, note, foot)] == [
        "A heading A heading A heading A heading A ...",
        "a note that is too long for a single line of the figure, which is of\nfour inches",
        "How to read it, in a key that is longer than a single line of the\nfigure.",
    ]
    assert [height * (1 - text.get_position()[1]) for text in (heading, note)] == pytest.approx(
        [MARGIN, MARGIN + HEADING.line]
    )
    assert note.get_color() == NOTE.color
    assert height * foot.get_position()[1] == pytest.approx(MARGIN)


def test_a_row_without_panels_takes_only_its_height():
    canvas = Canvas(4.0, [], foot=0.0)
    canvas.row([], 0.5)
    assert canvas.build()[1] == [[]]
    assert canvas.height == pytest.approx(2 * MARGIN + 0.5)
