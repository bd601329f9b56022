"""The example that every data set returns, every prompt renders and every metric scores."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=0)]
"""Any text. With a limit, even this one, pydantic refuses half surrogate pairs, which no file or tokenizer takes."""


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["system", "user", "assistant", "tool"]
    content: str = Field(min_length=1)


class Example(BaseModel):
    """A question that a model is asked, and the answers that are accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    """The same for the same example in every run, so that runs can be compared example by example."""
    cluster: str = Field(min_length=1)
    """The document or article that it came from; examples of one cluster are not independent."""
    question: str = Field(min_length=1)
    """The question or instruction; of a conversation, the last message of the user."""
    context: Text = ""
    """The text to take the answer from, or empty."""
    references: tuple[Text, ...] = Field(min_length=1)
    """All accepted answers; training uses the first. An empty string means to abstain."""
    messages: tuple[Message, ...] = Field(default=(), exclude_if=lambda messages: not messages)
    """The conversation that the answer continues, up to the question; empty for a single question. It is left out of
    JSON if it is empty, so that such examples have the fingerprints that they had before there were conversations."""

    def without_oldest_turns(self) -> Self | None:
        """The conversation from its second question on, with its system message; None if it has only one question."""
        system = self.messages[:1] if self.messages and self.messages[0].role == "system" else ()
        asked = [at for at, message in enumerate(self.messages) if message.role == "user"]
        if len(asked) < 2:
            return None
        return self.model_copy(update={"messages": (*system, *self.messages[asked[1] :])})


SplitName = Literal["train", "tune", "test"]
SPLIT_WORDS: dict[SplitName, str] = {"train": "training", "tune": "tune", "test": "test"}
"""How the splits are called in sentences."""
OWN_SPLITS = "the source's own splits"
SAMPLES = 3
"""As many of the examples that a step left out are shown."""


class Step(BaseModel):
    """What one step of reading a data set left out of a split. Steps that left out nothing are not listed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """What was wrong with the examples, such as `empty answer`."""
    split: SplitName
    n_dropped: int = Field(ge=1)
    samples: tuple[str, ...] = Field(max_length=SAMPLES)
    """Where the first ones are, such as `faq.csv:7`, and what they say."""


class Splits(BaseModel):
    """The three disjoint parts of a data set, in a fixed order: to learn from, to choose by, and to report on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: tuple[Example, ...]
    test: tuple[Example, ...]
    tune: tuple[Example, ...] = ()
    """Early stopping, the best checkpoint and every choice between settings look at these. If there are none, nothing
    can be chosen."""
    origin: str = OWN_SPLITS
    """How they came about, for display."""
    steps: tuple[Step, ...] = ()
    """What was left out, in the order of the steps."""

    def parts(self) -> dict[SplitName, tuple[Example, ...]]:
        """The examples of each split."""
        return {"train": self.train, "tune": self.tune, "test": self.test}

    def replaced(self, parts: Mapping[SplitName, tuple[Example, ...]]) -> Self:
        """The splits with these examples in the place of their own."""
        return self.model_copy(update={str(name): examples for name, examples in parts.items()})


def evenly(examples: Sequence[Example], n: int) -> Sequence[Example]:
    """At most `n` of the examples, spread evenly over all of them, in their order."""
    return [examples[at * len(examples) // n] for at in range(n)] if len(examples) > n else examples


def fingerprint(examples: Iterable[Example]) -> str:
    """SHA-256 (hex) over the examples' content in order: equal if and only if two runs saw the same examples."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(example.model_dump_json().encode())
        digest.update(b"\n")
    return digest.hexdigest()
