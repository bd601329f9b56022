"""Leaves out examples that would do harm: too short or long, boilerplate, duplicates, and what is in validation, too.

Each step is off unless its setting asks for it. Each counts what it leaves out, and the record keeps the counts.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt

from bench.dataset.overlap import normalised, text
from bench.example import SAMPLES, Example, SplitName, Step
from bench.settings import Settings, Strings

_SHOWN = 80
"""Characters of an example that are shown of what was left out."""
_PERMUTATIONS = 128
"""Hashes of a text's MinHash; the similarity is estimated to about 1 / sqrt(128) = 9 %, and then computed."""


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


class Quality(Settings):
    """Which examples are left out, in the order of these settings. Lengths are in characters."""

    shortest_answer: NonNegativeInt
    """At least so long; 0 for no limit. Answers that are empty on purpose stay."""
    longest_answer: PositiveInt | None
    longest_question: PositiveInt | None
    longest_context: PositiveInt | None
    drop_answers: Annotated[Strings, AfterValidator(_compiles)]
    """Regular expressions. An answer with a part that matches one is left out; case does not matter."""
    duplicates: Literal["keep", "drop"]
    """Whether of several examples that are equal but for case and white space, all or the first are used."""
    near_duplicates: Annotated[float, Field(gt=0, le=1)] | None
    """Leave out an example that is as similar as this to an earlier one: the share of word sequences (Jaccard) that the
    two have in common. Candidates come from MinHash (Broder 1997) with locality-sensitive hashing."""
    sequence_words: PositiveInt
    """Words in such a sequence; in Chinese, each character is a word."""
    overlap: Literal["refuse", "drop"]
    """What to do about documents that are in training and in validation: stop, or leave them out of training."""

    def kept(self, split: SplitName, placed: Sequence[Placed], language: str) -> tuple[list[Placed], list[Step]]:
        """What is left of a split after all steps but the last, and the steps that left something out."""
        steps: list[Step] = []
        for name, keep in self._steps(language):
            verdicts = [(item, keep(item.example)) for item in placed]
            placed = [item for item, stays in verdicts if stays]
            steps += _step(name, split, [item for item, stays in verdicts if not stays])
        return list(placed), steps

    def disjoint(self, training: Sequence[Placed], validation: Iterable[Example]) -> tuple[list[Placed], list[Step]]:
        """What is left of training without the documents and texts of validation, if they are to be left out."""
        if self.overlap == "refuse":
            return list(training), []
        taken = {(kind, value) for example in validation for kind, value in _identities(example)}
        inside = [any(identity in taken for identity in _identities(item.example)) for item in training]
        kept = [item for item, shared in zip(training, inside, strict=True) if not shared]
        left_out = [item for item, shared in zip(training, inside, strict=True) if shared]
        return kept, _step("also in validation", "train", left_out)

    def _steps(self, language: str) -> Iterator[tuple[str, Keep]]:
        """The name of each step that is on, and whether it keeps an example."""
        if self.shortest_answer:
            yield "answer too short", _at_least(self.shortest_answer)
        for name, part, longest in (
            ("answer too long", _answer, self.longest_answer),
            ("question too long", attrgetter("question"), self.longest_question),
            ("context too long", attrgetter("context"), self.longest_context),
        ):
            if longest is not None:
                yield name, _at_most(longest, part)
        for pattern in self.drop_answers:
            yield f"answer that matches {pattern!r}", _without(pattern)
        if self.duplicates == "drop":
            yield "duplicate", _first_of_equals()
        if self.near_duplicates is not None:
            yield "near duplicate", _first_of_similar(self.near_duplicates, self.sequence_words, language)


def _at_least(shortest: int) -> Keep:
    return lambda example: not _answer(example) or len(_answer(example)) >= shortest


def _at_most(longest: int, part: Callable[[Example], str]) -> Keep:
    return lambda example: len(part(example)) <= longest


def _without(pattern: str) -> Keep:
    search = re.compile(pattern, re.IGNORECASE).search
    return lambda example: search(_answer(example)) is None


def _answer(example: Example) -> str:
    return example.references[0]


def _step(name: str, split: SplitName, left_out: Sequence[Placed]) -> list[Step]:
    samples = tuple(f"{Path(at).name}: {_excerpt(example)}" for at, example in left_out[:SAMPLES])
    return [Step(name=name, split=split, n_dropped=len(left_out), samples=samples)] if left_out else []


def _excerpt(example: Example) -> str:
    shown = " ".join(f"{example.question} → {_answer(example)}".split())
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"


def _identities(example: Example) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("document", example.cluster), ("text", text(example))


def _content(example: Example) -> str:
    parts = (*(message.content for message in example.messages), example.question, example.context, _answer(example))
    return normalised(" ".join(parts))


def _first_of_equals() -> Keep:
    seen: set[str] = set()

    def keep(example: Example) -> bool:
        content = _content(example)
        fresh = content not in seen
        seen.add(content)
        return fresh

    return keep


def _first_of_similar(threshold: float, n_words: int, language: str) -> Keep:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=threshold, num_perm=_PERMUTATIONS)
    sequences: list[frozenset[str]] = []

    def keep(example: Example) -> bool:
        own = word_sequences(_content(example), n_words, language)
        hashed = MinHash(num_perm=_PERMUTATIONS)
        hashed.update_batch([sequence.encode() for sequence in sorted(own)])
        if any(similarity(own, sequences[at]) >= threshold for at in index.query(hashed)):
            return False
        index.insert(len(sequences), hashed)
        sequences.append(own)
        return True

    return keep


def word_sequences(content: str, n_words: int, language: str) -> frozenset[str]:
    """All sequences of `n_words` words that follow one another; the whole text if it has fewer words."""
    words = re.findall(r"\w", content) if language == "zh" else content.split()
    return frozenset(" ".join(words[at : at + n_words]) for at in range(max(1, len(words) - n_words + 1)))


def similarity(first: frozenset[str], second: frozenset[str]) -> float:
    """The share of all sequences of two texts that are in both (Jaccard 1912)."""
    return len(first & second) / len(first | second)
