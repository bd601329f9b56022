"""The report's answers to "which method, then?", as text."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pick:
    """One answer."""

    preference: str
    """What is wanted: `Best Token F1`, `Fits in 24 GB`."""
    answer: str
    """The method, or the methods that cannot be told apart; a sentence if there is none."""
    reason: str
    """The figures behind the answer, and how sure it is: one sentence or several."""


@dataclass(frozen=True)
class Picks:
    """The answers for one comparison."""

    title: str
    """The model, and the data set where the study has several."""
    model: str
    """The model's name, which the page filters by."""
    picks: tuple[Pick, ...]
