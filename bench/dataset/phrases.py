"""The vocabulary of the `events` reports, read from events.json, and the phrases that are made of it.

All randomness comes from `random.random()`, which gives the same numbers in every Python version.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

CONTENT: dict[str, Any] = json.loads(Path(__file__).with_name("events.json").read_text(encoding="utf-8"))
"""Words, forms of phrases, kinds of events and asides."""

WORDS: dict[str, Sequence[str | int]] = CONTENT["words"] | {
    "day": range(1, 29),
    "year": range(2011, 2025),
    "digit": range(1, 10),
    "tens": range(10, 301, 10),
}


class Phrase(NamedTuple):
    """What fills a role: a `core` such as `Karven range` after a `lead` such as `at the `, which may be empty."""

    lead: str
    core: str

    def references(self, passage: str) -> tuple[str, ...]:
        """The core and each longer form of it up to the whole phrase, spelled as in `passage`."""
        words = self.lead.split()
        forms = [" ".join([*words[start:], self.core]) for start in range(len(words), -1, -1)]
        return tuple(form if form in passage else capitalised(form) for form in forms)


def phrase(name: str, random: Random) -> Phrase:
    """A random phrase of the kind `name`, such as `date`."""
    if name == "equipment":
        return _equipment(random)
    if name == "quantity":
        return _quantity(random)
    forms: list[str] = CONTENT["phrases"][name]
    return _filled(forms[0] if len(forms) == 1 else pick(random, forms), random)


def pick(random: Random, choices: Sequence[T]) -> T:
    """One of `choices`, all equally likely."""
    return choices[int(random.random() * len(choices))]


def capitalised(text: str) -> str:
    """The text with its first letter in upper case and the rest unchanged."""
    return text[:1].upper() + text[1:]


class _RandomWords:
    """A mapping from a list's name to a random word of that list, for `str.format_map`."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def __getitem__(self, name: str) -> str | int:
        return pick(self._random, WORDS[name])


def _filled(form: str, random: Random) -> Phrase:
    """`form` is a lead and a core, separated by `|`, with the names of word lists in braces."""
    lead, _, core = form.format_map(_RandomWords(random)).partition("|")
    return Phrase("an " if lead == "a " and core[0] in "AEIOUaeiou" else lead, core)


def _equipment(random: Random) -> Phrase:
    weapon = pick(random, WORDS["weapon"])
    if random.random() < 0.4:
        return _filled(f"the |{{town_start}}-{{digit}} {weapon}", random)
    made = _filled(f"a |{{weapon_property}} {weapon}", random)
    return made if random.random() < 0.7 else Phrase("a new ", made.core)


def _quantity(random: Random) -> Phrase:
    number = pick(random, (*WORDS["number"], *range(13, 60)))
    return Phrase("at least " if random.random() < 0.2 else "", str(number))
