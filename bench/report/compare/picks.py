"""What the report answers to "which method, then?": plain sentences, which the documents lay out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pick:
    """One answer."""

    preference: str
    """What is wanted: `Best score`, `Fits in 24 GB`."""
    answer: str
    """The method, or the methods that cannot be told apart; a sentence where there is none."""
    reason: str
    """One sentence or several: the figures behind the answer, and how sure it is."""


@dataclass(frozen=True)
class Picks:
    """The answers for one group of setups that are compared with each other."""

    title: str
    """The group's: a model, and a data set where the study has several."""
    model: str
    """The page's filter selects by it."""
    picks: tuple[Pick, ...]
