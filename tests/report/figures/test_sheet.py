import pytest

from bench.report.compare.comparisons import Comparison
from bench.report.figures.sheet import paged


def comparison_of(title, n_setups):
    return Comparison(title, "events", title, tuple(f"{title}{index}" for index in range(n_setups)))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([4], [["a0 a1 a2 a3"]]),
        # 3 + 1 and 4 + 1 fill a page of 9
        ([3, 4], [["a0 a1 a2", "b0 b1 b2 b3"]]),
        ([3, 5], [["a0 a1 a2"], ["b0 b1 b2 b3 b4"]]),
        # Only what is longer than a page is split, and the next comparison follows below it
        ([1, 10, 2], [["a0"], ["b0 b1 b2 b3 b4 b5 b6 b7"], ["b8 b9", "c0 c1"]]),
    ],
)
def test_comparisons_are_split_only_if_they_must_be(sizes, expected):
    comparisons = [comparison_of(title, size) for title, size in zip("abc", sizes, strict=False)]
    pages = paged(comparisons, height=9.0, row=1.0, extra=1.0)
    assert [[" ".join(part.setups) for part in page] for page in pages] == expected


def test_a_row_that_is_larger_than_a_page_has_its_own():
    assert [len(page) for page in paged([comparison_of("a", 2)], height=1.0, row=3.0, extra=1.0)] == [1, 1]
