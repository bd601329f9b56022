"""How each setup differs from the reference, and what is separable from what."""

from dataclasses import dataclass

from bench.report.statistics import Interval


@dataclass(frozen=True)
class Effect:
    """One score of one setup, less that of the reference setup of its group, paired on examples."""

    group: str
    """Title of the group that both are in."""
    setup: str
    """Label of the setup."""
    reference: str
    """Label of the reference setup."""
    score: str
    """The record's name: `token_f1`."""
    difference: float
    """Setup less reference."""
    interval: Interval | None
    p_adjusted: float | None
    """Holm-adjusted within the declared family; null for a score that is outside it or has no test."""
    reason: str | None
    """In words, why there is no interval."""
