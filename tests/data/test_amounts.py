import pytest

from bench.data.amounts import many, share


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 9, "0 %"), (1, 5000, "<0.1 %"), (1, 250, "0.4 %"), (1, 8, "12 %"), (4999, 5000, "99.9 %"), (9, 9, "100 %")],
)
def test_shares(part: int, whole: int, text: str) -> None:
    assert share(part, whole) == text


def test_counts() -> None:
    assert (many(1, "row"), many(0, "row"), many(12345, "row")) == ("1 row", "0 rows", "12,345 rows")
