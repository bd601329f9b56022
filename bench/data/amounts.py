"""How shares and counts are written in sentences."""


def share(part: int | float, whole: int | float = 1) -> str:
    """A percentage with the digits that one reads: `0 %`, `<0.1 %`, `0.4 %`, `12 %`; `100 %` only of all."""
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "<0.1 %"
    if percent < 1 or 99 < percent < 100:
        return f"{min(percent, 99.9):.1f} %".replace("0.0 %", "0 %")
    return f"{percent:.0f} %"


def many(count: int, noun: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
