"""What the report answers to "which method, then?": plain sentences, made elsewhere and only laid out here."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.report.wording import printable

LONGEST = 2_000
"""Characters of one text that are shown."""


@dataclass(frozen=True)
class Pick:
    """One answer."""

    preference: str
    """What is wanted: `Best score`, `Fits in 24 GB`."""
    answer: str
    """The method, or the methods that cannot be told apart; a sentence where there is none."""
    reason: str
    """One sentence or several: the figures behind the answer, and how sure it is."""

    def told(self, escape: Callable[[str], str]) -> tuple[str, str, str]:
        """Preference, answer and reason, each on one line and with nothing invisible, as `escape` writes them."""
        preference, answer, reason = (
            escape(printable(text, LONGEST)) for text in (self.preference, self.answer, self.reason)
        )
        return preference, answer, reason


@dataclass(frozen=True)
class Picks:
    """The answers for one group of setups that are compared with each other."""

    title: str
    """The group's: a model, and a data set where the study has several."""
    model: str
    """By which the page's filter knows it."""
    picks: tuple[Pick, ...]
