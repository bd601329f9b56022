"""Leaves out examples that would do harm: too short or long, boilerplate, duplicates, and what is in two splits.

Each step is off unless its setting asks for it. Each counts what it leaves out, and the record keeps the counts.
Lengths, patterns and duplicates are looked at while a source is read; then the splits are made, overlaps are left out,
and the limits choose documents; near duplicates are looked for among the chosen ones.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt

from bench.dataset.overlap import normalised
from bench.dataset.split import hash_64
from bench.example import SAMPLES, Example, SplitName, Step
from bench.settings import Settings, Strings

_SHOWN = 60
"""Characters of an example that are shown of what was left out: with its place, a line of a terminal."""
_PERMUTATIONS = 128
"""Hashes of a text's MinHash; the similarity is estimated to about 1 / sqrt(128) = 9 %, and then computed."""
_FEW_MISSED = (0.01, 0.99)
"""What false and missed candidates cost: false ones only time, because the similarity of each candidate is computed.
With datasketch's own (0.5, 0.5), 30 to 70 % of the pairs right at the threshold are missed; with this, at most 3 %."""
_STRICTEST = 0.95
"""Candidates are at least so similar or less: datasketch has no index for similarities close to 1."""


def _compiles(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is not a regular expression ({error})") from error
    return patterns


class Placed(NamedTuple):
    """An example, and where it was read, such as `faq.csv:7`."""

    at: str
    example: Example


Keep = Callable[[Example], bool]
Sequences = frozenset[str]
NEAR = "near duplicate"


class LeftOut:
    """What each of some steps leaves out of a split. Only the first examples are remembered."""

    def __init__(self, split: SplitName, steps: Iterable[str]) -> None:
        self.split = split
        self._counts = dict.fromkeys(steps, 0)
        self._samples: dict[str, list[str]] = {step: [] for step in self._counts}

    def add(self, step: str, at: str, example: Example | None = None) -> None:
        """Count an example, or a record that is none."""
        self._counts[step] += 1
        if len(self._samples[step]) < SAMPLES:
            self._samples[step].append(at if example is None else _shown(Placed(at, example)))

    def emptied(self) -> "LeftOut":
        """The same steps, which have left out nothing yet."""
        return LeftOut(self.split, self._counts)

    def steps(self) -> list[Step]:
        """The steps that left something out, in their order."""
        return [
            Step(name=name, split=self.split, n_dropped=count, samples=tuple(self._samples[name]))
            for name, count in self._counts.items()
            if count
        ]


class Quality(Settings):
    """Which examples are left out. Lengths are in characters."""

    shortest_answer: NonNegativeInt
    """At least so long; 0 for no limit. Answers, questions and contexts that are empty on purpose stay."""
    longest_answer: PositiveInt | None
    shortest_question: NonNegativeInt
    longest_question: PositiveInt | None
    shortest_context: NonNegativeInt
    longest_context: PositiveInt | None
    drop_answers: Annotated[Strings, AfterValidator(_compiles)]
    """Regular expressions. An answer with a part that matches one is left out; case does not matter."""
    duplicates: Literal["keep", "drop"]
    """Whether of several examples that are equal but for case and white space, all or the first are used. Takes about
    60 bytes of memory for each example of the source."""
    near_duplicates: Annotated[float, Field(gt=0, le=1)] | None
    """Leave out an example that is as similar as this to an earlier one: the share of word sequences that two examples
    have in common (Jaccard). Within a split, this must hold for the contexts and also for the questions with their
    answers, since other questions about a text are no duplicates; between two splits, for all of the example.
    Candidates come from MinHash (Broder 1997) with locality-sensitive hashing."""
    sequence_words: PositiveInt
    """Words in such a sequence; in Chinese, each character is a word."""
    overlap: Literal["refuse", "drop"]
    """What to do about documents that are in two splits: stop, or leave them out of training, or of tune if they are in
    test."""

    @property
    def names(self) -> list[str]:
        """The steps that `fault` can give, in the order in which they are taken."""
        return [name for name, _ in self._steps()]

    @property
    def asked_for(self) -> tuple[str, ...]:
        """All steps that are on and look at examples, not at splits."""
        return (*self.names, *([] if self.near_duplicates is None else [NEAR]))

    def fault(self) -> Callable[[Example], str | None]:
        """A function that gives the step that leaves an example out, or None if it stays.

        It remembers the examples that it was given, to find duplicates, so each reading of a source needs its own.
        """
        steps = list(self._steps())
        return lambda example: next((name for name, keep in steps if not keep(example)), None)

    def distinct(
        self, splits: dict[SplitName, list[Placed]], language: str
    ) -> tuple[dict[SplitName, list[Placed]], list[Step]]:
        """The splits without near duplicates, and what was left out of them.

        Test goes first, then tune: training examples that are similar to those stay out, so that nothing is scored on
        what was nearly trained on.
        """
        if self.near_duplicates is None:
            return splits, []
        fresh = _first_of_similar(self.near_duplicates, self.sequence_words, language)
        kept: dict[SplitName, list[Placed]] = {}
        steps: list[Step] = []
        for name in ("test", "tune", "train"):
            kept[name], left_out = _kept(partial(fresh, name), splits[name], LeftOut(name, [NEAR]))
            steps = [*left_out, *steps]
        return kept, steps

    def _steps(self) -> Iterator[tuple[str, Keep]]:
        """The name of each step that is on and needs one example at a time, and whether it keeps an example."""
        for name, part, shortest, longest in (
            ("answer", _answer, self.shortest_answer, self.longest_answer),
            ("question", attrgetter("question"), self.shortest_question, self.longest_question),
            ("context", attrgetter("context"), self.shortest_context, self.longest_context),
        ):
            if shortest:
                yield f"{name} too short", _at_least(shortest, part)
            if longest is not None:
                yield f"{name} too long", _at_most(longest, part)
        for pattern in self.drop_answers:
            yield f"answer that matches {pattern!r}", _without(pattern)
        if self.duplicates == "drop":
            yield "duplicate", _first_of_equals()


def also_in(others: Iterable[SplitName], split: SplitName, n: int, samples: Iterable[Placed]) -> list[Step]:
    """The step that left `n` examples out of a split, of which some are shown; none if there are none."""
    shown = tuple(map(_shown, samples))
    return [Step(name=f"also in {' or '.join(others)}", split=split, n_dropped=n, samples=shown)] if n else []


def _kept(keep: Keep, placed: Iterable[Placed], left_out: LeftOut) -> tuple[list[Placed], list[Step]]:
    kept = []
    for at, example in placed:
        if keep(example):
            kept.append(Placed(at, example))
        else:
            left_out.add(NEAR, at, example)
    return kept, left_out.steps()


def _at_least(shortest: int, part: Callable[[Example], str]) -> Keep:
    return lambda example: not part(example) or len(part(example)) >= shortest


def _at_most(longest: int, part: Callable[[Example], str]) -> Keep:
    return lambda example: len(part(example)) <= longest


def _without(pattern: str) -> Keep:
    search = re.compile(pattern, re.IGNORECASE).search
    return lambda example: search(_answer(example)) is None


def _answer(example: Example) -> str:
    return example.references[0]


def _shown(item: Placed) -> str:
    text = " ".join(f"{item.example.question} → {_answer(item.example)}".split())
    return f"{Path(item.at).name}: {text if len(text) <= _SHOWN else f'{text[: _SHOWN - 1]}…'}"


def _content(example: Example) -> tuple[str, str]:
    """The context, and everything else: the conversation, the question and the answer."""
    said = (*(message.content for message in example.messages), example.question, _answer(example))
    return normalised(example.context), normalised(" ".join(said))


def _first_of_equals() -> Keep:
    seen: set[int] = set()

    def keep(example: Example) -> bool:
        content = hash_64("\n".join(_content(example)))
        fresh = content not in seen
        seen.add(content)
        return fresh

    return keep


def _first_of_similar(threshold: float, n_words: int, language: str) -> Callable[[SplitName, Example], bool]:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=min(threshold, _STRICTEST), num_perm=_PERMUTATIONS, weights=_FEW_MISSED)
    kept: list[tuple[SplitName, list[Sequences]]] = []

    def fresh(split: SplitName, example: Example) -> bool:
        parts = [word_sequences(part, n_words, language) for part in _content(example)]
        hashed = MinHash(num_perm=_PERMUTATIONS)
        # If each of two parts is similar, both together are, so that the index has a candidate for either rule.
        hashed.update_batch([sequence.encode() for sequence in sorted(_together(parts))])
        for other_split, other in map(kept.__getitem__, index.query(hashed)):
            pairs = zip(parts, other, strict=True) if split == other_split else [(_together(parts), _together(other))]
            if all(similarity(*pair) >= threshold for pair in pairs):
                return False
        index.insert(len(kept), hashed)
        kept.append((split, parts))
        return True

    return fresh


def _together(parts: Iterable[Sequences]) -> Sequences:
    return Sequences().union(*parts)


def word_sequences(content: str, n_words: int, language: str) -> Sequences:
    """All sequences of `n_words` words that follow one another; the whole text if it has fewer words, none if it has no
    words.
    """
    words = re.findall(r"\w", content) if language == "zh" else content.split()
    starts = range(max(len(words) - n_words + 1, min(len(words), 1)))
    return Sequences(" ".join(words[at : at + n_words]) for at in starts)


def similarity(first: Sequences, second: Sequences) -> float:
    """The share of all sequences of two texts that are in both (Jaccard 1912); 1 for two texts without any."""
    return len(first & second) / len(first | second) if first or second else 1.0
